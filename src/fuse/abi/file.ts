/** Requests about open files (linux/fuse.h). */
import { layout, le32, le64 } from '../../../lib/layout.js'

/** Flags of open files that come with requests (asm-generic/fcntl.h): O_SYNC is O_DSYNC and another bit. */
export const O_DSYNC = 0o10000
export const O_SYNC = 0o4010000
export const O_NOATIME = 0o1000000

/** struct fuse_open_in. `flags`: O_*; `open_flags`: FUSE_OPEN_*. */
export const OpenIn = layout('fuse_open_in', 8, { flags: le32(0), open_flags: le32(4) })
export const FUSE_OPEN_KILL_SUIDGID = 1 << 0

/** struct fuse_create_in. */
export const CreateIn = layout('fuse_create_in', 16, {
  flags: le32(0),
  mode: le32(4),
  umask: le32(8),
  open_flags: le32(12),
})

/** struct fuse_open_out. `open_flags`: FOPEN_*. */
export const OpenOut = layout('fuse_open_out', 16, { fh: le64(0), open_flags: le32(8) })
export const FOPEN_DIRECT_IO = 1 << 0
export const FOPEN_KEEP_CACHE = 1 << 1
export const FOPEN_CACHE_DIR = 1 << 3
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6

/** struct fuse_release_in. */
export const ReleaseIn = layout('fuse_release_in', 24, {
  fh: le64(0),
  flags: le32(8),
  release_flags: le32(12),
  lock_owner: le64(16),
})

/** struct fuse_flush_in. */
export const FlushIn = layout('fuse_flush_in', 24, { fh: le64(0), lock_owner: le64(16) })

/** struct fuse_read_in. */
export const ReadIn = layout('fuse_read_in', 40, {
  fh: le64(0),
  offset: le64(8),
  size: le32(16),
  read_flags: le32(20),
  lock_owner: le64(24),
  flags: le32(32),
})

/** struct fuse_write_in; `size` bytes follow. `write_flags`: FUSE_WRITE_*. */
export const WriteIn = layout('fuse_write_in', 40, {
  fh: le64(0),
  offset: le64(8),
  size: le32(16),
  write_flags: le32(20),
  lock_owner: le64(24),
  flags: le32(32),
})
export const FUSE_WRITE_CACHE = 1 << 0
export const FUSE_WRITE_KILL_SUIDGID = 1 << 2

/** struct fuse_write_out. */
export const WriteOut = layout('fuse_write_out', 8, { size: le32(0) })

/** struct fuse_fsync_in. `fsync_flags`: FUSE_FSYNC_FDATASYNC. */
export const FsyncIn = layout('fuse_fsync_in', 16, { fh: le64(0), fsync_flags: le32(8) })
export const FUSE_FSYNC_FDATASYNC = 1 << 0

/** struct fuse_syncfs_in. */
export const SyncfsIn = layout('fuse_syncfs_in', 8, { padding: le64(0) })

/** struct fuse_fallocate_in. */
export const FallocateIn = layout('fuse_fallocate_in', 32, {
  fh: le64(0),
  offset: le64(8),
  length: le64(16),
  mode: le32(24),
})

/** struct fuse_lseek_in. `whence`: SEEK_DATA or SEEK_HOLE, the others the kernel answers itself. */
export const LseekIn = layout('fuse_lseek_in', 24, { fh: le64(0), offset: le64(8), whence: le32(16) })
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

/** struct fuse_lseek_out. */
export const LseekOut = layout('fuse_lseek_out', 8, { offset: le64(0) })

/** struct fuse_copy_file_range_in. */
export const CopyFileRangeIn = layout('fuse_copy_file_range_in', 56, {
  fh_in: le64(0),
  off_in: le64(8),
  nodeid_out: le64(16),
  fh_out: le64(24),
  off_out: le64(32),
  len: le64(40),
  flags: le64(48),
})

/** struct fuse_copy_file_range_out, of COPY_FILE_RANGE_64; the older request is answered by a {@link WriteOut}. */
export const CopyFileRangeOut = layout('fuse_copy_file_range_out', 8, { bytes_copied: le64(0) })

/** struct fuse_ioctl_in. */
export const IoctlIn = layout('fuse_ioctl_in', 32, {
  fh: le64(0),
  flags: le32(8),
  cmd: le32(12),
  arg: le64(16),
  in_size: le32(24),
  out_size: le32(28),
})

/** struct fuse_bmap_in. */
export const BmapIn = layout('fuse_bmap_in', 16, { block: le64(0), blocksize: le32(8) })

/** struct fuse_bmap_out. */
export const BmapOut = layout('fuse_bmap_out', 8, { block: le64(0) })

/** IOCTL (linux/fuse.h) and the ioctls that reach a file system here (linux/fs.h). */
import { layout, le32, le64 } from '../../../lib/layout.js'

/** struct fuse_ioctl_out; what the ioctl returns follows. */
export const IoctlOut = layout('fuse_ioctl_out', 16, {
  result: le32(0),
  flags: le32(4),
  in_iovs: le32(8),
  out_iovs: le32(12),
})

export const FS_IOC_GETFLAGS = 0x80086601
export const FS_IOC_SETFLAGS = 0x40086602
export const FS_IOC_GETVERSION = 0x80087601
export const FS_IOC_FSGETXATTR = 0x801c581f
export const FS_IOC_FSSETXATTR = 0x401c5820
export const FITRIM = 0xc0185879
export const FS_IOC_GETFSLABEL = 0x81009431
export const FS_IOC_SETFSLABEL = 0x41009432
/** FSLABEL_MAX: bytes of the argument of both. */
export const FSLABEL_MAX = 256
/** Declared as handing out a number, in truth it takes one. */
export const EXT4_IOC_SHUTDOWN = 0x8004587d
/** Its flags 0, 1 and 2, EXT4_GOING_FLAGS_*. */
export const SHUTDOWN_MODES = ['default', 'logflush', 'nologflush'] as const

/** struct fsxattr. */
export const Fsxattr = layout('fsxattr', 28, {
  fsx_xflags: le32(0),
  fsx_extsize: le32(4),
  fsx_nextents: le32(8),
  fsx_projid: le32(12),
  fsx_cowextsize: le32(16),
})

/** struct fstrim_range, of FITRIM. Bytes. */
export const FstrimRange = layout('fstrim_range', 24, { start: le64(0), len: le64(8), minlen: le64(16) })

/** Requests about names (linux/fuse.h). The names follow the structure, each ended by a NUL. */
import { type Field, layout, le32, le64 } from '../../../lib/layout.js'

/** A directory cookie: all 64 bits matter. */
class Cookie implements Field<bigint> {
  readonly size = 8
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): bigint {
    return view.getBigUint64(at + this.offset, true)
  }
  set(view: DataView, at: number, value: bigint): void {
    view.setBigUint64(at + this.offset, value, true)
  }
}

/** struct fuse_mknod_in. `mode` carries the type bits. */
export const MknodIn = layout('fuse_mknod_in', 16, { mode: le32(0), rdev: le32(4), umask: le32(8) })

/** struct fuse_mkdir_in. */
export const MkdirIn = layout('fuse_mkdir_in', 8, { mode: le32(0), umask: le32(4) })

/** struct fuse_rename_in. */
export const RenameIn = layout('fuse_rename_in', 8, { newdir: le64(0) })

/** struct fuse_rename2_in. `flags`: RENAME_*. */
export const Rename2In = layout('fuse_rename2_in', 16, { newdir: le64(0), flags: le32(8) })

/** struct fuse_link_in. */
export const LinkIn = layout('fuse_link_in', 8, { oldnodeid: le64(0) })

/** struct fuse_dirent; the name follows and the record is padded to 8 bytes. `off` continues behind the entry. */
export const Dirent = layout('fuse_dirent', 24, {
  ino: le64(0),
  off: new Cookie(8),
  namelen: le32(16),
  type: le32(20),
})

/** struct fuse_read_in as READDIR and READDIRPLUS use it. */
export const ReaddirIn = layout('fuse_read_in', 40, {
  fh: le64(0),
  offset: new Cookie(8),
  size: le32(16),
  flags: le32(32),
})

/** Attributes on the wire (linux/fuse.h). Times: seconds are signed 64 bits, nanoseconds 0..999,999,999. */
import { type Field, layout, le32, le64 } from '../../../lib/layout.js'

/** A signed 64-bit number of seconds, exact within ±2^53. */
class Seconds implements Field<number> {
  readonly size = 8
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): number {
    return view.getUint32(at + this.offset, true) + view.getInt32(at + this.offset + 4, true) * 0x1_0000_0000
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint32(at + this.offset, value >>> 0, true)
    view.setInt32(at + this.offset + 4, Math.floor(value / 0x1_0000_0000), true)
  }
}

export const seconds = (offset: number): Field<number> => new Seconds(offset)

/** struct fuse_attr. */
export const Attr = layout('fuse_attr', 88, {
  ino: le64(0),
  size: le64(8),
  blocks: le64(16),
  atime: seconds(24),
  mtime: seconds(32),
  ctime: seconds(40),
  atimensec: le32(48),
  mtimensec: le32(52),
  ctimensec: le32(56),
  mode: le32(60),
  nlink: le32(64),
  uid: le32(68),
  gid: le32(72),
  rdev: le32(76),
  blksize: le32(80),
  flags: le32(84),
})

/** struct fuse_entry_out; `attr` is a {@link Attr} at {@link ENTRY_ATTR}. */
export const EntryOut = layout('fuse_entry_out', 128, {
  nodeid: le64(0),
  generation: le64(8),
  entry_valid: le64(16),
  attr_valid: le64(24),
  entry_valid_nsec: le32(32),
  attr_valid_nsec: le32(36),
})
export const ENTRY_ATTR = 40

/** struct fuse_attr_out; `attr` is a {@link Attr} at {@link ATTR_OUT_ATTR}. */
export const AttrOut = layout('fuse_attr_out', 104, {
  attr_valid: le64(0),
  attr_valid_nsec: le32(8),
})
export const ATTR_OUT_ATTR = 16

/** struct fuse_getattr_in. */
export const GetattrIn = layout('fuse_getattr_in', 16, { getattr_flags: le32(0), fh: le64(8) })

/** struct fuse_setattr_in. `valid` is a union of FATTR_*. */
export const SetattrIn = layout('fuse_setattr_in', 88, {
  valid: le32(0),
  fh: le64(8),
  size: le64(16),
  lock_owner: le64(24),
  atime: seconds(32),
  mtime: seconds(40),
  ctime: seconds(48),
  atimensec: le32(56),
  mtimensec: le32(60),
  ctimensec: le32(64),
  mode: le32(68),
  uid: le32(76),
  gid: le32(80),
})

export const FATTR_MODE = 1 << 0
export const FATTR_UID = 1 << 1
export const FATTR_GID = 1 << 2
export const FATTR_SIZE = 1 << 3
export const FATTR_ATIME = 1 << 4
export const FATTR_MTIME = 1 << 5
export const FATTR_FH = 1 << 6
export const FATTR_ATIME_NOW = 1 << 7
export const FATTR_MTIME_NOW = 1 << 8
export const FATTR_LOCKOWNER = 1 << 9
export const FATTR_CTIME = 1 << 10
export const FATTR_KILL_SUIDGID = 1 << 11

/** struct fuse_statfs_out, that is struct fuse_kstatfs. */
export const StatfsOut = layout('fuse_statfs_out', 80, {
  blocks: le64(0),
  bfree: le64(8),
  bavail: le64(16),
  files: le64(24),
  ffree: le64(32),
  bsize: le32(40),
  namelen: le32(44),
  frsize: le32(48),
})

/** struct fuse_access_in. */
export const AccessIn = layout('fuse_access_in', 8, { mask: le32(0) })

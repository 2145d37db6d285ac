import { layout, le16, le32, le64 } from '../../../lib/layout.js'
import { seconds } from './attr.js'

/** struct fuse_statx_in. */
export const StatxIn = layout('fuse_statx_in', 24, {
  getattr_flags: le32(0),
  fh: le64(8),
  sx_flags: le32(16),
  sx_mask: le32(20),
})

/** struct fuse_statx_out; `stat` is a {@link Statx} at {@link STATX_OUT_STAT}. */
export const StatxOut = layout('fuse_statx_out', 288, {
  attr_valid: le64(0),
  attr_valid_nsec: le32(8),
  flags: le32(12),
})
export const STATX_OUT_STAT = 32

/** struct fuse_statx. */
export const Statx = layout('fuse_statx', 256, {
  mask: le32(0),
  blksize: le32(4),
  attributes: le64(8),
  nlink: le32(16),
  uid: le32(20),
  gid: le32(24),
  mode: le16(28),
  ino: le64(32),
  size: le64(40),
  blocks: le64(48),
  attributes_mask: le64(56),
  atime: seconds(64),
  atime_nsec: le32(72),
  btime: seconds(80),
  btime_nsec: le32(88),
  ctime: seconds(96),
  ctime_nsec: le32(104),
  mtime: seconds(112),
  mtime_nsec: le32(120),
  rdev_major: le32(128),
  rdev_minor: le32(132),
  dev_major: le32(136),
  dev_minor: le32(140),
})

/** Fields of `mask` (linux/stat.h). */
export const STATX_BASIC_STATS = 0x7ff
export const STATX_BTIME = 0x800

/** Headers and the requests that have no reply (linux/fuse.h). Host byte order, which here is little-endian. */
import { layout, le16, le32, le64 } from '../../../lib/layout.js'

/** struct fuse_in_header. `unique` is never decoded: its eight bytes go back as they came. */
export const InHeader = layout('fuse_in_header', 40, {
  len: le32(0),
  opcode: le32(4),
  unique_lo: le32(8),
  unique_hi: le32(12),
  nodeid: le64(16),
  uid: le32(24),
  gid: le32(28),
  pid: le32(32),
  total_extlen: le16(36),
})

/**
 * struct fuse_ext_header, of the extensions behind a request's arguments: `total_extlen` of the header counts all of
 * them, in units of 8 bytes. `size` of one is that of its header, its content and the padding to 8 bytes.
 */
export const ExtHeader = layout('fuse_ext_header', 8, { size: le32(0), type: le32(4) })
/** enum fuse_ext_type: a struct fuse_supp_groups follows, a count and as many group ids of 32 bits. */
export const FUSE_EXT_GROUPS = 32

/** struct fuse_out_header. `error` is 0 or a negative errno. */
export const OutHeader = layout('fuse_out_header', 16, {
  len: le32(0),
  error: le32(4),
  unique_lo: le32(8),
  unique_hi: le32(12),
})

/** struct fuse_forget_in. */
export const ForgetIn = layout('fuse_forget_in', 8, { nlookup: le64(0) })

/** struct fuse_batch_forget_in; `count` of {@link ForgetOne} follow. */
export const BatchForgetIn = layout('fuse_batch_forget_in', 8, { count: le32(0) })

/** struct fuse_forget_one. */
export const ForgetOne = layout('fuse_forget_one', 16, { nodeid: le64(0), nlookup: le64(8) })

/** struct fuse_interrupt_in. */
export const InterruptIn = layout('fuse_interrupt_in', 8, { unique_lo: le32(0), unique_hi: le32(4) })

/** Notifications have `unique` 0 and their code for an error. */
export const FUSE_NOTIFY_INVAL_INODE = 2

/** struct fuse_notify_inval_inode_out. With a negative offset only the attributes are dropped. */
export const NotifyInvalInodeOut = layout('fuse_notify_inval_inode_out', 24, {
  ino: le64(0),
  off: le64(8),
  len: le64(16),
})

/** FUSE_ROOT_ID: the nodeid of the root directory, whatever its inode number is. */
export const FUSE_ROOT_ID = 1

import { layout, le32 } from '../../../lib/layout.js'

/** struct fuse_setxattr_in in its short form, without SETXATTR_EXT. Name and value (`size` bytes) follow. */
export const SetxattrIn = layout('fuse_setxattr_in', 8, { size: le32(0), flags: le32(4) })

/** struct fuse_setxattr_in with SETXATTR_EXT. */
export const SetxattrInExt = layout('fuse_setxattr_in', 16, {
  size: le32(0),
  flags: le32(4),
  setxattr_flags: le32(8),
})
export const FUSE_SETXATTR_ACL_KILL_SGID = 1 << 0

/** struct fuse_getxattr_in, of GETXATTR (the name follows) and LISTXATTR. */
export const GetxattrIn = layout('fuse_getxattr_in', 8, { size: le32(0) })

/** struct fuse_getxattr_out: the reply when the size was asked for (`size` 0). */
export const GetxattrOut = layout('fuse_getxattr_out', 8, { size: le32(0) })

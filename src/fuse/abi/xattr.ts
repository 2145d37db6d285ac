import { layout, le32 } from '../../../lib/layout.js'

/** struct fuse_setxattr_in in its short form, without SETXATTR_EXT. Name and value follow. */
export const SetxattrIn = layout('fuse_setxattr_in', 8, { size: le32(0), flags: le32(4) })

/** struct fuse_getxattr_in, of GETXATTR (the name follows) and LISTXATTR. */
export const GetxattrIn = layout('fuse_getxattr_in', 8, { size: le32(0) })

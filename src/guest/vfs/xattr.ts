/** Extended attributes. Limits and flags as linux/limits.h and linux/xattr.h have them; see xattr(7). */

/** The longest name, its prefix included, bytes. */
export const XATTR_NAME_MAX = 255
/** The largest value, bytes. */
export const XATTR_SIZE_MAX = 65536

/** Flags of setxattr: EEXIST when the attribute is there. */
export const XATTR_CREATE = 1
/** ENODATA when the attribute is not there. */
export const XATTR_REPLACE = 2
/** Of ours: the caller may not keep S_ISGID when it sets an access ACL (it is not of the file's group). */
export const XATTR_ACL_KILL_SGID = 0x100

import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { decodeAcl, encodeAcl } from '../vfs/posix-acl.js'
import { XATTR_ACL_KILL_SGID } from '../vfs/xattr.js'
import { type AclType, getAcl, setAcl } from './acl.js'
import type { Inode } from './inode.js'
import type { Behaviour } from './mount-options.js'
import { getXattr, listXattrs, noData, removeXattr, setXattr } from './xattr.js'
import {
  INDEX_POSIX_ACL_ACCESS,
  INDEX_POSIX_ACL_DEFAULT,
  INDEX_TRUSTED,
  INDEX_USER,
  splitName,
  type XattrName,
} from './xattr-namespace.js'

/**
 * The extended attribute calls, by full names: most attributes are bytes that nobody here understands; ACLs have a
 * meaning and another form on the medium.
 */

export function getAttribute(inode: Inode, full: Uint8Array): Uint8Array | undefined {
  const name = offeredName(inode, full)
  const type = aclType(name)
  if (type === undefined) return getXattr(inode, name)
  const acl = getAcl(inode, type)
  return acl && encodeAcl(acl)
}

/** XATTR_CREATE and XATTR_REPLACE do not count for ACLs, as with Linux. */
export function setAttribute(
  handle: Handle,
  inode: Inode,
  full: Uint8Array,
  value: Uint8Array,
  flags: number,
): void {
  const name = offeredName(inode, full)
  const type = aclType(name)
  if (type === undefined) setXattr(handle, inode, name, value, flags)
  else setAcl(handle, inode, type, decodeAcl(value), (flags & XATTR_ACL_KILL_SGID) === 0)
}

/** Throws ENODATA, but not for an ACL: without one is what was asked for. */
export function removeAttribute(handle: Handle, inode: Inode, full: Uint8Array): void {
  const name = offeredName(inode, full)
  if (!removeXattr(handle, inode, name) && aclType(name) === undefined) throw noData(inode)
}

/** `privileged`: names of the namespace `trusted` too. */
export function listAttributes(inode: Inode, privileged: boolean): Uint8Array {
  const { behaviour } = inode.volume
  return listXattrs(inode, (index) => (index !== INDEX_TRUSTED || privileged) && isOffered(behaviour, index))
}

/** Throws EOPNOTSUPP for a name of a namespace that the mount options leave out, and as splitName does. */
function offeredName(inode: Inode, full: Uint8Array): XattrName {
  const name = splitName(full)
  if (!isOffered(inode.volume.behaviour, name.index))
    throw new FsError('EOPNOTSUPP', 'the mount options leave these attributes out')
  return name
}

function isOffered({ acl, userXattr }: Readonly<Behaviour>, index: number): boolean {
  if (index === INDEX_USER) return userXattr
  return acl || (index !== INDEX_POSIX_ACL_ACCESS && index !== INDEX_POSIX_ACL_DEFAULT)
}

function aclType({ index }: XattrName): AclType | undefined {
  if (index === INDEX_POSIX_ACL_ACCESS) return 'access'
  return index === INDEX_POSIX_ACL_DEFAULT ? 'default' : undefined
}

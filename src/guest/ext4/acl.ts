import { FsError } from '../../../lib/errno.js'
import { layout, le16, le32 } from '../../../lib/layout.js'
import type { Handle } from '../jbd2/handle.js'
import { S_IFLNK, S_IFMT, S_ISGID } from '../vfs/attributes.js'
import {
  ACL_GROUP,
  ACL_UNDEFINED_ID,
  ACL_USER,
  type Acl,
  aclAfterChmod,
  equivalentMode,
  inheritAcl,
  requireValid,
} from '../vfs/posix-acl.js'
import type { Inode } from './inode.js'
import { touchChanged } from './timestamps.js'
import { getXattr, hasNoXattrs, removeXattr, setXattr } from './xattr.js'
import { INDEX_POSIX_ACL_ACCESS, INDEX_POSIX_ACL_DEFAULT, type XattrName } from './xattr-namespace.js'

/**
 * POSIX ACLs as ext4 stores them: attributes with an empty name whose entries are shorter than those of the wire,
 * and no attribute at all where the mode says the same. Kernel docs: ext4, "POSIX ACLs".
 */

/** ext4_acl_header. */
const AclHeader = layout('ext4_acl_header', 4, { a_version: le32(0) })
const ACL_VERSION = 1

/** ext4_acl_entry; without e_id (ext4_acl_entry_short) but for ACL_USER and ACL_GROUP. */
const Entry = layout('ext4_acl_entry', 8, { e_tag: le16(0), e_perm: le16(2), e_id: le32(4) })
const SHORT_SIZE = 4

const S_IRWXUGO = 0o777
const ACCESS: XattrName = { index: INDEX_POSIX_ACL_ACCESS, name: new Uint8Array(0) }
const DEFAULT: XattrName = { index: INDEX_POSIX_ACL_DEFAULT, name: new Uint8Array(0) }

export type AclType = 'access' | 'default'

/** Undefined when the mode says it all (access), nothing is inherited (default), or lists do not count (noacl). Throws EINVAL, CorruptError. */
export function getAcl(inode: Inode, type: AclType): Acl | undefined {
  if (!inode.volume.behaviour.acl || hasNoXattrs(inode)) return undefined
  const value = getXattr(inode, type === 'access' ? ACCESS : DEFAULT)
  return value && decode(inode, value)
}

/**
 * Sets or, with undefined, removes a list; an access list changes the mode with it. `keepSetGid` false: S_ISGID falls
 * with an access list. Throws EACCES for a default list of what is no directory, EOPNOTSUPP for symlinks.
 */
export function setAcl(
  handle: Handle,
  inode: Inode,
  type: AclType,
  acl: Acl | undefined,
  keepSetGid = true,
): void {
  if ((inode.mode & S_IFMT) === S_IFLNK) throw new FsError('EOPNOTSUPP', `ACL of symlink ${inode.ino}`)
  if (type === 'default') {
    if (inode.isDirectory) store(handle, inode, DEFAULT, acl)
    else if (acl !== undefined) throw new FsError('EACCES', `default ACL of inode ${inode.ino}`)
    return
  }
  if (acl === undefined) {
    store(handle, inode, ACCESS, undefined)
    return
  }
  const { mode, exact } = equivalentMode(acl)
  store(handle, inode, ACCESS, exact ? undefined : acl)
  const kept = inode.mode & ~S_IRWXUGO & (keepSetGid ? -1 : ~S_ISGID)
  touchChanged(handle, inode)
  inode.mode = kept | mode
}

/** After chmod: the access list follows the mode that the inode has now. */
export function followMode(handle: Handle, inode: Inode): void {
  const acl = getAcl(inode, 'access')
  if (acl !== undefined) store(handle, inode, ACCESS, aclAfterChmod(acl, inode.mode))
}

/** What the directory's default list makes of a new inode's `mode`. */
export interface Inherited {
  /** Its mode. */
  readonly mode: number
  readonly access: Acl | undefined
  readonly default: Acl | undefined
}

/** The umask counts only where the directory has no default list. Symlinks have neither. */
export function inheritFrom(parent: Inode, mode: number, umask: number, isDirectory: boolean): Inherited {
  if ((mode & S_IFMT) === S_IFLNK) return { mode, access: undefined, default: undefined }
  const defaults = getAcl(parent, 'default')
  if (defaults === undefined) return { mode: mode & ~umask, access: undefined, default: undefined }
  const inherited = inheritAcl(defaults, mode)
  const access = equivalentMode(inherited.acl).exact ? undefined : inherited.acl
  return { mode: inherited.mode, access, default: isDirectory ? defaults : undefined }
}

/** Gives a new inode its lists. */
export function storeInherited(handle: Handle, inode: Inode, inherited: Inherited): void {
  if (inherited.default !== undefined) store(handle, inode, DEFAULT, inherited.default)
  if (inherited.access !== undefined) store(handle, inode, ACCESS, inherited.access)
}

function store(handle: Handle, inode: Inode, name: XattrName, acl: Acl | undefined): void {
  if (acl === undefined) removeXattr(handle, inode, name)
  else setXattr(handle, inode, name, encode(acl), 0)
}

function encode(acl: Acl): Uint8Array {
  const value = new Uint8Array(AclHeader.SIZE + acl.length * Entry.SIZE)
  const view = new DataView(value.buffer)
  AclHeader.a_version.set(view, 0, ACL_VERSION)
  let at = AclHeader.SIZE
  for (const { tag, perm, id } of acl) {
    Entry.e_tag.set(view, at, tag)
    Entry.e_perm.set(view, at, perm)
    if (hasId(tag)) Entry.e_id.set(view, at, id)
    at += hasId(tag) ? Entry.SIZE : SHORT_SIZE
  }
  return value.subarray(0, at)
}

function decode(inode: Inode, value: Uint8Array): Acl {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  if (value.length < AclHeader.SIZE) throw malformed(inode, value)
  if (AclHeader.a_version.get(view, 0) !== ACL_VERSION) throw malformed(inode, value)
  const acl: Acl = []
  for (let at = AclHeader.SIZE; at < value.length; ) {
    if (at + SHORT_SIZE > value.length) throw malformed(inode, value)
    const tag = Entry.e_tag.get(view, at)
    const size = hasId(tag) ? Entry.SIZE : SHORT_SIZE
    if (at + size > value.length) throw malformed(inode, value)
    const id = hasId(tag) ? Entry.e_id.get(view, at) : ACL_UNDEFINED_ID
    acl.push({ tag, perm: Entry.e_perm.get(view, at), id })
    at += size
  }
  requireValid(acl)
  return acl
}

/** As Linux has it no inconsistency of the file system: e2fsck does not look into values, and could not mend it. */
function malformed(inode: Inode, value: Uint8Array): FsError {
  return new FsError('EINVAL', `ACL of ${value.length} bytes on inode ${inode.ino} is malformed`)
}

function hasId(tag: number): boolean {
  return tag === ACL_USER || tag === ACL_GROUP
}

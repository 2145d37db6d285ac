/**
 * POSIX access control lists, as acl(5) describes them, and the form in which system.posix_acl_access and
 * system.posix_acl_default carry them (linux/posix_acl_xattr.h): a version, then entries in the order of their tags.
 */
import { FsError } from '../../../lib/errno.js'
import { layout, le16, le32 } from '../../../lib/layout.js'
import { type Credentials, isInGroup } from './credentials.js'

/** Tags of entries. */
const ACL_USER_OBJ = 0x01
export const ACL_USER = 0x02
const ACL_GROUP_OBJ = 0x04
export const ACL_GROUP = 0x08
const ACL_MASK = 0x10
const ACL_OTHER = 0x20

/** e_id of entries that name nobody. */
export const ACL_UNDEFINED_ID = 0xffff_ffff

/** Permission bits of a mode, and those of one class. */
const S_IRWXUGO = 0o777
const S_IRWXO = 0o7

interface AclEntry {
  /** ACL_* */
  tag: number
  /** Read 4, write 2, execute 1. */
  perm: number
  /** User or group of ACL_USER and ACL_GROUP, else ACL_UNDEFINED_ID. */
  id: number
}

/** A {@link requireValid | valid} list. */
export type Acl = AclEntry[]

/** struct posix_acl_xattr_header. */
const AclHeader = layout('posix_acl_xattr_header', 4, { a_version: le32(0) })
const ACL_VERSION = 2

/** struct posix_acl_xattr_entry. */
const Entry = layout('posix_acl_xattr_entry', 8, { e_tag: le16(0), e_perm: le16(2), e_id: le32(4) })

/** The list in an attribute's value; undefined when it has no entries. Throws EINVAL, or EOPNOTSUPP for an unknown version. */
export function decodeAcl(value: Uint8Array): Acl | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  if (value.length < AclHeader.SIZE) throw new FsError('EINVAL', `ACL of ${value.length} bytes`)
  const version = AclHeader.a_version.get(view, 0)
  if (version !== ACL_VERSION) throw new FsError('EOPNOTSUPP', `ACL version ${version}`)
  if ((value.length - AclHeader.SIZE) % Entry.SIZE !== 0) {
    throw new FsError('EINVAL', `ACL of ${value.length} bytes`)
  }
  const acl: Acl = []
  for (let at = AclHeader.SIZE; at < value.length; at += Entry.SIZE) {
    const tag = Entry.e_tag.get(view, at)
    const names = tag === ACL_USER || tag === ACL_GROUP
    const id = names ? Entry.e_id.get(view, at) : ACL_UNDEFINED_ID
    acl.push({ tag, perm: Entry.e_perm.get(view, at), id })
  }
  if (acl.length === 0) return undefined
  requireValid(acl)
  return acl
}

export function encodeAcl(acl: Acl): Uint8Array {
  const value = new Uint8Array(AclHeader.SIZE + acl.length * Entry.SIZE)
  const view = new DataView(value.buffer)
  AclHeader.a_version.set(view, 0, ACL_VERSION)
  acl.forEach(({ tag, perm, id }, index) => {
    const at = AclHeader.SIZE + index * Entry.SIZE
    Entry.e_tag.set(view, at, tag)
    Entry.e_perm.set(view, at, perm)
    Entry.e_id.set(view, at, id)
  })
  return value
}

/**
 * Throws EINVAL unless there is one entry each for owner, group and others, in the order of tags, at most one mask,
 * and a mask when users or groups are named. acl(5), "Valid ACLs".
 */
export function requireValid(acl: Acl): void {
  const counts = new Map<number, number>()
  let last = 0
  for (const { tag, perm, id } of acl) {
    const names = tag === ACL_USER || tag === ACL_GROUP
    if (perm > S_IRWXO || tag < last || (names && id === ACL_UNDEFINED_ID)) throw invalid(acl)
    counts.set(tag, (counts.get(tag) ?? 0) + 1)
    last = tag
  }
  const count = (tag: number): number => counts.get(tag) ?? 0
  const known = count(ACL_USER_OBJ) + count(ACL_GROUP_OBJ) + count(ACL_OTHER)
  const named = count(ACL_USER) + count(ACL_GROUP)
  const once = count(ACL_USER_OBJ) === 1 && count(ACL_GROUP_OBJ) === 1 && count(ACL_OTHER) === 1
  const masks = count(ACL_MASK)
  if (!once || masks > 1 || (named > 0 && masks === 0) || known + named + masks !== acl.length) {
    throw invalid(acl)
  }
}

function invalid(acl: Acl): FsError {
  return new FsError('EINVAL', `ACL with the tags ${acl.map(({ tag }) => tag).join(', ')}`)
}

/** The permission bits that stand for the list, and whether they say all that it says. */
export function equivalentMode(acl: Acl): { mode: number; exact: boolean } {
  const mask = find(acl, ACL_MASK)
  const group = mask ?? find(acl, ACL_GROUP_OBJ)
  const mode = (permOf(acl, ACL_USER_OBJ) << 6) | ((group?.perm ?? 0) << 3) | permOf(acl, ACL_OTHER)
  return { mode, exact: acl.length === 3 }
}

/** The list after chmod to `mode`: the mask, where there is one, takes the group's bits. acl(5), "Correspondence". */
export function aclAfterChmod(acl: Acl, mode: number): Acl {
  const group = find(acl, ACL_MASK) ?? find(acl, ACL_GROUP_OBJ)
  return acl.map((entry) => {
    if (entry.tag === ACL_USER_OBJ) return { ...entry, perm: (mode >>> 6) & S_IRWXO }
    if (entry.tag === ACL_OTHER) return { ...entry, perm: mode & S_IRWXO }
    return entry === group ? { ...entry, perm: (mode >>> 3) & S_IRWXO } : entry
  })
}

/**
 * What a new file gets from its directory's default list: the list limited to what the creator asked for by `mode`,
 * and the mode limited to what the list gives. acl(5), "Object Creation and Default ACLs".
 */
export function inheritAcl(defaultAcl: Acl, mode: number): { acl: Acl; mode: number } {
  const group = find(defaultAcl, ACL_MASK) ?? find(defaultAcl, ACL_GROUP_OBJ)
  const acl = defaultAcl.map((entry) => {
    if (entry.tag === ACL_USER_OBJ) return { ...entry, perm: entry.perm & (mode >>> 6) }
    if (entry.tag === ACL_OTHER) return { ...entry, perm: entry.perm & mode }
    return entry === group ? { ...entry, perm: entry.perm & (mode >>> 3) } : entry
  })
  return { acl, mode: (mode & ~S_IRWXUGO) | equivalentMode(acl).mode }
}

/**
 * What the list of a file of group `owningGroup` gives a caller who is not its owner: read 4, write 2, execute 1.
 * acl(5), "Access check algorithm". Of several groups that the caller is in each one counts alone; as Linux is asked for
 * all wanted permissions at once, so is this: the answer to `wanted` is all or nothing.
 */
export function isPermittedBy(acl: Acl, caller: Credentials, owningGroup: number, wanted: number): boolean {
  const mask = find(acl, ACL_MASK)?.perm ?? S_IRWXO
  const user = acl.find(({ tag, id }) => tag === ACL_USER && id === caller.uid)
  if (user !== undefined) return (user.perm & mask & wanted) === wanted
  const groups = acl.filter(({ tag, id }) =>
    tag === ACL_GROUP_OBJ ? isInGroup(caller, owningGroup) : tag === ACL_GROUP && isInGroup(caller, id),
  )
  if (groups.length === 0) return (permOf(acl, ACL_OTHER) & wanted) === wanted
  return groups.some(({ perm }) => (perm & mask & wanted) === wanted)
}

function find(acl: Acl, tag: number): AclEntry | undefined {
  return acl.find((entry) => entry.tag === tag)
}

function permOf(acl: Acl, tag: number): number {
  return find(acl, tag)?.perm ?? 0
}

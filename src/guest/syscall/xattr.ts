/** The system calls on extended attributes, with the permissions of fs/xattr.c of Linux. */
import { FsError } from '../../../lib/errno.js'
import { type Attributes, S_IFDIR, S_IFMT, S_IFREG, S_ISVTX } from '../vfs/attributes.js'
import { isInGroup, isOwner, isPrivileged } from '../vfs/credentials.js'
import { isAppendOnly, isImmutable, MAY_READ, MAY_WRITE, requirePermission } from '../vfs/permission.js'
import {
  XATTR_ACL_KILL_SGID,
  XATTR_CREATE,
  XATTR_NAME_MAX,
  XATTR_REPLACE,
  XATTR_SIZE_MAX,
} from '../vfs/xattr.js'
import { find, type Target } from './attributes.js'
import { type Call, ready, settleInode } from './call.js'
import { type Process, requireWritable } from './process.js'

function startsWith(name: Uint8Array, prefix: string): boolean {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1').startsWith(prefix)
}

const isAcl = (name: Uint8Array): boolean => startsWith(name, 'system.posix_acl_')

/** Throws ENODATA when there is none. */
export function getxattr(process: Process, target: Target, name: Uint8Array): Uint8Array {
  checkName(name)
  const found = find(process, target, true)
  if (!isAcl(name)) requireMayXattr(process, found, name, false)
  const value = process.fs.getxattr(found.ino, name)
  if (value === undefined) throw new FsError('ENODATA', `no such attribute of inode ${found.ino}`)
  return value.slice()
}

/** `flags`: XATTR_CREATE, XATTR_REPLACE. */
export function* setxattr(
  process: Process,
  target: Target,
  name: Uint8Array,
  value: Uint8Array,
  flags: number,
): Call<void> {
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) throw new FsError('EINVAL', `flags ${flags}`)
  checkName(name)
  if (value.length > XATTR_SIZE_MAX) throw new FsError('E2BIG', `value of ${value.length} bytes`)
  yield* ready(process)
  const found = find(process, target, true)
  requireWritable(process)
  requireValidCapability(name, value)
  const { credentials } = process
  let all = flags
  if (isAcl(name)) {
    requireMayAcl(process, found)
    if (value.length === 0) {
      process.fs.removexattr(found.ino, name)
      yield* settleInode(process, found.ino)
      return
    }
    if (!isPrivileged(credentials) && !isInGroup(credentials, found.gid)) all |= XATTR_ACL_KILL_SGID
  } else {
    requireMayXattr(process, found, name, true)
    requireMaySecurity(process, name)
  }
  process.fs.setxattr(found.ino, name, value, all)
  yield* settleInode(process, found.ino)
}

/** The names, each ended by a NUL. */
export function listxattr(process: Process, target: Target): Uint8Array {
  const found = find(process, target, true)
  process.fs.setCaller(process.credentials.uid, process.credentials.gid)
  return process.fs.listxattr(found.ino).slice()
}

export function* removexattr(process: Process, target: Target, name: Uint8Array): Call<void> {
  checkName(name)
  yield* ready(process)
  const found = find(process, target, true)
  requireWritable(process)
  if (isAcl(name)) requireMayAcl(process, found)
  else {
    requireMayXattr(process, found, name, true)
    requireMaySecurity(process, name)
  }
  process.fs.removexattr(found.ino, name)
  yield* settleInode(process, found.ino)
}

function checkName(name: Uint8Array): void {
  if (name.length === 0 || name.length > XATTR_NAME_MAX)
    throw new FsError('ERANGE', `attribute name of ${name.length} bytes`)
}

function requireMayAcl(process: Process, { ino, uid }: Attributes): void {
  if (isImmutable(process, ino) || isAppendOnly(process, ino) || !isOwner(process.credentials, uid))
    throw new FsError('EPERM', `ACL of inode ${ino}`)
}

/** As xattr_permission() of Linux. */
function requireMayXattr(process: Process, found: Attributes, name: Uint8Array, changes: boolean): void {
  const { credentials } = process
  if (changes && (isImmutable(process, found.ino) || isAppendOnly(process, found.ino)))
    throw new FsError('EPERM', `inode ${found.ino}`)
  if (startsWith(name, 'security.') || startsWith(name, 'system.')) return
  if (startsWith(name, 'trusted.')) {
    if (!isPrivileged(credentials))
      throw new FsError(changes ? 'EPERM' : 'ENODATA', 'trusted attributes are for root')
    return
  }
  if (startsWith(name, 'user.')) {
    const type = found.mode & S_IFMT
    if (type !== S_IFREG && type !== S_IFDIR)
      throw new FsError(changes ? 'EPERM' : 'ENODATA', 'user attribute of a special file')
    const isSticky = type === S_IFDIR && (found.mode & S_ISVTX) !== 0
    if (changes && isSticky && !isOwner(credentials, found.uid))
      throw new FsError('EPERM', `inode ${found.ino}`)
  }
  requirePermission(process, found, changes ? MAY_WRITE : MAY_READ)
}

/** As cap_inode_setxattr() of Linux. */
function requireMaySecurity({ credentials }: Process, name: Uint8Array): void {
  if (startsWith(name, 'security.') && !isPrivileged(credentials))
    throw new FsError('EPERM', 'security attributes are for root')
}

const CAPABILITY = 'security.capability'
/** struct vfs_cap_data and vfs_ns_cap_data: their sizes, and the revisions that stand in magic_etc. */
const CAPABILITY_REVISIONS: Readonly<Record<number, number>> = { 20: 0x2000000, 24: 0x3000000 }
const REVISION_MASK = 0xff000000

/** As cap_convert_nscap() of Linux: capabilities(7), "File capability extended attribute versioning". */
function requireValidCapability(name: Uint8Array, value: Uint8Array): void {
  if (name.length !== CAPABILITY.length || !startsWith(name, CAPABILITY)) return
  const revision = CAPABILITY_REVISIONS[value.length]
  const magic = revision === undefined ? 0 : new DataView(value.buffer, value.byteOffset).getUint32(0, true)
  if (revision === undefined || (magic & REVISION_MASK) !== revision)
    throw new FsError('EINVAL', `file capability of ${value.length} bytes`)
}

/** Permission checks: path_resolution(7), acl(5) "Access check algorithm", inode_permission() of Linux. */
import { FsError } from '../../../lib/errno.js'
import { type Attributes, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISVTX } from './attributes.js'
import { type Credentials, isInGroup, isOwner, isPrivileged } from './credentials.js'
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from './file-attr.js'
import type { FileSystem } from './file-system.js'
import { decodeAcl, isPermittedBy } from './posix-acl.js'

export const MAY_EXEC = 1
export const MAY_WRITE = 2
export const MAY_READ = 4

const S_IRWXG = 0o070
const S_IXUGO = 0o111
const ACL_ACCESS = new TextEncoder().encode('system.posix_acl_access')

/** A file system and who acts on it. */
export interface Actor {
  readonly fs: FileSystem
  readonly credentials: Credentials
}

/** Throws EACCES, EROFS, or EPERM for a change of an immutable inode, unless the caller has all of `wanted` (MAY_*). */
export function requirePermission(actor: Actor, attributes: Attributes, wanted: number): void {
  if ((wanted & MAY_WRITE) !== 0) {
    const type = attributes.mode & S_IFMT
    if (actor.fs.readOnly && (type === S_IFREG || type === S_IFDIR || type === S_IFLNK))
      throw new FsError('EROFS', 'the file system is read-only')
    if (hasFlag(actor, attributes.ino, FS_IMMUTABLE_FL)) throw new FsError('EPERM', 'the inode is immutable')
  }
  if (!isPermitted(actor, attributes, wanted)) throw new FsError('EACCES', `inode ${attributes.ino}`)
}

function isPermitted(actor: Actor, attributes: Attributes, wanted: number): boolean {
  const { mode } = attributes
  if (isPrivileged(actor.credentials)) {
    const runs = (wanted & MAY_EXEC) === 0 || (mode & S_IFMT) === S_IFDIR
    return runs || (mode & S_IXUGO) !== 0
  }
  return isPermittedByClass(actor, attributes, wanted)
}

/** Whether the mode and the access ACL give it to the caller, who is not privileged. */
function isPermittedByClass({ fs, credentials }: Actor, attributes: Attributes, wanted: number): boolean {
  const { ino, mode, uid, gid } = attributes
  if (credentials.uid === uid) return ((mode >>> 6) & wanted) === wanted
  // The group's bits are the mask where there is a list: without any, the list gives no more than others have.
  if ((mode & S_IRWXG) !== 0 && (mode & S_IFMT) !== S_IFLNK) {
    const value = fs.getxattr(ino, ACL_ACCESS)
    const acl = value === undefined ? undefined : decodeAcl(value)
    if (acl !== undefined) return isPermittedBy(acl, credentials, gid, wanted)
  }
  return ((isInGroup(credentials, gid) ? mode >>> 3 : mode) & wanted) === wanted
}

/** Whether FS_*_FL `flag` is set. Only files and directories have such flags. */
function hasFlag({ fs }: Actor, ino: number, flag: number): boolean {
  return (fs.getFileAttr(ino).flags & flag) !== 0
}

export function isAppendOnly(actor: Actor, ino: number): boolean {
  return hasFlag(actor, ino, FS_APPEND_FL)
}

export function isImmutable(actor: Actor, ino: number): boolean {
  return hasFlag(actor, ino, FS_IMMUTABLE_FL)
}

/** Throws unless the directory may get a new entry: may_create() of Linux. */
export function requireMayCreate(actor: Actor, directory: Attributes): void {
  if (directory.nlink === 0) throw new FsError('ENOENT', `directory ${directory.ino} was removed`)
  requirePermission(actor, directory, MAY_WRITE | MAY_EXEC)
}

/** Throws unless the directory may lose its entry for `victim`: may_delete() of Linux. */
export function requireMayDelete(
  actor: Actor,
  directory: Attributes,
  victim: Attributes,
  asDirectory: boolean,
): void {
  requirePermission(actor, directory, MAY_WRITE | MAY_EXEC)
  if (isAppendOnly(actor, directory.ino))
    throw new FsError('EPERM', `directory ${directory.ino} is append-only`)
  if (isSticky(actor, directory, victim)) throw new FsError('EPERM', `directory ${directory.ino} is sticky`)
  if (isAppendOnly(actor, victim.ino) || isImmutable(actor, victim.ino))
    throw new FsError('EPERM', `inode ${victim.ino} is append-only or immutable`)
  const isDirectory = (victim.mode & S_IFMT) === S_IFDIR
  if (asDirectory && !isDirectory) throw new FsError('ENOTDIR', `inode ${victim.ino}`)
  if (!asDirectory && isDirectory) throw new FsError('EISDIR', `inode ${victim.ino}`)
  if (victim.ino === actor.fs.root) throw new FsError('EBUSY', 'the root directory')
  if (directory.nlink === 0) throw new FsError('ENOENT', `directory ${directory.ino} was removed`)
}

/** In a sticky directory only the owners of the file and of the directory may remove. */
function isSticky({ credentials }: Actor, directory: Attributes, victim: Attributes): boolean {
  if ((directory.mode & S_ISVTX) === 0 || credentials.uid === directory.uid) return false
  return !isOwner(credentials, victim.uid)
}

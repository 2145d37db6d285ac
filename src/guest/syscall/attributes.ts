/** The system calls on attributes of inodes. Each is for a path and for an open file. */
import { FsError } from '../../../lib/errno.js'
import {
  type AttributeChange,
  type Attributes,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISUID,
  type StatFs,
  type Timespec,
} from '../vfs/attributes.js'
import { isInGroup, isOwner, isPrivileged } from '../vfs/credentials.js'
import type { OpenFile } from '../vfs/open-file.js'
import { O_PATH } from '../vfs/open-flags.js'
import { resolve } from '../vfs/path-walk.js'
import { isAppendOnly, MAY_EXEC, MAY_READ, MAY_WRITE, requirePermission } from '../vfs/permission.js'
import { type Call, ready, settleInode, waitFor } from './call.js'
import { type Process, requireWritable } from './process.js'

const S_IXGRP = 0o010

/** An inode to act on: a path, with the link at its end followed or not, or an open file. */
export type Target = { path: Uint8Array; follow: boolean } | OpenFile

/** Of an open file O_PATH is enough unless `needsOpen`: EBADF then. */
export function find(process: Process, target: Target, needsOpen = false): Attributes {
  if ('path' in target && target.path instanceof Uint8Array)
    return resolve(process, target.path, (target as { follow: boolean }).follow)
  const file = target as OpenFile
  if (needsOpen && (file.flags & O_PATH) !== 0) throw new FsError('EBADF', 'opened with O_PATH')
  return process.fs.getattr(file.ino)
}

/** stat(2), lstat(2), fstat(2). */
export function stat(process: Process, target: Target): Attributes {
  return find(process, target)
}

export function statfs(process: Process, target: Target): StatFs {
  return process.fs.statfs(find(process, target).ino)
}

export function readlink(process: Process, path: Uint8Array): Uint8Array {
  const found = resolve(process, path, false)
  if ((found.mode & S_IFMT) !== S_IFLNK) throw new FsError('EINVAL', `inode ${found.ino} is no symbolic link`)
  const target = process.fs.readlink(found.ino)
  process.fs.touchAtime(found.ino)
  return target
}

/** access(2); `mode`: R_OK 4, W_OK 2, X_OK 1, F_OK 0. The ids of the process are real and effective ones in one. */
export function access(process: Process, path: Uint8Array, mode: number): void {
  if ((mode & ~(MAY_READ | MAY_WRITE | MAY_EXEC)) !== 0) throw new FsError('EINVAL', `access mode ${mode}`)
  const found = resolve(process, path, true)
  if (mode !== 0) requirePermission(process, found, mode)
}

/** chmod(2), fchmod(2); `mode`: permission bits. S_ISGID is for members of the group. */
export function* chmod(process: Process, target: Target, mode: number): Call<void> {
  yield* ready(process)
  const found = find(process, target, true)
  requireWritable(process)
  if ((found.mode & S_IFMT) === S_IFLNK) throw new FsError('EOPNOTSUPP', 'mode of a symbolic link')
  const { credentials } = process
  if (!isOwner(credentials, found.uid)) throw new FsError('EPERM', `inode ${found.ino}`)
  const keepsGroup = isPrivileged(credentials) || isInGroup(credentials, found.gid)
  yield* apply(process, found.ino, { mode: mode & (keepsGroup ? 0o7777 : 0o5777) })
}

/** chown(2), lchown(2), fchown(2). An id of -1 stays. */
export function* chown(process: Process, target: Target, uid: number, gid: number): Call<void> {
  yield* ready(process)
  const found = find(process, target, true)
  requireWritable(process)
  const { credentials } = process
  const change: AttributeChange = {}
  if (uid !== -1) change.uid = uid
  if (gid !== -1) change.gid = gid
  if (!isPrivileged(credentials)) {
    const owns = credentials.uid === found.uid
    const giveAway = change.uid !== undefined && !(owns && change.uid === found.uid)
    const inGroup = change.gid === undefined || change.gid === found.gid || isInGroup(credentials, change.gid)
    if (giveAway || (change.gid !== undefined && !(owns && inGroup)))
      throw new FsError('EPERM', `inode ${found.ino}`)
  }
  change.killPrivileges = true
  setCallerFor(process, found)
  yield* apply(process, found.ino, change)
}

/** The file system knows one group of the caller: for what it decides on this inode, let it be the one that counts. */
function setCallerFor({ fs, credentials }: Process, { gid }: Attributes): void {
  fs.setCaller(credentials.uid, isInGroup(credentials, gid) ? gid : credentials.gid)
}

/** A time of utimensat(2): `undefined` is UTIME_OMIT. */
export type NewTime = Timespec | 'now' | undefined

/** utimensat(2), futimens(3). */
export function* utimens(process: Process, target: Target, atime: NewTime, mtime: NewTime): Call<void> {
  for (const time of [atime, mtime]) {
    const isBad = typeof time === 'object' && !(time.nsec >= 0 && time.nsec <= 999_999_999)
    if (isBad) throw new FsError('EINVAL', `${time.nsec} nanoseconds`)
  }
  if (atime === undefined && mtime === undefined) return
  yield* ready(process)
  const found = find(process, target, true)
  requireWritable(process)
  if (!isOwner(process.credentials, found.uid)) {
    if (atime !== 'now' || mtime !== 'now') throw new FsError('EPERM', `inode ${found.ino}`)
    requirePermission(process, found, MAY_WRITE)
  }
  const change: AttributeChange = {}
  if (atime !== undefined) change.atime = atime
  if (mtime !== undefined) change.mtime = mtime
  yield* apply(process, found.ino, change)
}

/** truncate(2). */
export function* truncate(process: Process, path: Uint8Array, size: number): Call<void> {
  if (size < 0) throw new FsError('EINVAL', `size ${size}`)
  yield* ready(process)
  const found = resolve(process, path, true)
  const type = found.mode & S_IFMT
  if (type === S_IFDIR) throw new FsError('EISDIR', `inode ${found.ino}`)
  if (type !== S_IFREG) throw new FsError('EINVAL', `inode ${found.ino}`)
  requireWritable(process)
  requirePermission(process, found, MAY_WRITE)
  yield* resize(process, found, size)
}

/** ftruncate(2). */
export function* ftruncate(process: Process, file: OpenFile, size: number): Call<void> {
  if (size < 0) throw new FsError('EINVAL', `size ${size}`)
  if ((file.flags & O_PATH) !== 0) throw new FsError('EBADF', 'opened with O_PATH')
  if (file.type !== S_IFREG || !file.isWritable) throw new FsError('EINVAL', `inode ${file.ino}`)
  yield* ready(process)
  yield* resize(process, process.fs.getattr(file.ino), size)
}

function* resize(process: Process, found: Attributes, size: number): Call<void> {
  if (isAppendOnly(process, found.ino)) throw new FsError('EPERM', `inode ${found.ino} is append-only`)
  const change: AttributeChange = { size }
  if (losesSetId(process, found)) {
    change.killPrivileges = true
    setCallerFor(process, found)
  }
  yield* apply(process, found.ino, change)
}

/** Changes attributes, to the end. */
function* apply(process: Process, ino: number, change: AttributeChange): Call<void> {
  yield* waitFor(process, ino, process.fs.setattr(ino, change))
  yield* settleInode(process, ino)
}

/** Whether a change of the content by this caller lets set-id bits fall: setattr_should_drop_suidgid() of Linux. */
function losesSetId({ credentials }: Process, { mode, gid }: Attributes): boolean {
  if (isPrivileged(credentials)) return false
  if ((mode & S_ISUID) !== 0) return true
  return (mode & S_ISGID) !== 0 && ((mode & S_IXGRP) !== 0 || !isInGroup(credentials, gid))
}

/** Before the content changes: set-id bits fall, as file_modified() of Linux has it. */
export function* dropSetId(process: Process, ino: number): Call<void> {
  const found = process.fs.getattr(ino)
  if (!losesSetId(process, found)) return
  setCallerFor(process, found)
  yield* waitFor(process, ino, process.fs.setattr(ino, { killPrivileges: true }))
  yield* ready(process)
}

/** The system calls on directory entries. Orders of checks are those of fs/namei.c of Linux. */
import { FsError } from '../../../lib/errno.js'
import {
  type Attributes,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
} from '../vfs/attributes.js'
import { isOwner, isPrivileged } from '../vfs/credentials.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../vfs/file-system.js'
import type { OpenFile } from '../vfs/open-file.js'
import { isDirectory, type LastComponent, resolve, walkToLast } from '../vfs/path-walk.js'
import {
  MAY_READ,
  MAY_WRITE,
  requireMayCreate,
  requireMayDelete,
  requirePermission,
} from '../vfs/permission.js'
import { type Call, ready, settleEntries } from './call.js'
import { newMode, ownerOf } from './open.js'
import { type Process, requireWritable } from './process.js'

const S_IXGRP = 0o010
const ALL_RENAME_FLAGS = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT
const MADE_BY_MKNOD = [0, S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK]

/** Where an entry that does not exist goes. Throws EEXIST; ENOENT for slashes behind what will be no directory. */
function placeOfNew(process: Process, path: Uint8Array, asDirectory = false): LastComponent {
  const last = walkToLast(process, path)
  if (last.type !== 'name') throw new FsError('EEXIST', 'not a new name')
  if (process.fs.lookup(last.dir, last.name) !== undefined) throw new FsError('EEXIST', 'the name exists')
  if (last.slash && !asDirectory) throw new FsError('ENOENT', 'no such directory')
  requireWritable(process)
  return last
}

export function* mkdir(process: Process, path: Uint8Array, mode: number): Call<void> {
  yield* ready(process)
  const { dir, name } = placeOfNew(process, path, true)
  requireMayCreate(process, process.fs.getattr(dir))
  process.fs.mkdir(dir, name, mode & 0o1777, ownerOf(process))
  yield* settleEntries(process, dir)
}

/** `mode` with type bits; `rdev` as {@link Attributes.rdev}. */
export function* mknod(process: Process, path: Uint8Array, mode: number, rdev: number): Call<void> {
  const type = mode & S_IFMT
  if (type === S_IFDIR) throw new FsError('EPERM', 'mknod of a directory')
  if (!MADE_BY_MKNOD.includes(type)) throw new FsError('EINVAL', `mknod with mode 0${mode.toString(8)}`)
  yield* ready(process)
  const { dir, name } = placeOfNew(process, path)
  const directory = process.fs.getattr(dir)
  requireMayCreate(process, directory)
  const isDevice = type === S_IFCHR || type === S_IFBLK
  if (isDevice && !isPrivileged(process.credentials)) throw new FsError('EPERM', 'device nodes are for root')
  const typed = newMode(process, directory, type === 0 ? mode | S_IFREG : mode)
  process.fs.mknod(dir, name, typed, isDevice ? rdev : 0, ownerOf(process))
  yield* settleEntries(process, dir)
}

export function* symlink(process: Process, target: Uint8Array, path: Uint8Array): Call<void> {
  if (target.length === 0) throw new FsError('ENOENT', 'empty target')
  yield* ready(process)
  const { dir, name } = placeOfNew(process, path)
  requireMayCreate(process, process.fs.getattr(dir))
  process.fs.symlink(dir, name, target, ownerOf(process))
  yield* settleEntries(process, dir)
}

/** `follow`: AT_SYMLINK_FOLLOW. Hard links are protected, as /proc/sys/fs/protected_hardlinks of 1 has it. */
export function* link(process: Process, path: Uint8Array, newPath: Uint8Array, follow = false): Call<void> {
  yield* ready(process)
  yield* linkInode(process, resolve(process, path, follow), newPath)
}

/** Gives an open file another name, or one made by O_TMPFILE its first: linkat(2) of /proc/self/fd. */
export function* linkFile(process: Process, file: OpenFile, newPath: Uint8Array): Call<void> {
  yield* ready(process)
  const found = process.fs.getattr(file.ino)
  if (found.nlink === 0 && !file.linkable) throw new FsError('ENOENT', `inode ${file.ino} has no name`)
  yield* linkInode(process, found, newPath)
}

function* linkInode(process: Process, found: Attributes, newPath: Uint8Array): Call<void> {
  const { dir, name } = placeOfNew(process, newPath)
  requireMayLink(process, found)
  requireMayCreate(process, process.fs.getattr(dir))
  process.fs.link(found.ino, dir, name)
  yield* settleEntries(process, dir)
}

/** Others may not link what they could not write, nor what runs as its owner: proc_sys_fs(5), protected_hardlinks. */
function requireMayLink(process: Process, found: Attributes): void {
  if (isOwner(process.credentials, found.uid)) return
  const { mode } = found
  const runsAsGroup = (mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)
  if ((mode & S_IFMT) === S_IFREG && (mode & S_ISUID) === 0 && !runsAsGroup) {
    try {
      requirePermission(process, found, MAY_READ | MAY_WRITE)
      return
    } catch {
      // Told below, as Linux tells it.
    }
  }
  throw new FsError('EPERM', `inode ${found.ino} is protected from links`)
}

/** The inode that an entry names. Throws ENOENT. */
function existing({ fs }: Process, { dir, name }: LastComponent): Attributes {
  const ino = fs.lookup(dir, name)
  if (ino === undefined) throw new FsError('ENOENT', 'no such file or directory')
  return fs.getattr(ino)
}

export function* unlink(process: Process, path: Uint8Array): Call<void> {
  yield* ready(process)
  const last = walkToLast(process, path)
  if (last.type !== 'name') throw new FsError('EISDIR', 'not a name')
  requireWritable(process)
  const victim = existing(process, last)
  if (last.slash) throw new FsError(isDirectory(victim) ? 'EISDIR' : 'ENOTDIR', `inode ${victim.ino}`)
  requireMayDelete(process, process.fs.getattr(last.dir), victim, false)
  process.fs.unlink(last.dir, last.name)
  yield* settleEntries(process, last.dir)
}

export function* rmdir(process: Process, path: Uint8Array): Call<void> {
  yield* ready(process)
  const last = walkToLast(process, path)
  if (last.type === 'dotdot') throw new FsError('ENOTEMPTY', 'rmdir of ".."')
  if (last.type === 'dot') throw new FsError('EINVAL', 'rmdir of "."')
  if (last.type === 'root') throw new FsError('EBUSY', 'rmdir of the root')
  requireWritable(process)
  requireMayDelete(process, process.fs.getattr(last.dir), existing(process, last), true)
  process.fs.rmdir(last.dir, last.name)
  yield* settleEntries(process, last.dir)
}

/** renameat2(2); `flags`: RENAME_*. */
export function* rename(process: Process, path: Uint8Array, newPath: Uint8Array, flags = 0): Call<void> {
  const exchanges = (flags & RENAME_EXCHANGE) !== 0
  if ((flags & ~ALL_RENAME_FLAGS) !== 0 || (exchanges && flags !== RENAME_EXCHANGE))
    throw new FsError('EINVAL', `rename with flags 0x${flags.toString(16)}`)
  yield* ready(process)
  const { fs } = process
  const from = walkToLast(process, path)
  const to = walkToLast(process, newPath)
  if (from.type !== 'name') throw new FsError('EBUSY', 'rename of what is no name')
  if (to.type !== 'name')
    throw new FsError((flags & RENAME_NOREPLACE) !== 0 ? 'EEXIST' : 'EBUSY', 'rename to what is no name')
  requireWritable(process)
  const source = existing(process, from)
  const targetIno = fs.lookup(to.dir, to.name)
  const target = targetIno === undefined ? undefined : fs.getattr(targetIno)
  if (target !== undefined && (flags & RENAME_NOREPLACE) !== 0)
    throw new FsError('EEXIST', 'the new name exists')
  if (target === undefined && exchanges) throw new FsError('ENOENT', 'nothing to exchange with')
  refuseSlashes(from, source, to, target, exchanges)
  refuseOwnTree(process, from, source, to, target, exchanges)
  if (source.ino === target?.ino) return
  requireMayRename(process, from, source, to, target, exchanges)
  if ((flags & RENAME_WHITEOUT) !== 0) requireMayCreate(process, fs.getattr(from.dir))
  fs.rename(from.dir, from.name, to.dir, to.name, flags)
  yield* settleEntries(process, from.dir, to.dir)
}

/** Slashes may follow names of directories only. */
function refuseSlashes(
  from: LastComponent,
  source: Attributes,
  to: LastComponent,
  target: Attributes | undefined,
  exchanges: boolean,
): void {
  const targetIsOther = exchanges && target !== undefined && !isDirectory(target)
  if (targetIsOther && to.slash) throw new FsError('ENOTDIR', `inode ${target.ino}`)
  if (!isDirectory(source) && (from.slash || (!exchanges && to.slash)))
    throw new FsError('ENOTDIR', `inode ${source.ino}`)
}

/** The source may not stand above the target (EINVAL), nor the target above the source (ENOTEMPTY). */
function refuseOwnTree(
  process: Process,
  from: LastComponent,
  source: Attributes,
  to: LastComponent,
  target: Attributes | undefined,
  exchanges: boolean,
): void {
  if (from.dir === to.dir) return
  if (isDirectory(source) && isBelow(process, to.dir, source.ino))
    throw new FsError('EINVAL', `directory ${source.ino} into itself`)
  if (target !== undefined && isDirectory(target) && isBelow(process, from.dir, target.ino))
    throw new FsError(exchanges ? 'EINVAL' : 'ENOTEMPTY', `directory ${target.ino} is above`)
}

const PARENT = Uint8Array.of(0x2e, 0x2e)

function isBelow({ fs }: Process, dir: number, ancestor: number): boolean {
  for (let current: number | undefined = dir; current !== undefined; ) {
    if (current === ancestor) return true
    if (current === fs.root) return false
    current = fs.lookup(current, PARENT)
  }
  return false
}

function requireMayRename(
  process: Process,
  from: LastComponent,
  source: Attributes,
  to: LastComponent,
  target: Attributes | undefined,
  exchanges: boolean,
): void {
  const { fs } = process
  const newDirectory = fs.getattr(to.dir)
  requireMayDelete(process, fs.getattr(from.dir), source, isDirectory(source))
  if (target === undefined) requireMayCreate(process, newDirectory)
  else requireMayDelete(process, newDirectory, target, isDirectory(exchanges ? target : source))
  if (from.dir === to.dir) return
  // A directory that moves gets another "..".
  if (isDirectory(source)) requirePermission(process, source, MAY_WRITE)
  if (exchanges && target !== undefined && isDirectory(target)) requirePermission(process, target, MAY_WRITE)
}

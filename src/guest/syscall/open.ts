/** open(2) and close(2). */
import { FsError } from '../../../lib/errno.js'
import { type Attributes, type Owner, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID } from '../vfs/attributes.js'
import { isInGroup, isOwner, isPrivileged } from '../vfs/credentials.js'
import { OpenFile } from '../vfs/open-file.js'
import {
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE_BIT,
  O_TRUNC,
  O_WRONLY,
} from '../vfs/open-flags.js'
import {
  isDirectory,
  isSymlink,
  type LastComponent,
  lookupLast,
  PathWalk,
  resolve,
} from '../vfs/path-walk.js'
import {
  isAppendOnly,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  requireMayCreate,
  requirePermission,
} from '../vfs/permission.js'
import { type Call, ready, settleEntries, settleInode, waitFor } from './call.js'
import { type Process, requireWritable } from './process.js'

const S_IXGRP = 0o010
/** Flags that mean something to open(2) only. */
const OPEN_ONLY = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | O_DIRECTORY | O_TMPFILE_BIT
const OF_O_PATH = O_PATH | O_DIRECTORY | O_NOFOLLOW

/**
 * Opens a file; `flags` are O_*, `mode` are permission bits for a new one, less the umask. Relative paths begin at the
 * directory `start`, or the current one. Fifos, sockets and devices cannot be opened but with O_PATH (ENXIO): no other
 * end of them is here.
 */
export function* open(
  process: Process,
  path: Uint8Array,
  flags: number,
  mode = 0o666,
  start?: number,
): Call<OpenFile> {
  const how = checkedFlags(flags)
  if ((how & (O_CREAT | O_TRUNC | O_TMPFILE_BIT)) !== 0) yield* ready(process)
  const name = Buffer.from(path).toString()
  if ((how & O_TMPFILE_BIT) !== 0) return openTemporary(process, path, how, mode, name, start)
  const { found, createdIn } = findOrCreate(process, path, how, mode, start)
  const type = found.mode & S_IFMT
  const file = new OpenFile(found.ino, type, how & ~OPEN_ONLY, name)
  if (createdIn === undefined && (how & O_PATH) === 0) {
    requireMayOpen(process, found, how)
    if (type !== S_IFREG && type !== S_IFDIR) throw new FsError('ENXIO', 'nobody is at the other end')
  }
  process.fs.retain(found.ino)
  try {
    if (createdIn !== undefined) yield* settleEntries(process, createdIn)
    else if (type === S_IFREG && (how & O_TRUNC) !== 0) {
      yield* waitFor(process, found.ino, truncate(process, found.ino))
      yield* settleInode(process, found.ino)
    }
  } catch (error) {
    process.fs.release(found.ino, 1)
    throw error
  }
  return file
}

function truncate({ fs, credentials }: Process, ino: number): void | Promise<void> {
  return fs.setattr(ino, { size: 0, mtime: 'now', killPrivileges: !isPrivileged(credentials) })
}

/** The descriptor is free, whatever the close tells. Throws EBADF. */
export function close({ fs, files }: Process, fd: number): void {
  fs.release(files.remove(fd).ino, 1)
}

/** As build_open_flags() of Linux. */
function checkedFlags(flags: number): number {
  if ((flags & O_PATH) !== 0) return flags & OF_O_PATH
  const makesDirectory = (flags & (O_DIRECTORY | O_CREAT)) === (O_DIRECTORY | O_CREAT)
  const isBad =
    (flags & O_TMPFILE_BIT) === 0
      ? makesDirectory
      : makesDirectory || (flags & O_DIRECTORY) === 0 || (flags & O_ACCMODE) === O_RDONLY
  if (isBad) throw new FsError('EINVAL', `open with flags 0${flags.toString(8)}`)
  return flags
}

function openTemporary(
  process: Process,
  path: Uint8Array,
  flags: number,
  mode: number,
  name: string,
  start: number | undefined,
): OpenFile {
  const { fs } = process
  const directory = resolve(process, path, (flags & O_NOFOLLOW) === 0, start)
  if (!isDirectory(directory)) throw new FsError('ENOTDIR', `inode ${directory.ino}`)
  requireWritable(process)
  requirePermission(process, directory, MAY_WRITE | MAY_EXEC)
  const ino = fs.tmpfile(directory.ino, newMode(process, directory, mode & 0o7777), ownerOf(process))
  fs.retain(ino)
  return new OpenFile(ino, S_IFREG, flags & ~OPEN_ONLY, name, (flags & O_EXCL) === 0)
}

interface Opened {
  found: Attributes
  /** The directory that got a new entry. */
  createdIn?: number
}

function findOrCreate(
  process: Process,
  path: Uint8Array,
  flags: number,
  mode: number,
  start: number | undefined,
): Opened {
  const creates = (flags & O_CREAT) !== 0
  const exclusive = creates && (flags & O_EXCL) !== 0
  const follows = (flags & O_NOFOLLOW) === 0 && !exclusive
  const walk = new PathWalk(process, path, start)
  for (let last = walk.toLast(); ; ) {
    if (creates && last.slash && last.type === 'name')
      throw new FsError('EISDIR', 'a new file cannot be a directory')
    const ino = lookupLast(process, last)
    if (ino === undefined) {
      if (!creates) throw new FsError('ENOENT', 'no such file or directory')
      return { found: create(process, last, mode), createdIn: last.dir }
    }
    const found = process.fs.getattr(ino)
    if (isSymlink(found) && (follows || last.slash)) {
      last = walk.followLast(ino, last)
      continue
    }
    if (exclusive) throw new FsError('EEXIST', `inode ${ino}`)
    if (creates && isDirectory(found)) throw new FsError('EISDIR', `inode ${ino}`)
    if (((flags & O_DIRECTORY) !== 0 || last.slash) && !isDirectory(found))
      throw new FsError('ENOTDIR', `inode ${ino}`)
    return { found }
  }
}

function create(process: Process, { dir, name }: LastComponent, mode: number): Attributes {
  const { fs } = process
  requireWritable(process)
  const directory = fs.getattr(dir)
  requireMayCreate(process, directory)
  const ino = fs.mknod(dir, name, newMode(process, directory, S_IFREG | (mode & 0o7777)), 0, ownerOf(process))
  return fs.getattr(ino)
}

export function ownerOf({ credentials: { uid, gid }, umask }: Process): Owner {
  return { uid, gid, umask }
}

/** mode_strip_sgid() of Linux: only members make files that run with the group of a set-group-id directory. */
export function newMode({ credentials }: Process, directory: Attributes, mode: number): number {
  const runsAsGroup = (mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)
  if (!runsAsGroup || (directory.mode & S_ISGID) === 0) return mode
  return isPrivileged(credentials) || isInGroup(credentials, directory.gid) ? mode : mode & ~S_ISGID
}

/** As may_open() of Linux. */
function requireMayOpen(process: Process, found: Attributes, flags: number): void {
  const access = flags & O_ACCMODE
  const writes = access !== O_RDONLY || (flags & O_TRUNC) !== 0
  const type = found.mode & S_IFMT
  if (type === S_IFLNK) throw new FsError('ELOOP', `inode ${found.ino} is a symbolic link`)
  if (type === S_IFDIR && writes) throw new FsError('EISDIR', `inode ${found.ino}`)
  requirePermission(process, found, (access === O_WRONLY ? 0 : MAY_READ) | (writes ? MAY_WRITE : 0))
  if (isAppendOnly(process, found.ino)) {
    const cuts = (flags & O_TRUNC) !== 0 || (access !== O_RDONLY && (flags & O_APPEND) === 0)
    if (cuts) throw new FsError('EPERM', `inode ${found.ino} is append-only`)
  }
  if ((flags & O_NOATIME) !== 0 && !isOwner(process.credentials, found.uid))
    throw new FsError('EPERM', 'O_NOATIME of a file of somebody else')
}

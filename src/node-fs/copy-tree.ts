/** cp: files, links and trees of them, with the rules of fs.cp of Node. */
import { posix } from 'node:path'
import { FsError } from '../../lib/errno.js'
import * as syscall from '../guest/syscall/attributes.js'
import { stat } from '../guest/syscall/attributes.js'
import type { Call } from '../guest/syscall/call.js'
import {
  type Attributes,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../guest/vfs/attributes.js'
import { type PathLike, pathBytes, pathText } from './arguments.js'
import { type Door, settled } from './door.js'
import { copyFile } from './file-calls.js'
import { list, makeDirectories, mkdir, readLink, symlink, unlink } from './name-calls.js'
import { at, now } from './system-error.js'

export interface CopyOptions {
  dereference?: boolean | undefined
  errorOnExist?: boolean | undefined
  /** Whether what is there is replaced; true unless said. */
  force?: boolean | undefined
  /** What it does not want, with all below it, is passed over. */
  filter?: ((source: string, destination: string) => boolean | Promise<boolean>) | undefined
  /** COPYFILE_* */
  mode?: number | undefined
  preserveTimestamps?: boolean | undefined
  recursive?: boolean | undefined
  /** Targets of links are copied as they are, not made absolute. */
  verbatimSymlinks?: boolean | undefined
}

interface Paths {
  readonly from: string
  readonly to: string
}

function refused(code: string, message: string, path: string): Error {
  return Object.assign(new Error(`${message}: ${path}`), { name: 'SystemError', code, syscall: 'cp', path })
}

export function* cp(
  door: Door,
  source: PathLike,
  destination: PathLike,
  options: CopyOptions = {},
): Call<void> {
  const paths = { from: pathText(source), to: pathText(destination) }
  if (!(yield* isWanted(paths, options))) return
  const found = find(door, paths.from, options)
  const there = lookFor(door, paths.to, options)
  check(found, there, paths)
  checkParents(door, found, paths)
  const parent = posix.dirname(paths.to)
  if (lookFor(door, parent, { dereference: true }) === undefined)
    yield* makeDirectories(door.process, parent, 0o777)
  yield* copy(door, found, there, paths, options)
}

function* isWanted({ from, to }: Paths, { filter }: CopyOptions): Call<boolean> {
  return filter === undefined ? true : yield* settled(filter(from, to))
}

function find({ process }: Door, path: string, { dereference }: CopyOptions): Attributes {
  const follow = dereference === true
  return now({ syscall: follow ? 'stat' : 'lstat', path }, () =>
    stat(process, { path: pathBytes(path), follow }),
  )
}

function lookFor(door: Door, path: string, options: CopyOptions): Attributes | undefined {
  try {
    return find(door, path, options)
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return undefined
    throw error
  }
}

const typeOf = ({ mode }: Attributes): number => mode & S_IFMT

/** Whether `path` is `top`, or below it, as their names tell. */
function isWithin(top: string, path: string): boolean {
  const relative = posix.relative(posix.resolve('/', top), posix.resolve('/', path))
  return relative !== '..' && !relative.startsWith('../')
}

function check(found: Attributes, there: Attributes | undefined, { from, to }: Paths): void {
  const isDirectory = typeOf(found) === S_IFDIR
  if (there !== undefined) {
    if (there.ino === found.ino) throw refused('ERR_FS_CP_EINVAL', 'src and dest cannot be the same', to)
    if (isDirectory && typeOf(there) !== S_IFDIR)
      throw refused('ERR_FS_CP_DIR_TO_NON_DIR', `cannot overwrite a non-directory by ${from}`, to)
    if (!isDirectory && typeOf(there) === S_IFDIR)
      throw refused('ERR_FS_CP_NON_DIR_TO_DIR', `cannot overwrite a directory by ${from}`, to)
  }
  if (isDirectory && isWithin(from, to))
    throw refused('ERR_FS_CP_EINVAL', `cannot copy ${from} to a subdirectory of itself`, to)
}

/** The destination may not stand below the source by way of links. */
function checkParents(door: Door, found: Attributes, { from, to }: Paths): void {
  const sourceParent = posix.resolve('/', posix.dirname(from))
  for (let above = posix.resolve('/', posix.dirname(to)); above !== sourceParent && above !== '/'; ) {
    const there = lookFor(door, above, { dereference: true })
    if (there === undefined) return
    if (there.ino === found.ino)
      throw refused('ERR_FS_CP_EINVAL', `cannot copy ${from} to a subdirectory of itself`, to)
    above = posix.dirname(above)
  }
}

function* copy(
  door: Door,
  found: Attributes,
  there: Attributes | undefined,
  paths: Paths,
  options: CopyOptions,
): Call<void> {
  const { from, to } = paths
  switch (typeOf(found)) {
    case S_IFDIR:
      if (options.recursive !== true)
        throw refused('ERR_FS_EISDIR', 'a directory is copied with recursive only', from)
      yield* copyDirectory(door, found, there, paths, options)
      return
    case S_IFREG:
      yield* copyRegular(door, found, there, paths, options)
      return
    case S_IFLNK:
      yield* copyLink(door, there, paths, options)
      return
    case S_IFSOCK:
      throw refused('ERR_FS_CP_SOCKET', 'cannot copy a socket file', to)
    case S_IFIFO:
      throw refused('ERR_FS_CP_FIFO_PIPE', 'cannot copy a FIFO pipe', to)
    default:
      throw refused('ERR_FS_CP_UNKNOWN', 'cannot copy a device', to)
  }
}

function* copyRegular(
  { process }: Door,
  found: Attributes,
  there: Attributes | undefined,
  { from, to }: Paths,
  { force, errorOnExist, mode, preserveTimestamps }: CopyOptions,
): Call<void> {
  if (there !== undefined) {
    if (force === false && errorOnExist === true) throw refused('ERR_FS_CP_EEXIST', 'the file exists', to)
    if (force === false) return
    yield* unlink(process, to)
  }
  yield* copyFile(process, from, to, mode ?? 0)
  const target = { path: pathBytes(to), follow: true }
  if (preserveTimestamps === true)
    yield* at({ syscall: 'utime', path: to }, syscall.utimens(process, target, found.atime, found.mtime))
  yield* at({ syscall: 'chmod', path: to }, syscall.chmod(process, target, found.mode & 0o7777))
}

function* copyDirectory(
  door: Door,
  found: Attributes,
  there: Attributes | undefined,
  { from, to }: Paths,
  options: CopyOptions,
): Call<void> {
  const { process } = door
  if (there === undefined) yield* mkdir(process, to, 0o777)
  for (const { name } of yield* list(process, from)) {
    const below = { from: posix.join(from, name.toString()), to: posix.join(to, name.toString()) }
    if (!(yield* isWanted(below, options))) continue
    const entry = find(door, below.from, options)
    const other = lookFor(door, below.to, options)
    check(entry, other, below)
    yield* copy(door, entry, other, below, options)
  }
  const target = { path: pathBytes(to), follow: true }
  if (there === undefined)
    yield* at({ syscall: 'chmod', path: to }, syscall.chmod(process, target, found.mode & 0o7777))
}

/** A link in the way is replaced, unless one of the two leads to what is below the other. */
function* copyLink(
  door: Door,
  there: Attributes | undefined,
  { from, to }: Paths,
  options: CopyOptions,
): Call<void> {
  const { process } = door
  const target = Buffer.from(readLink(process, from)).toString()
  const absolute = posix.resolve('/', posix.dirname(from), target)
  if (there !== undefined && typeOf(there) === S_IFLNK) {
    const other = posix.resolve('/', posix.dirname(to), Buffer.from(readLink(process, to)).toString())
    if (isWithin(absolute, other))
      throw refused('ERR_FS_CP_EINVAL', `cannot copy ${absolute} to a subdirectory of itself`, to)
    const isDirectory = typeOf(find(door, from, { dereference: true })) === S_IFDIR
    if (isDirectory && isWithin(other, absolute))
      throw refused('ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY', `cannot overwrite ${other} by ${absolute}`, to)
    yield* unlink(process, to)
  }
  yield* symlink(process, options.verbatimSymlinks === true ? target : absolute, to)
}

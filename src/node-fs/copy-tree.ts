/** cp: files, links and trees of them, with the rules of fs.cp of Node. */
import { posix } from 'node:path'
import { FsError } from '../../lib/errno.js'
import * as syscall from '../guest/syscall/attributes.js'
import { stat } from '../guest/syscall/attributes.js'
import type { Call } from '../guest/syscall/call.js'
import {
  type Attributes,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
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

function refused(code: string, message: string, path: string): Error {
  return Object.assign(new Error(`${message}: ${path}`), { name: 'SystemError', code, syscall: 'cp', path })
}

export function* cp(
  door: Door,
  source: PathLike,
  destination: PathLike,
  options: CopyOptions = {},
): Call<void> {
  const from = pathText(source)
  const to = pathText(destination)
  if (!(yield* isWanted(from, to, options))) return
  const found = find(door, from, options)
  check(found, lookFor(door, to, options), from, to, options)
  for (let above = posix.resolve('/', to); above !== '/'; ) {
    above = posix.dirname(above)
    if (lookFor(door, above, { dereference: true })?.ino === found.ino)
      throw refused('ERR_FS_CP_EINVAL', `cannot copy ${from} to a subdirectory of self`, to)
  }
  const parent = posix.dirname(to)
  if (lookFor(door, parent, { dereference: true }) === undefined)
    yield* makeDirectories(door.process, parent, 0o777)
  yield* copy(door, found, from, to, options)
}

function* isWanted(from: string, to: string, { filter }: CopyOptions): Call<boolean> {
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

function check(
  found: Attributes,
  there: Attributes | undefined,
  from: string,
  to: string,
  options: CopyOptions,
): void {
  if (typeOf(found) === S_IFDIR && options.recursive !== true) {
    const message = `Recursive option not enabled, cannot copy a directory: cp returned EISDIR (${from} is a directory (not copied))`
    throw refused('ERR_FS_EISDIR', message, from)
  }
  if (there === undefined) return
  if (there.ino === found.ino) throw refused('ERR_FS_CP_EINVAL', 'src and dest cannot be the same', to)
  if (typeOf(found) === S_IFDIR && typeOf(there) !== S_IFDIR)
    throw refused('ERR_FS_CP_DIR_TO_NON_DIR', `cannot overwrite non-directory ${to} with directory`, from)
  if (typeOf(found) !== S_IFDIR && typeOf(there) === S_IFDIR)
    throw refused('ERR_FS_CP_NON_DIR_TO_DIR', `cannot overwrite directory ${to} with non-directory`, from)
}

function* copy(door: Door, found: Attributes, from: string, to: string, options: CopyOptions): Call<void> {
  const there = lookFor(door, to, options)
  switch (typeOf(found)) {
    case S_IFDIR:
      yield* copyDirectory(door, found, there, from, to, options)
      return
    case S_IFLNK:
      yield* copyLink(door, there, from, to, options)
      return
    case S_IFSOCK:
      throw refused('ERR_FS_CP_SOCKET', 'cannot copy a socket file', to)
    case S_IFIFO:
      throw refused('ERR_FS_CP_FIFO_PIPE', 'cannot copy a FIFO pipe', to)
    case S_IFCHR:
    case S_IFBLK:
      throw refused('ERR_FS_CP_UNKNOWN', 'cannot copy a device', to)
  }
  if (there !== undefined) {
    if (options.force === false) {
      if (options.errorOnExist !== true) return
      throw refused('ERR_FS_CP_EEXIST', 'file already exists', to)
    }
    yield* unlink(door.process, to)
  }
  yield* copyFile(door.process, from, to, options.mode ?? 0)
  if (options.preserveTimestamps === true) {
    const target = { path: pathBytes(to), follow: true }
    yield* at({ syscall: 'utime', path: to }, syscall.utimens(door.process, target, found.atime, found.mtime))
  }
}

function* copyDirectory(
  door: Door,
  found: Attributes,
  there: Attributes | undefined,
  from: string,
  to: string,
  options: CopyOptions,
): Call<void> {
  if (there === undefined) yield* mkdir(door.process, to, 0o777)
  for (const { name } of yield* list(door.process, from)) {
    const [below, above] = [posix.join(from, name.toString()), posix.join(to, name.toString())]
    if (!(yield* isWanted(below, above, options))) continue
    const entry = find(door, below, options)
    check(entry, lookFor(door, above, options), below, above, options)
    yield* copy(door, entry, below, above, options)
  }
  if (there === undefined)
    yield* at(
      { syscall: 'chmod', path: to },
      syscall.chmod(door.process, { path: pathBytes(to), follow: true }, found.mode & 0o7777),
    )
}

function* copyLink(
  door: Door,
  there: Attributes | undefined,
  from: string,
  to: string,
  options: CopyOptions,
): Call<void> {
  const target = Buffer.from(readLink(door.process, from)).toString()
  const kept = options.verbatimSymlinks === true || posix.isAbsolute(target)
  const resolved = kept ? target : posix.resolve('/', posix.dirname(from), target)
  if (there !== undefined) yield* unlink(door.process, to)
  yield* symlink(door.process, resolved, to)
}

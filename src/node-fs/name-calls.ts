/** Calls on names. */
import { constants } from 'node:fs'
import { FsError } from '../../lib/errno.js'
import { readlink, stat } from '../guest/syscall/attributes.js'
import type { Call } from '../guest/syscall/call.js'
import { getdents } from '../guest/syscall/data.js'
import * as entries from '../guest/syscall/entries.js'
import { close, open } from '../guest/syscall/open.js'
import type { Process } from '../guest/syscall/process.js'
import { S_IFDIR, S_IFLNK, S_IFMT } from '../guest/vfs/attributes.js'
import { type PathLike, pathBytes, pathText } from './arguments.js'
import type { Door } from './door.js'
import { at, now, placed, systemError } from './system-error.js'

const codeOf = (error: unknown): string | undefined => (error instanceof FsError ? error.code : undefined)

export function* mkdir(process: Process, path: PathLike, mode: number): Call<void> {
  yield* at({ syscall: 'mkdir', path }, entries.mkdir(process, pathBytes(path), mode))
}

/** Errors of mkdir that say all; with others it matters what is there. */
const FINAL = ['EACCES', 'ENOSPC', 'ENOTDIR', 'EPERM', 'EROFS']

/** Makes the directories of a path that are not there. Returns the first that was made, cut from the path as it is. */
export function* makeDirectories(process: Process, path: PathLike, mode: number): Call<string | undefined> {
  const missing = [pathText(path)]
  let first: string | undefined
  for (let next = missing.at(-1); next !== undefined; next = missing.at(-1)) {
    try {
      yield* entries.mkdir(process, pathBytes(next), mode)
      first ??= next
    } catch (error) {
      const code = codeOf(error) ?? ''
      const place = { syscall: 'mkdir', path: next }
      const parent = next.slice(0, Math.max(0, next.lastIndexOf('/')))
      if (code === 'ENOENT' && parent !== '') {
        missing.push(parent)
        continue
      }
      if (code === 'ENOENT' || FINAL.includes(code)) throw placed(place, error)
      if (missing.length > 1 && !isDirectory(process, next)) throw systemError('ENOTDIR', place, error)
      const { mode: found } = now(place, () => stat(process, { path: pathBytes(next), follow: true }))
      if ((found & S_IFMT) !== S_IFDIR) throw systemError('EEXIST', place, error)
    }
    missing.pop()
  }
  return first
}

export function isDirectory(process: Process, path: PathLike, follow = true): boolean {
  try {
    return (stat(process, { path: pathBytes(path), follow }).mode & S_IFMT) === S_IFDIR
  } catch (error) {
    if (error instanceof FsError) return false
    throw error
  }
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const MOST_TRIES = 1000

/** The bytes of the path of the new directory: the prefix and six letters. */
export function* mkdtemp({ process, random }: Door, prefix: PathLike): Call<Uint8Array> {
  const place = { syscall: 'mkdtemp', path: `${pathText(prefix)}XXXXXX` }
  const before = pathBytes(prefix, 'prefix')
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const letters = Array.from({ length: 6 }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join('')
    const path = Buffer.concat([before, Buffer.from(letters)])
    try {
      yield* entries.mkdir(process, path, 0o700)
      return path
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw systemError((error as FsError).code, place, error)
    }
  }
  throw systemError('EEXIST', place)
}

export interface Entry {
  readonly name: Buffer
  /** DT_* */
  readonly type: number
}

/** The entries of a directory but `.` and `..`, in the order of their names' bytes. */
export function* list(process: Process, path: PathLike): Call<Entry[]> {
  return yield* at({ syscall: 'scandir', path }, listCall(process, pathBytes(path)))
}

function* listCall(process: Process, path: Uint8Array): Call<Entry[]> {
  const file = yield* open(process, path, constants.O_RDONLY | constants.O_DIRECTORY)
  const fd = process.files.add(file)
  try {
    const found: Entry[] = []
    getdents(process, file, (name, _, type) => {
      if (!isDots(name)) found.push({ name: Buffer.from(name), type })
      return true
    })
    return found.sort((a, b) => Buffer.compare(a.name, b.name))
  } finally {
    close(process, fd)
  }
}

export function isDots(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e))
}

export function* rename(process: Process, path: PathLike, dest: PathLike, flags = 0): Call<void> {
  const call = entries.rename(process, pathBytes(path, 'oldPath'), pathBytes(dest, 'newPath'), flags)
  yield* at({ syscall: 'rename', path, dest }, call)
}

export function* link(process: Process, path: PathLike, dest: PathLike): Call<void> {
  const call = entries.link(process, pathBytes(path, 'existingPath'), pathBytes(dest, 'newPath'))
  yield* at({ syscall: 'link', path, dest }, call)
}

export function* symlink(process: Process, target: PathLike, path: PathLike): Call<void> {
  const call = entries.symlink(process, pathBytes(target, 'target'), pathBytes(path))
  yield* at({ syscall: 'symlink', path: target, dest: path }, call)
}

export function* unlink(process: Process, path: PathLike): Call<void> {
  yield* at({ syscall: 'unlink', path }, entries.unlink(process, pathBytes(path)))
}

export function* rmdir(process: Process, path: PathLike): Call<void> {
  yield* at({ syscall: 'rmdir', path }, entries.rmdir(process, pathBytes(path)))
}

export function readLink(process: Process, path: PathLike): Uint8Array {
  return now({ syscall: 'readlink', path }, () => readlink(process, pathBytes(path)))
}

/** MAXSYMLINKS */
const MAX_LINKS = 40

/** realpath(3): the way from the root without links, `.` and `..`. */
export function realpath(process: Process, path: PathLike): Buffer {
  return now({ syscall: 'realpath', path }, () => {
    const bytes = Buffer.from(pathBytes(path))
    if (bytes.length === 0) throw new FsError('ENOENT')
    let rest = bytes.toString('latin1')
    let way: string[] = []
    for (let links = 0; rest !== ''; ) {
      const [, name = '', behind = ''] = /^\/*([^/]*)(.*)$/s.exec(rest) ?? []
      rest = behind
      if (name === '' || name === '.') continue
      if (name === '..') {
        way.pop()
        continue
      }
      const here = `/${[...way, name].join('/')}`
      const { mode } = stat(process, { path: Buffer.from(here, 'latin1'), follow: false })
      if ((mode & S_IFMT) !== S_IFLNK) {
        way.push(name)
        if (rest !== '' && (mode & S_IFMT) !== S_IFDIR) throw new FsError('ENOTDIR')
        continue
      }
      if (++links > MAX_LINKS) throw new FsError('ELOOP')
      const target = Buffer.from(readlink(process, Buffer.from(here, 'latin1'))).toString('latin1')
      if (target.startsWith('/')) way = []
      rest = target + rest
    }
    return Buffer.from(`/${way.join('/')}`, 'latin1')
  })
}

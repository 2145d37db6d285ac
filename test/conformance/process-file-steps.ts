/** The steps of steps.c on what is in files and on extended attributes, as system calls of src/guest/syscall. */

import { FsError } from '../../lib/errno.js'
import { ftruncate, type Target } from '../../src/guest/syscall/attributes.js'
import { whenDone } from '../../src/guest/syscall/call.js'
import {
  copyFileRange,
  copyRuns,
  fallocate,
  fsync,
  lseek,
  read,
  syncfs,
  type Whence,
  write,
} from '../../src/guest/syscall/data.js'
import { close, open } from '../../src/guest/syscall/open.js'
import { getxattr, listxattr, removexattr, setxattr } from '../../src/guest/syscall/xattr.js'
import type { OpenFile } from '../../src/guest/vfs/open-file.js'
import * as O from '../../src/guest/vfs/open-flags.js'
import {
  type CaseState,
  decode,
  fileOf,
  flagsOf,
  number,
  octal,
  outcome,
  path,
  type Step,
  sayBytes,
  slot,
  tell,
} from './process-state.js'

const MOST_READ = 4 << 20

const OPEN_FLAGS = {
  rdonly: O.O_RDONLY,
  wronly: O.O_WRONLY,
  rdwr: O.O_RDWR,
  creat: O.O_CREAT,
  excl: O.O_EXCL,
  trunc: O.O_TRUNC,
  append: O.O_APPEND,
  directory: O.O_DIRECTORY,
  nofollow: O.O_NOFOLLOW,
  path: O.O_PATH,
  tmpfile: O.O_TMPFILE,
  direct: O.O_DIRECT,
  sync: O.O_SYNC,
  dsync: O.O_DSYNC,
  noatime: O.O_NOATIME,
  nonblock: O.O_NONBLOCK,
}
const FALLOCATE = { keep: 1, punch: 2, zero: 0x10, collapse: 8, insert: 0x20, unshare: 0x40, bad: 0x8000 }

function* openIn(
  { process, slots }: CaseState,
  at: string,
  bytes: Buffer,
  flags: string,
  mode = '0',
  start?: number,
) {
  slots.delete(Number(at))
  const file = yield* open(process, bytes, flagsOf(OPEN_FLAGS, flags), octal(mode), start)
  slots.set(Number(at), process.files.add(file))
}

function bytesOf(state: CaseState, file: OpenFile, length: number, offset?: number): Uint8Array {
  const runs = read(state.process, file, length, offset)
  const bytes = new Uint8Array(runs.reduce((sum, run) => sum + run.length, 0))
  copyRuns(runs, bytes, 0)
  return bytes
}

function store({ process }: CaseState, file: OpenFile, bytes: Uint8Array, offset?: number): Promise<number> {
  return whenDone(write(process, file, bytes, 0, bytes.length, offset))
}

async function withOpen<T>(
  state: CaseState,
  name: string,
  flags: number,
  act: (file: OpenFile) => T,
): Promise<Awaited<T>> {
  const { process } = state
  const file = await whenDone(open(process, decode(name), flags, 0o644))
  const fd = process.files.add(file)
  try {
    return await act(file)
  } finally {
    close(process, fd)
  }
}

function extents(state: CaseState, [from = '']: readonly string[]): Promise<string> {
  let said = ''
  return tell(() => {
    const file = fileOf(state, from)
    try {
      for (let at = 0; ; ) {
        const data = lseek(state.process, file, at, 'data')
        at = lseek(state.process, file, data, 'hole')
        said += `[${data},${at}) `
      }
    } catch (error) {
      if (error instanceof FsError) return said + error.code
      throw error
    }
  })
}

async function sendfile(
  state: CaseState,
  [from = '', offset = '', to = '', length = '']: readonly string[],
): Promise<string> {
  return await tell(() =>
    store(state, fileOf(state, to), bytesOf(state, fileOf(state, from), number(length), number(offset))),
  )
}

function seek(state: CaseState, [from = '', offset = '', whence = '']: readonly string[]): Promise<string> {
  return tell(() => {
    const file = fileOf(state, from)
    if (whence === 'bad') throw new FsError('EINVAL', 'whence')
    return lseek(state.process, file, number(offset), whence as Whence)
  })
}

export const FILE_STEPS: Readonly<Record<string, Step>> = {
  open: (state, [at = '', name = '', flags = '', mode]) =>
    outcome(() => whenDone(openIn(state, at, decode(name), flags, mode))),
  openat: (state, [at = '', from = '', name = '', flags = '', mode]) =>
    outcome(() =>
      whenDone(openIn(state, at, Buffer.from(name, 'latin1'), flags, mode, fileOf(state, from).ino)),
    ),
  close: (state, [from = '']) =>
    outcome(() => {
      const fd = slot(state, from)
      state.slots.delete(Number(from))
      close(state.process, fd)
    }),
  write: (state, [from = '', text = '']) => tell(() => store(state, fileOf(state, from), decode(text))),
  pwrite: (state, [from = '', offset = '', text = '']) =>
    tell(() => store(state, fileOf(state, from), decode(text), number(offset))),
  fill: (state, [from = '', offset = '', length = '', letter = '']) =>
    tell(() => store(state, fileOf(state, from), Buffer.alloc(number(length), letter[0]), number(offset))),
  'pwritev-append': (state, [from = '', text = '']) =>
    tell(() => {
      const file = fileOf(state, from)
      return store(state, file, decode(text), state.process.fs.getattr(file.ino).size)
    }),
  read: (state, [from = '', length = '']) =>
    tell(() => sayBytes(bytesOf(state, fileOf(state, from), number(length)))),
  pread: (state, [from = '', offset = '', length = '']) =>
    tell(() => {
      // As in file-steps.c: below zero is where the file stands.
      const at = number(offset) < 0 ? undefined : number(offset)
      return sayBytes(bytesOf(state, fileOf(state, from), number(length), at))
    }),
  get: (state, [name = '']) =>
    tell(() => withOpen(state, name, O.O_RDONLY, (file) => sayBytes(bytesOf(state, file, MOST_READ, 0)))),
  put: (state, [name = '', text = '']) =>
    tell(() =>
      withOpen(state, name, O.O_WRONLY | O.O_CREAT | O.O_TRUNC, (file) => store(state, file, decode(text))),
    ),
  ftruncate: (state, [from = '', size = '']) =>
    outcome(() => whenDone(ftruncate(state.process, fileOf(state, from), number(size)))),
  fsync: (state, [from = '']) => outcome(() => whenDone(fsync(state.process, fileOf(state, from), false))),
  fdatasync: (state, [from = '']) => outcome(() => whenDone(fsync(state.process, fileOf(state, from), true))),
  syncfs: (state, [from = '']) =>
    outcome(() => {
      fileOf(state, from)
      return whenDone(syncfs(state.process))
    }),
  fallocate: (state, [from = '', mode = '', offset = '', length = '']) =>
    outcome(() =>
      whenDone(
        fallocate(
          state.process,
          fileOf(state, from),
          flagsOf(FALLOCATE, mode),
          number(offset),
          number(length),
        ),
      ),
    ),
  seek,
  'copy-range': (state, [from = '', fromOffset = '', to = '', toOffset = '', length = '']) =>
    tell(() =>
      whenDone(
        copyFileRange(
          state.process,
          fileOf(state, from),
          number(fromOffset),
          fileOf(state, to),
          number(toOffset),
          number(length),
        ),
      ),
    ),
  sendfile,
  extents,
  'drop-pages': () => 'ok',
}

const SET_FLAGS = { create: 1, replace: 2 }
const TAGS: Readonly<Record<string, number>> = { u: 1, user: 2, g: 4, group: 8, m: 0x10, o: 0x20 }
const attributeOf = (kind: string): Buffer =>
  Buffer.from(kind === 'default' ? 'system.posix_acl_default' : 'system.posix_acl_access')

/** u:7 user:1000:6 g:5 group:100:4 m:7 o:0 */
function aclOf(entries: readonly string[]): Buffer {
  const value = Buffer.alloc(4 + entries.length * 8)
  value[0] = 2
  entries.forEach((entry, index) => {
    const words = entry.split(':')
    const at = 4 + index * 8
    value.writeUInt16LE(TAGS[words[0]!]!, at)
    value.writeUInt16LE(Number(words.at(-1)), at + 2)
    value.writeUInt32LE(words.length === 2 ? 0xffff_ffff : Number(words[1]), at + 4)
  })
  return value
}

function sayAcl(value: Uint8Array): string {
  const bytes = Buffer.from(value)
  let said = ''
  for (let at = 4; at + 8 <= bytes.length; at += 8) {
    const tag = bytes.readUInt16LE(at)
    const name = Object.keys(TAGS).find((each) => TAGS[each] === tag)
    said += `${name}:${tag === 2 || tag === 8 ? `${bytes.readUInt16LE(at + 4)}:` : ''}${bytes[at + 2]} `
  }
  return said + bytes.length
}

function setX(
  state: CaseState,
  target: Target,
  name: string,
  value: Uint8Array,
  flags = '0',
): Promise<string> {
  return outcome(() =>
    whenDone(setxattr(state.process, target, Buffer.from(name, 'latin1'), value, flagsOf(SET_FLAGS, flags))),
  )
}

function limited(bytes: Uint8Array, most?: string): Uint8Array {
  if (most !== undefined && bytes.length > number(most)) throw new FsError('ERANGE', 'room too small')
  return bytes
}

const value = ({ process }: CaseState, target: Target, name: string): Uint8Array =>
  getxattr(process, target, Buffer.from(name, 'latin1'))

export const XATTR_STEPS: Readonly<Record<string, Step>> = {
  setxattr: (state, [name = '', attribute = '', text = '', flags]) =>
    setX(state, path(name), attribute, decode(text), flags),
  lsetxattr: (state, [name = '', attribute = '', text = '']) =>
    setX(state, path(name, false), attribute, Buffer.from(text, 'latin1')),
  fillxattr: (state, [name = '', attribute = '', length = '', letter = '']) =>
    setX(state, path(name), attribute, Buffer.alloc(number(length), letter[0])),
  getxattr: (state, [name = '', attribute = '', most]) =>
    tell(() => sayBytes(limited(value(state, path(name), attribute), most))),
  lgetxattr: (state, [name = '', attribute = '']) =>
    tell(() => sayBytes(value(state, path(name, false), attribute))),
  'getxattr-size': (state, [name = '', attribute = '']) =>
    tell(() => value(state, path(name), attribute).length),
  listxattr: ({ process }, [name = '', most]) =>
    tell(() => {
      const bytes = limited(listxattr(process, path(name, false)), most)
      const names = Buffer.from(bytes).toString('latin1').split('\0').slice(0, -1).sort()
      return `${names.map((each) => `${Buffer.from(each, 'latin1').toString()} `).join('')}${names.length}`
    }),
  removexattr: ({ process }, [name = '', attribute = '']) =>
    outcome(() => whenDone(removexattr(process, path(name), Buffer.from(attribute, 'latin1')))),
  setacl: (state, [name = '', kind = '', ...entries]) =>
    outcome(() => whenDone(setxattr(state.process, path(name), attributeOf(kind), aclOf(entries), 0))),
  getacl: ({ process }, [name = '', kind = '']) =>
    tell(() => sayAcl(getxattr(process, path(name), attributeOf(kind)))),
}

/** The steps of steps.c on names and attributes, as system calls of src/guest/syscall. */
import {
  access,
  chmod,
  chown,
  type NewTime,
  readlink,
  stat,
  statfs,
  type Target,
  truncate,
  utimens,
} from '../../src/guest/syscall/attributes.js'
import { whenDone } from '../../src/guest/syscall/call.js'
import { getdents } from '../../src/guest/syscall/data.js'
import {
  link,
  linkFile,
  mkdir,
  mknod,
  rename,
  rmdir,
  symlink,
  unlink,
} from '../../src/guest/syscall/entries.js'
import { getFileAttr, setFileAttr } from '../../src/guest/syscall/file-attr.js'
import { close, open } from '../../src/guest/syscall/open.js'
import {
  type Attributes,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type Timespec,
} from '../../src/guest/vfs/attributes.js'
import { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY } from '../../src/guest/vfs/open-flags.js'
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
  tell,
} from './process-state.js'

/** Opens, acts, closes. */
async function withOpen<T>(
  { process }: CaseState,
  name: string,
  flags: number,
  mode: number,
  act: (fd: number) => T,
): Promise<T> {
  const fd = process.files.add(await whenDone(open(process, decode(name), flags, mode)))
  try {
    return act(fd)
  } finally {
    close(process, fd)
  }
}

const TYPES: Readonly<Record<string, number>> = {
  file: S_IFREG,
  fifo: S_IFIFO,
  char: S_IFCHR,
  block: S_IFBLK,
  socket: S_IFSOCK,
  directory: S_IFDIR,
  symlink: S_IFLNK,
  none: 0,
}
const RENAME = { noreplace: 1, exchange: 2, whiteout: 4, bad: 64 }
const ACCESS = { r: 4, w: 2, x: 1 }

/** As makedev(3) encodes it for the kernel. */
function makedev(major: number, minor: number): number {
  return ((major << 8) | (minor & 0xff) | ((minor & ~0xff) << 12)) >>> 0
}

export interface Listed {
  name: Buffer
  type: number
  next: bigint
}

async function list(state: CaseState, name: string): Promise<Listed[]> {
  return await withOpen(state, name, O_RDONLY | O_DIRECTORY, 0, (fd) =>
    entriesBehind(state, fd, 0n, Number.POSITIVE_INFINITY),
  )
}

function entriesBehind({ process }: CaseState, fd: number, cookie: bigint, most: number): Listed[] {
  const found: Listed[] = []
  const file = process.files.get(fd)
  file.cookie = cookie
  getdents(process, file, (name, _, type, next) => {
    if (found.length >= most) return false
    found.push({ name: Buffer.from(name), type, next })
    return true
  })
  return found
}

async function readdir(state: CaseState, [name = '']: readonly string[]): Promise<string> {
  return await tell(async () => {
    const lines = (await list(state, name)).map((entry) =>
      Buffer.concat([entry.name, Buffer.from(`(${entry.type})`)]),
    )
    lines.sort(Buffer.compare)
    return `${lines.map((line) => `${line.subarray(0, 300).toString()} `).join('')}${lines.length}`
  })
}

async function seekdir(state: CaseState, [name = '']: readonly string[]): Promise<string> {
  return await tell(() =>
    withOpen(state, name, O_RDONLY | O_DIRECTORY, 0, (fd) => {
      const entries = entriesBehind(state, fd, 0n, Number.POSITIVE_INFINITY)
      let wrong = 0
      for (let at = entries.length - 1; at >= 0; at--) {
        const [found] = entriesBehind(state, fd, at === 0 ? 0n : entries[at - 1]!.next, 1)
        if (found === undefined || !found.name.equals(entries[at]!.name)) wrong++
      }
      return `${entries.length} entries, ${wrong} wrong`
    }),
  )
}

async function many(
  state: CaseState,
  [what = '', format = '', count = '', from = '']: readonly string[],
): Promise<string> {
  const { process } = state
  const total = number(count)
  for (let made = 0; made < total; made++) {
    const name = format.replace(/%(0(\d+))?d/, (_, __, width) =>
      String(made).padStart(Number(width ?? 0), '0'),
    )
    const done = await outcome(async () => {
      if (what === 'link') await whenDone(link(process, decode(from), decode(name)))
      else if (what === 'unlink') await whenDone(unlink(process, decode(name)))
      else if (what === 'mkdir') await whenDone(mkdir(process, decode(name), 0o755))
      else await withOpen(state, name, O_CREAT | O_EXCL | O_WRONLY, 0o644, () => {})
    })
    if (done !== 'ok') return `${made} ${done}`
  }
  return `${total} ok`
}

function become({ process }: CaseState, word: string): void {
  const [uid = '', list = ''] = word.split(':')
  const [gid = 0, ...groups] = list.split(',').map(Number)
  process.credentials = { uid: Number(uid), gid, groups }
}

/** Binding is what makes sockets: EADDRINUSE where something is, and no more than 107 bytes of the path count. */
async function bind({ process }: CaseState, [name = '']: readonly string[]): Promise<string> {
  const bytes = Buffer.from(name, 'latin1').subarray(0, 107)
  if (bytes.length === 0) return 'ok'
  const told = await outcome(() => whenDone(mknod(process, bytes, S_IFSOCK | (0o777 & ~process.umask), 0)))
  return told === 'EEXIST' ? 'EADDRINUSE' : told
}

export const NAME_STEPS: Readonly<Record<string, Step>> = {
  mkdir: ({ process }, [name = '', mode = '']) =>
    outcome(() => whenDone(mkdir(process, decode(name), octal(mode)))),
  rmdir: ({ process }, [name = '']) => outcome(() => whenDone(rmdir(process, decode(name)))),
  unlink: ({ process }, [name = '']) => outcome(() => whenDone(unlink(process, decode(name)))),
  'unlinkat-dir': ({ process }, [name = '']) => outcome(() => whenDone(rmdir(process, decode(name)))),
  mkfifo: ({ process }, [name = '', mode = '']) =>
    outcome(() => whenDone(mknod(process, decode(name), S_IFIFO | octal(mode), 0))),
  mknod: ({ process }, [name = '', type = '', mode = '', major = '', minor = '']) =>
    outcome(() =>
      whenDone(
        mknod(
          process,
          decode(name),
          flagsOf(TYPES, type) | octal(mode),
          makedev(number(major), number(minor)),
        ),
      ),
    ),
  bind,
  create: (state, [name = '', mode = '']) =>
    outcome(() => withOpen(state, name, O_CREAT | O_EXCL | O_WRONLY, octal(mode), () => {})),
  symlink: ({ process }, [target = '', name = '']) =>
    outcome(() => whenDone(symlink(process, Buffer.from(target, 'latin1'), decode(name)))),
  readlink: ({ process }, [name = '']) => tell(() => sayBytes(readlink(process, decode(name)))),
  link: ({ process }, [name = '', to = '']) =>
    outcome(() => whenDone(link(process, decode(name), decode(to)))),
  'link-follow': ({ process }, [name = '', to = '']) =>
    outcome(() => whenDone(link(process, decode(name), decode(to), true))),
  'link-slot': (state, [from = '', to = '']) =>
    outcome(() => whenDone(linkFile(state.process, fileOf(state, from), decode(to)))),
  rename: ({ process }, [name = '', to = '']) =>
    outcome(() => whenDone(rename(process, decode(name), decode(to)))),
  rename2: ({ process }, [name = '', to = '', flags = '']) =>
    outcome(() => whenDone(rename(process, decode(name), decode(to), flagsOf(RENAME, flags)))),
  readdir,
  seekdir,
  many,
  access: ({ process }, [name = '', mode = '']) =>
    outcome(() => access(process, decode(name), flagsOf(ACCESS, mode))),
  umask: ({ process }, [mode = '']) =>
    outcome(() => {
      process.umask = octal(mode)
    }),
  chdir: ({ process }, [name = '']) => outcome(() => process.chdir(decode(name))),
  as: (state, [who = '']) => outcome(() => become(state, who)),
  statfs: ({ process }, [name = '']) =>
    tell(() => {
      const found = statfs(process, path(name))
      return `bsize=${found.blockSize} frsize=${found.blockSize} namelen=${found.nameMax}`
    }),
}

/** SECONDS[.NANOSECONDS], nine digits of these; now; omit; bad. */
function timeOf(word: string): NewTime {
  if (word === 'now') return 'now'
  if (word === 'omit') return undefined
  if (word === 'bad') return { sec: 0, nsec: 1_000_000_000 }
  const [sec = '', nsec = '0'] = word.split('.')
  return { sec: Number(sec), nsec: Number(nsec) }
}

const TYPE_LETTERS: Readonly<Record<number, string>> = {
  [S_IFREG]: 'f',
  [S_IFDIR]: 'd',
  [S_IFLNK]: 'l',
  [S_IFIFO]: 'p',
  [S_IFSOCK]: 's',
  [S_IFCHR]: 'c',
  [S_IFBLK]: 'b',
}

function describe(found: Attributes, fields = ''): string {
  const type = found.mode & S_IFMT
  const parts = [
    TYPE_LETTERS[type] ?? '?',
    (found.mode & 0o7777).toString(8).padStart(4, '0'),
    `nlink=${found.nlink}`,
    `${found.uid}:${found.gid}`,
  ]
  if (type !== S_IFDIR || fields.includes('dirsize')) parts.push(`size=${found.size}`)
  if (type === S_IFCHR || type === S_IFBLK) {
    const { rdev } = found
    parts.push(`rdev=${(rdev >>> 8) & 0xfff},${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`)
  }
  if (fields.includes('blocks')) parts.push(`blocks=${found.blocks}`)
  if (fields.includes('blksize')) parts.push(`blksize=${found.blockSize}`)
  for (const name of ['atime', 'mtime'] as const) {
    if (fields.includes(name))
      parts.push(`${name}=${found[name].sec}.${String(found[name].nsec).padStart(9, '0')}`)
  }
  return parts.join(' ')
}

function changed(
  { process, marks }: CaseState,
  [name = '', marked = name]: readonly string[],
): Promise<string> {
  return tell(() => {
    const is = stat(process, path(name, false))
    const mark = marks.findLast((each) => each.path === marked)
    if (mark === undefined) return 'no mark'
    const same = (a: Timespec, b: Timespec): boolean => a.sec === b.sec && a.nsec === b.nsec
    const times = (['atime', 'mtime', 'ctime'] as const).filter((time) => !same(is[time], mark.was[time]))
    return `changed:${times.map((time) => ` ${time}`).join('')}`
  })
}

const INODE_FLAGS = {
  append: 0x20,
  immutable: 0x10,
  nodump: 0x40,
  noatime: 0x80,
  sync: 0x8,
  dirsync: 0x10000,
  topdir: 0x20000,
  compress: 0x4,
  secrm: 0x1,
}
const FS_INDEX_FL = 0x1000
const FS_EXTENT_FL = 0x80000

const utimensOf = ({ process }: CaseState, target: Target, atime: string, mtime: string): Promise<string> =>
  outcome(() => whenDone(utimens(process, target, timeOf(atime), timeOf(mtime))))

export const ATTRIBUTE_STEPS: Readonly<Record<string, Step>> = {
  chmod: ({ process }, [name = '', mode = '']) =>
    outcome(() => whenDone(chmod(process, path(name), octal(mode)))),
  fchmod: (state, [from = '', mode = '']) =>
    outcome(() => whenDone(chmod(state.process, fileOf(state, from), octal(mode)))),
  chown: ({ process }, [name = '', uid = '', gid = '']) =>
    outcome(() => whenDone(chown(process, path(name), number(uid), number(gid)))),
  lchown: ({ process }, [name = '', uid = '', gid = '']) =>
    outcome(() => whenDone(chown(process, path(name, false), number(uid), number(gid)))),
  fchown: (state, [from = '', uid = '', gid = '']) =>
    outcome(() => whenDone(chown(state.process, fileOf(state, from), number(uid), number(gid)))),
  utimens: (state, [name = '', atime = '', mtime = '']) => utimensOf(state, path(name), atime, mtime),
  lutimens: (state, [name = '', atime = '', mtime = '']) => utimensOf(state, path(name, false), atime, mtime),
  futimens: (state, [from = '', atime = '', mtime = '']) =>
    outcome(() => whenDone(utimens(state.process, fileOf(state, from), timeOf(atime), timeOf(mtime)))),
  truncate: ({ process }, [name = '', size = '']) =>
    outcome(() => whenDone(truncate(process, decode(name), number(size)))),
  stat: ({ process }, [name = '', fields]) => tell(() => describe(stat(process, path(name)), fields)),
  lstat: ({ process }, [name = '', fields]) => tell(() => describe(stat(process, path(name, false)), fields)),
  fstat: (state, [from = '', fields]) =>
    tell(() => describe(stat(state.process, fileOf(state, from)), fields)),
  same: ({ process }, [a = '', b = '']) =>
    tell(() =>
      stat(process, path(a, false)).ino === stat(process, path(b, false)).ino ? 'same' : 'different',
    ),
  mark: ({ process, marks, pass }, [name = '']) =>
    outcome(() => {
      marks.push({ path: name, was: stat(process, path(name, false)) })
      pass()
    }),
  changed,
  statx: ({ process }, [name = '']) =>
    tell(() => `basic=1 btime=${stat(process, path(name, false)).btime === undefined ? 'none' : 'recent'}`),
  'statx-attributes': ({ process }, [name = '']) =>
    tell(() => {
      const { flags } = getFileAttr(process, path(name))
      const names = (['append', 'immutable', 'nodump'] as const).filter(
        (flag) => (flags & INODE_FLAGS[flag]) !== 0,
      )
      return names.map((flag) => `${flag} `).join('')
    }),
  getflags: (state, [from = '']) =>
    tell(() => (getFileAttr(state.process, fileOf(state, from)).flags & ~FS_INDEX_FL).toString(16)),
  setflags: (state, [from = '', list = '']) =>
    outcome(async () => {
      const { process } = state
      const file = fileOf(state, from)
      const { flags, projectId } = getFileAttr(process, file)
      const wanted = (flags & FS_EXTENT_FL) | flagsOf(INODE_FLAGS, list)
      await whenDone(setFileAttr(process, file, { flags: wanted, projectId }))
    }),
}

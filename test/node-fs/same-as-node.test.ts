/** Random calls on node:fs over a directory of this computer, and on an image: the same results and the same errors. */
import { existsSync, promises as nodePromises } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import tmp from 'tmp'
import type { FsPromises } from '../../src/node-fs/promises.js'
import { freshDisk } from './image.js'

/** A machine may have much else to do. */
t.setTimeout(120_000)

/** What both have; the shapes of their results are compared, so their types need not agree. */
type Calls = Pick<
  FsPromises,
  | 'access'
  | 'appendFile'
  | 'chmod'
  | 'copyFile'
  | 'cp'
  | 'link'
  | 'lstat'
  | 'mkdir'
  | 'open'
  | 'readFile'
  | 'readdir'
  | 'readlink'
  | 'realpath'
  | 'rename'
  | 'rm'
  | 'rmdir'
  | 'stat'
  | 'symlink'
  | 'truncate'
  | 'unlink'
  | 'utimes'
  | 'writeFile'
>

interface Step {
  call: string
  a: string
  b: string
  n: number
  flag: boolean
}

const path = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'b', 'c', 'a/a', 'a/b', 'b/a', 'b/c', 'a/a/c', 'c/b/a') },
  fc.constantFrom(
    'a/',
    'b/.',
    'a/..',
    'a/../b',
    './c',
    'a//b',
    '',
    'ü',
    `${'n'.repeat(255)}`,
    `${'n'.repeat(256)}`,
  ),
)

const statOf = async (fs: Calls, at: string, follow: boolean): Promise<unknown> => {
  const { mode, nlink, size, uid, gid, mtimeMs, ...found } = await (follow ? fs.stat(at) : fs.lstat(at))
  const kind = (mode & 0o170000).toString(8)
  const isDirectory = kind === '40000'
  void found
  return {
    mode: mode.toString(8),
    nlink,
    uid,
    gid,
    size: isDirectory ? undefined : size,
    old: mtimeMs < 1e12 ? mtimeMs : 'now',
  }
}

const OPEN_FLAGS = ['r', 'r+', 'w', 'w+', 'wx', 'a', 'a+', 'ax+', 'rs+', 'as']

/** Opens, writes, reads, asks, and closes. */
async function useHandle(fs: Calls, at: string, n: number): Promise<unknown> {
  const flags = OPEN_FLAGS[n % OPEN_FLAGS.length]!
  const file = await fs.open(at, flags, 0o640)
  try {
    const seen: unknown[] = []
    const tried = async (work: () => Promise<unknown>): Promise<void> => {
      seen.push(await outcome(work, ''))
    }
    await tried(async () => (await file.write(`text ${n}`)).bytesWritten)
    await tried(async () => (await file.write(Buffer.from('0123456789'), 2, 5, n % 5000)).bytesWritten)
    await tried(async () => (await file.writev([Buffer.from('v'), Buffer.from('w')], n % 77)).bytesWritten)
    const buffer = Buffer.alloc(20)
    await tried(async () => [(await file.read(buffer, 3, 10, n % 9)).bytesRead, buffer.toString('latin1')])
    await tried(async () => (await file.read(buffer, 0, 20)).bytesRead)
    await tried(async () => {
      const found = await file.stat()
      return found.isFile() ? found.size : 'of no account'
    })
    if (n % 3 === 0) await tried(() => file.truncate(n % 100))
    if (n % 4 === 0) await tried(() => file.sync())
    await tried(() => file.readFile('latin1'))
    await tried(() => file.chmod(0o600 + (n % 64)))
    await tried(() => file.appendFile('tail'))
    await tried(() => file.utimes(n, n / 3))
    return seen
  } finally {
    await file.close()
  }
}

/** One call; what it gave, in a form that can be compared. */
async function perform(fs: Calls, root: string, { call, a, b, n, flag }: Step): Promise<unknown> {
  const [at, to] = [a === '' ? '' : `${root}/${a}`, b === '' ? '' : `${root}/${b}`]
  switch (call) {
    case 'writeFile':
      return fs.writeFile(at, 'x'.repeat(n), flag ? { mode: 0o604, flag: 'wx' } : undefined)
    case 'appendFile':
      return fs.appendFile(at, `+${n}`)
    case 'readFile':
      return (await fs.readFile(at)).toString('latin1')
    case 'mkdir':
      // Without `recursive` Node gives undefined.
      return (await fs.mkdir(at, { recursive: flag, mode: 0o750 } as { recursive: true }))?.slice(root.length)
    case 'readdir':
      return (await fs.readdir(at, { recursive: flag })).sort()
    case 'readdir types':
      return (await fs.readdir(at, { withFileTypes: true, recursive: flag }))
        .map(
          (entry) =>
            `${entry.path.slice(root.length)} ${entry.name} ${entry.isFile()} ${entry.isDirectory()} ${entry.isSymbolicLink()}`,
        )
        .sort()
    case 'rename':
      return fs.rename(at, to)
    case 'link':
      return fs.link(at, to)
    case 'symlink':
      return fs.symlink(b, at)
    case 'readlink':
      return fs.readlink(at)
    case 'realpath':
      return (await fs.realpath(at)).slice(root.length)
    case 'unlink':
      return fs.unlink(at)
    case 'rmdir':
      return fs.rmdir(at)
    case 'rm':
      return fs.rm(at, { recursive: flag, force: n % 2 === 0 })
    case 'truncate':
      return fs.truncate(at, n)
    case 'chmod':
      return fs.chmod(at, (n * 7) & 0o7777)
    case 'utimes':
      return fs.utimes(at, n, new Date(n * 1000 + 1))
    case 'copyFile':
      return fs.copyFile(at, to, flag ? 1 : 0)
    case 'cp':
      return fs.cp(at, to, {
        recursive: flag,
        force: n % 3 > 0,
        errorOnExist: n % 2 > 0,
        verbatimSymlinks: true,
      })
    case 'access':
      return fs.access(at, n % 8)
    case 'handle':
      return useHandle(fs, at, n)
    default:
      return statOf(fs, at, flag)
  }
}

const CALLS = [
  'writeFile',
  'writeFile',
  'appendFile',
  'readFile',
  'mkdir',
  'mkdir',
  'mkdir',
  'readdir',
  'readdir types',
  'rename',
  'rename',
  'link',
  'symlink',
  'symlink',
  'readlink',
  'realpath',
  'unlink',
  'rmdir',
  'rm',
  'truncate',
  'chmod',
  'utimes',
  'copyFile',
  'cp',
  'access',
  'handle',
  'handle',
  'handle',
  'stat',
]

const step: fc.Arbitrary<Step> = fc.record({
  call: fc.constantFrom(...CALLS),
  a: path,
  b: path,
  n: fc.nat(9000),
  flag: fc.boolean(),
})

/** What was given, or the error without the directory in which the call was made. */
async function outcome(work: () => Promise<unknown>, root: string, isCp = false): Promise<unknown> {
  try {
    return (await work()) ?? 'done'
  } catch (error) {
    const {
      code,
      errno,
      syscall,
      path: at,
      dest,
      message,
    } = error as NodeJS.ErrnoException & { dest?: string }
    // The words of fs.cp's own errors are Node's affair, and change.
    if (code?.startsWith('ERR_') === true) return { code }
    // Node asks for source and destination at a time: which of two errors comes first is chance.
    if (isCp && syscall === 'lstat') return { syscall }
    const here = (text: string | undefined): string | undefined => text?.replaceAll(root, '')
    return { code, errno, syscall, at: here(at), dest: here(dest), message: here(message) }
  }
}

/** All that is below a directory. */
async function tree(fs: Calls, root: string, at = ''): Promise<unknown[]> {
  const found: unknown[] = []
  for (const name of (await fs.readdir(`${root}${at}`)).sort()) {
    const below = `${at}/${name}`
    const stat = (await statOf(fs, `${root}${below}`, false)) as { mode: string }
    const type = stat.mode.slice(0, -4)
    const content =
      type === '10'
        ? (await fs.readFile(`${root}${below}`)).toString('latin1')
        : type === '12'
          ? await fs.readlink(`${root}${below}`)
          : ''
    found.push([below, stat, content])
    if (type === '4') found.push(...(await tree(fs, root, below)))
  }
  return found
}

t.test('random calls: results, errors and what they leave are those of node:fs', async (t) => {
  const { disk } = await freshDisk(t, {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    umask: process.umask(),
  })
  const place = tmp.dirSync({
    unsafeCleanup: true,
    ...(existsSync('/dev/shm') ? { tmpdir: '/dev/shm' } : {}),
  })
  t.teardown(() => place.removeCallback())
  const node = nodePromises as unknown as Calls
  const root = disk.as({ uid: 0, gid: 0, groups: [] })
  await root.promises.chmod('/', 0o777)
  let run = 0
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
    const [theirs, ours] = [join(place.name, `run-${run}`), `/run-${run}`]
    run++
    await node.mkdir(theirs)
    await disk.promises.mkdir(ours)
    for (const [index, each] of steps.entries()) {
      const expected = await outcome(() => perform(node, theirs, each), theirs, each.call === 'cp')
      const found = await outcome(() => perform(disk.promises, ours, each), ours, each.call === 'cp')
      if (JSON.stringify(found) !== JSON.stringify(expected)) {
        throw new Error(
          `step ${index}, ${JSON.stringify(each)}: node:fs ${JSON.stringify(expected)}, we ${JSON.stringify(found)}`,
        )
      }
    }
    const [expected, found] = [
      await outcome(() => tree(node, theirs), theirs),
      await outcome(() => tree(disk.promises, ours), ours),
    ]
    if (JSON.stringify(found) !== JSON.stringify(expected))
      throw new Error(`left: node:fs ${JSON.stringify(expected)}, we ${JSON.stringify(found)}`)
    await disk.promises.rm(ours, { recursive: true, force: true })
    await node.rm(theirs, { recursive: true, force: true })
  })
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const numRuns = Number(process.env['RUNS'] ?? 150)
  const result = await fc.check(property, { numRuns, seed, endOnFailure: false })
  t.notOk(
    result.failed,
    `seed ${seed}: ${result.failed ? `${fc.defaultReportMessage(result)} ${result.errorInstance}` : 'alike'}`,
  )
})

import t from 'tap'
import type { Completion } from '../../lib/completion.js'
import { E, FsError } from '../../lib/errno.js'
import { Opcode } from '../../src/fuse/abi/opcode.js'
import { type Part, Rig } from './scripted-channel.js'

const O_DSYNC = 0o10000
const O_SYNC = 0o4010000
const NONE = 0

const write = (ino: number, flags: number): [number, number, ...Part[]] => [
  Opcode.WRITE,
  ino,
  ...[0n, 0n, 4, 0, 0n, flags, 0, Buffer.from('abcd')],
]

/** What the file system was asked to make durable by a request. */
function demanded(rig: Rig, [opcode, nodeid, ...parts]: [number, number, ...Part[]]): string[] {
  const before = rig.fs.calls.length
  const { error } = rig.call(opcode, { nodeid }, ...parts)
  if (error !== 0) throw new Error(`opcode ${opcode}: ${error}`)
  return rig.fs.calls.slice(before).filter((call) => /^(fsync|commit|syncfs)/.test(call))
}

t.test('WRITE: as the file was opened or the call asks -> data, or all, is durable', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  t.same(demanded(rig, write(ino, NONE)), [])
  t.same(demanded(rig, write(ino, O_DSYNC)), [`fsync ${ino} true`])
  t.same(demanded(rig, write(ino, O_SYNC)), [`fsync ${ino} false`])
})

t.test('an inode that is synchronous -> each change of it is durable', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', '0123')
  const other = rig.fs.addFile('b', '0123')
  const changes = (of: number, to: number): [number, number, ...Part[]][] => [
    write(of, NONE),
    [Opcode.SETATTR, of, 1, 0, 0n, 0n, 0n, 0n, 0n, 0n, 0, 0, 0, 0o600, 0, 0, 0, 0],
    [Opcode.SETXATTR, of, 1, 0, 0, 0, 'user.a', 'x'],
    [Opcode.FALLOCATE, of, 0n, 0n, 4096n, 0, 0],
    [Opcode.OPEN, of, 0o1001, 0],
    [Opcode.COPY_FILE_RANGE, to, 0n, 0n, BigInt(of), 0n, 0n, 4n, 0n],
  ]
  for (const change of changes(ino, other).slice(0, -1)) t.same(demanded(rig, change), [], `${change[0]}`)
  rig.fs.synchronous.add(ino)
  for (const change of changes(ino, other)) {
    const before = rig.fs.calls.length
    const [opcode, nodeid, ...parts] = change
    rig.send(opcode, { nodeid }, ...parts)
    while (rig.session.pending > 0) await null
    t.equal(rig.channel.replies.at(-1)?.error, 0, `${opcode}`)
    const syncs = rig.fs.calls.slice(before).filter((call) => call.startsWith(`fsync ${ino}`))
    t.equal(syncs.length, 1, `${opcode}`)
  }
  t.same(demanded(rig, write(other, NONE)), [], 'not of another')
})

t.test('a directory whose entries are synchronous -> each of their changes is committed', async (t) => {
  const rig = new Rig()
  const dir = rig.fs.mkdir(rig.fs.root, Buffer.from('d'), 0o755, { uid: 0, gid: 0 })
  const root = 1
  const changes = (of: number, to: number): [number, number, ...Part[]][] => [
    [Opcode.MKNOD, of, 0o100644, 0, 0, 0, 'n'],
    [Opcode.CREATE, of, 0o101, 0o100644, 0, 0, 'c'],
    [Opcode.MKDIR, of, 0o755, 0, 'm'],
    [Opcode.SYMLINK, of, 's', 'target'],
    [Opcode.RENAME, of, BigInt(to), 'n', 'r'],
    [Opcode.RENAME2, to, BigInt(of), 0, 0, 'r', 'n'],
    [Opcode.UNLINK, of, 'n'],
    [Opcode.RMDIR, of, 'm'],
  ]
  for (const change of changes(dir, root)) t.same(demanded(rig, change), [], `${change[0]}`)
  rig.call(Opcode.UNLINK, { nodeid: dir }, 'c')
  rig.call(Opcode.UNLINK, { nodeid: dir }, 's')
  rig.fs.synchronousEntries.add(dir)
  for (const change of changes(dir, root)) t.same(demanded(rig, change), ['commit'], `${change[0]}`)
})

t.test('a reply waits for what it demands, whole; others are answered meanwhile', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', '01234567')
  rig.fs.synchronousEntries.add(rig.fs.root)
  rig.fs.syncs = []
  const before = rig.channel.replies.length
  rig.send(Opcode.MKNOD, { unique: 7n }, 0o100644, 0, 0, 0, 'new')
  t.equal(rig.channel.replies.length, before, 'no reply yet')
  t.equal(rig.session.pending, 1)
  rig.send(Opcode.READ, { nodeid: ino, unique: 8n }, 0n, 0n, 8, 0, 0n, 0, 0)
  t.match(rig.channel.replies.at(-1), { unique: 8n, error: 0 })
  ;(rig.fs.syncs[0] as Completion).complete()
  while (rig.session.pending > 0) await null
  const { unique, error, payload } = rig.channel.replies.at(-1)!
  t.same([unique, error, payload.byteLength], [7n, 0, 128])
  t.equal(Number(payload.getBigUint64(0, true)), rig.fs.lookup(rig.fs.root, Buffer.from('new')))
})

t.test('what cannot be made durable -> EIO', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.fs.syncs = []
  rig.send(Opcode.WRITE, { nodeid: ino, unique: 9n }, ...(write(ino, O_SYNC).slice(2) as Part[]))
  ;(rig.fs.syncs[0] as Completion).fail(new FsError('EIO'))
  while (rig.session.pending > 0) await null
  t.match(rig.channel.replies.at(-1), { unique: 9n, error: -E.EIO })
})

t.test('a change that failed -> nothing is demanded', async (t) => {
  const rig = new Rig()
  rig.fs.synchronousEntries.add(rig.fs.root)
  const before = rig.fs.calls.length
  t.equal(rig.call(Opcode.UNLINK, {}, 'missing').error, -E.ENOENT)
  t.same(rig.fs.calls.slice(before), [])
})

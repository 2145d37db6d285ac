import t from 'tap'
import { Completion } from '../../lib/completion.js'
import { E, FsError } from '../../lib/errno.js'
import { Opcode } from '../../src/fuse/abi/opcode.js'
import { message, Rig } from './scripted-channel.js'

const { FSYNC, GETATTR, LOOKUP, MKDIR, OPEN, READ, RELEASE, SETATTR, WRITE } = Opcode

t.test('unique: all 64 bits come back', async (t) => {
  const rig = new Rig()
  const unique = 0xfedc_ba98_7654_3211n
  t.equal(rig.call(GETATTR, { unique }, 0, 0, 0n).unique, unique)
})

t.test('unknown opcode -> ENOSYS', async (t) => {
  const rig = new Rig()
  t.equal(rig.call(4097, {}).error, -E.ENOSYS)
  t.equal(rig.call(19, {}).error, -E.ENOSYS)
})

t.test('ENOSYS: never for what must work', async (t) => {
  const rig = new Rig()
  const remembered = ['FLUSH', 'POLL', 'OPENDIR']
  const absent = ['GETLK', 'SETLK', 'SETLKW', 'NOTIFY_REPLY', 'SETUPMAPPING', 'REMOVEMAPPING']
  for (const opcode of Object.values(Opcode)) {
    rig.send(opcode, { unique: BigInt(opcode) }, 'a', new Uint8Array(120))
  }
  const refused = Object.entries(Opcode)
    .filter(([, opcode]) =>
      rig.channel.replies.some((r) => r.unique === BigInt(opcode) && r.error === -E.ENOSYS),
    )
    .map(([name]) => name)
  t.same(refused.sort(), [...remembered, ...absent].sort())
})

t.test('request shorter than its structure -> EINVAL', async (t) => {
  const rig = new Rig()
  t.equal(rig.call(SETATTR, {}, 0, 0).error, -E.EINVAL)
})

t.test('FsError: its errno is replied', async (t) => {
  const rig = new Rig()
  t.equal(rig.call(GETATTR, { nodeid: 99 }, 0, 0, 0n).error, -E.ENOENT)
  t.same(rig.reports, [])
  t.equal(rig.session.statistics.errors, 1)
})

t.test('other errors: EIO, and reported', async (t) => {
  const rig = new Rig()
  const fault = new TypeError('fault')
  rig.fs.getattr = () => {
    throw fault
  }
  t.equal(rig.call(GETATTR, {}, 0, 0, 0n).error, -E.EIO)
  t.same(rig.reports, [fault])
})

t.test('receive: errno -> state of the session', async (t) => {
  const rig = new Rig()
  const states: [number, string][] = [
    [-E.EAGAIN, 'empty'],
    [-E.EINTR, 'served'],
    [-E.ENOENT, 'served'],
    [-E.ENODEV, 'ended'],
    [-E.ECONNABORTED, 'ended'],
    [0, 'ended'],
  ]
  for (const [result, state] of states) {
    rig.channel.requests.push(result)
    t.equal(rig.session.serveOne(), state, `${result}`)
  }
  rig.channel.requests.push(-E.EINVAL)
  t.throws(() => rig.session.serveOne(), { code: 'EINVAL', syscall: 'read' })
})

t.test('reply refused: ENOENT after an abort is nobody’s fault, EINVAL is ours', async (t) => {
  const rig = new Rig()
  rig.channel.refusal = -E.ENOENT
  rig.send(GETATTR, {}, 0, 0, 0n)
  t.same(rig.reports, [])
  rig.channel.refusal = -E.EINVAL
  rig.send(GETATTR, {}, 0, 0, 0n)
  t.match(rig.reports, [{ code: 'EINVAL', syscall: 'writev' }])
  t.equal(rig.session.statistics.refusedReplies, 2)
})

t.test('fsync waiting: others are served meanwhile, replies go to their own requests', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', 'hello')
  rig.fs.syncs = []
  const before = rig.channel.replies.length
  t.equal(rig.send(FSYNC, { nodeid: ino, unique: 10n }, 0n, 1, 0), before)
  t.equal(rig.send(FSYNC, { nodeid: ino, unique: 11n }, 0n, 0, 0), before)
  t.equal(rig.session.pending, 2)
  t.equal(rig.call(READ, { nodeid: ino, unique: 12n }, 0n, 0n, 100, 0, 0n, 0, 0).bytes.toString(), 'hello')
  rig.fs.syncs[1]!.complete()
  await rig.fs.syncs[1]!.promise
  rig.fs.syncs[0]!.fail(new FsError('EIO'))
  await rig.fs.syncs[0]!.promise.catch(() => {})
  const replies = rig.channel.replies.slice(before).map(({ unique, error }) => [unique, error])
  t.same(replies, [
    [12n, 0],
    [11n, 0],
    [10n, -E.EIO],
  ])
  t.equal(rig.session.pending, 0)
  t.same(rig.fs.calls, [`fsync ${ino} true`, `fsync ${ino} false`])
  t.equal(rig.session.statistics.syncs, 2)
})

t.test('not ready: the request is kept while its buffer is used by others', async (t) => {
  const rig = new Rig()
  const room = new Completion()
  rig.fs.waits.push(room.promise)
  const before = rig.channel.replies.length
  rig.send(MKDIR, { unique: 20n }, 0o777, 0o022, 'kept')
  t.equal(rig.session.pending, 1)
  rig.call(LOOKUP, { unique: 21n }, 'a-much-longer-name-than-that-of-the-directory')
  t.equal(rig.fs.lookup(2, Buffer.from('kept')), undefined)
  room.complete()
  await room.promise
  t.ok(rig.fs.lookup(2, Buffer.from('kept')))
  const uniques = rig.channel.replies.slice(before).map(({ unique }) => unique)
  t.same(uniques, [21n, 20n])
  t.equal(rig.session.pending, 0)
  t.equal(rig.session.statistics.postponed, 1)
})

t.test('not ready, and then read-only: EROFS', async (t) => {
  const rig = new Rig()
  const room = new Completion()
  rig.fs.waits.push(room.promise)
  rig.send(MKDIR, { unique: 20n }, 0o777, 0o022, 'kept')
  room.fail(new FsError('EROFS'))
  await room.promise.catch(() => {})
  t.match(rig.channel.replies.at(-1), { unique: 20n, error: -E.EROFS })
  t.equal(rig.session.pending, 0)
})

t.test('not ready twice: asked again before it starts', async (t) => {
  const rig = new Rig()
  const rooms = [new Completion(), new Completion()]
  rig.fs.waits.push(...rooms.map(({ promise }) => promise))
  rig.send(MKDIR, { unique: 20n }, 0o777, 0o022, 'kept')
  rooms[0]!.complete()
  await rooms[0]!.promise
  t.equal(rig.session.pending, 1)
  rooms[1]!.complete()
  await rooms[1]!.promise
  t.match(rig.channel.replies.at(-1), { unique: 20n, error: 0 })
})

t.test('read-only file system: reading does not ask whether it is ready', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', 'hello')
  rig.fs.readOnly = true
  t.equal(rig.call(OPEN, { nodeid: ino }, 0, 0).error, 0)
  t.equal(rig.call(READ, { nodeid: ino }, 0n, 0n, 100, 0, 0n, 0, 0).error, 0)
  t.equal(rig.call(RELEASE, { nodeid: ino }, 0n, 0, 0, 0n).error, 0)
  t.equal(rig.call(WRITE, { nodeid: ino }, 0n, 0n, 1, 0, 0n, 0, 0, new Uint8Array(1)).error, -E.EROFS)
  t.equal(rig.call(OPEN, { nodeid: ino }, 0o1001, 0).error, -E.EROFS)
})

t.test('statistics: requests by name', async (t) => {
  const rig = new Rig()
  rig.call(LOOKUP, {}, 'a')
  rig.call(LOOKUP, {}, 'b')
  rig.call(4097, {})
  t.same(rig.session.statistics.byName(), { INIT: 1, LOOKUP: 2, 'opcode 0': 1 })
})

t.test('rig: a message is laid out as fuse_in_header says', async (t) => {
  const bytes = message(LOOKUP, { nodeid: 5, unique: 6n, uid: 7, gid: 8 }, 'a')
  t.equal(Buffer.from(bytes.subarray(0, 16)).toString('hex'), '2a000000010000000600000000000000')
})

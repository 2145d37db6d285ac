import t from 'tap'
import { Completion } from '../../../lib/completion.js'
import { E, FsError } from '../../../lib/errno.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { Rig } from '../scripted-channel.js'

const { BMAP, CREATE, FALLOCATE, LSEEK, OPEN, READ, RELEASE, SYNCFS, WRITE } = Opcode
const DIRECT_IO = 1
const KEEP_CACHE = 2
const PARALLEL = 64
const CACHE = 1
const KILL_SUIDGID = 4

const write = (rig: Rig, nodeid: number, offset: number, data: Uint8Array, flags = 0) =>
  rig.call(WRITE, { nodeid }, 0n, BigInt(offset), data.length, flags, 0n, 0, 0, data)

const openFlags = (rig: Rig, nodeid: number) => rig.call(OPEN, { nodeid }, 0, 0).payload.getUint32(8, true)

t.test('OPEN: flags by DAX mode', async (t) => {
  const rigs = [
    new Rig(),
    new Rig({ dax: 'never' }),
    new Rig({ dax: 'inode', isDax: () => true }),
    new Rig({ dax: 'inode', isDax: () => false }),
  ]
  const direct = DIRECT_IO | KEEP_CACHE | PARALLEL
  const flags = rigs.map((rig) => openFlags(rig, rig.fs.addFile('a')))
  t.same(flags, [direct, KEEP_CACHE, direct, KEEP_CACHE])
})

t.test('OPEN with O_TRUNC: truncates, set-id bits as asked; the reply waits for it', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', 'content')
  rig.call(OPEN, { nodeid: ino }, 0o1001, 1)
  t.equal(rig.fs.calls.at(-1), `setattr ${ino} {"size":0,"killPrivileges":true}`)
  rig.fs.slow = new Completion()
  const before = rig.send(OPEN, { nodeid: ino, unique: 9n }, 0o1001, 0)
  t.equal(rig.session.pending, 1)
  rig.fs.slow.complete()
  while (rig.session.pending > 0) await null
  t.equal(rig.channel.replies.length, before + 1)
  const { unique, payload } = rig.channel.replies.at(-1)!
  t.same(
    [unique, payload.byteLength, payload.getUint32(8, true)],
    [9n, 16, DIRECT_IO | KEEP_CACHE | PARALLEL],
  )
})

t.test('OPEN, RELEASE: no user of the inode is added or taken', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.call(OPEN, { nodeid: ino }, 0, 0)
  t.equal(rig.call(RELEASE, { nodeid: ino }, 0n, 0, 0, 0n).error, 0)
  t.equal(rig.fs.node(ino).users, 0)
})

t.test('CREATE: entry and open flags in one', async (t) => {
  const { payload } = new Rig().call(CREATE, {}, 0o101, 0o100644, 0, 0, 'new')
  t.equal(payload.byteLength, 144)
  t.equal(payload.getUint32(128 + 8, true), DIRECT_IO | KEEP_CACHE | PARALLEL)
})

t.test('READ: the bytes asked for, fewer at the end', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', '0123456789')
  const read = (offset: bigint, size: number) =>
    rig.call(READ, { nodeid: ino }, 0n, offset, size, 0, 0n, 0, 0)
  t.equal(read(2n, 3).bytes.toString(), '234')
  t.equal(read(8n, 100).bytes.toString(), '89')
  t.same([read(10n, 5).error, read(10n, 5).bytes.length], [0, 0])
})

t.test('WRITE: stored at the offset, count replied', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', '0123456789')
  const { error, payload } = write(rig, ino, 8, Buffer.from('abcd'))
  t.same([error, payload.byteLength, payload.getUint32(0, true)], [0, 8, 4])
  t.equal(Buffer.from(rig.fs.node(ino).data).toString(), '01234567abcd')
  t.same(rig.fs.calls, [`write ${ino} 8 4 false`])
  t.equal(rig.session.statistics.written, 4)
})

t.test('WRITE of 1 MiB: all of it arrives', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  const data = Buffer.from(Uint32Array.from({ length: 1 << 18 }, (_, i) => i).buffer)
  t.equal(write(rig, ino, 0, data).payload.getUint32(0, true), 1 << 20)
  t.ok(Buffer.from(rig.fs.node(ino).data).equals(data))
})

t.test('WRITE longer than its request -> EINVAL', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  t.equal(rig.call(WRITE, { nodeid: ino }, 0n, 0n, 100, 0, 0n, 0, 0, Buffer.from('short')).error, -E.EINVAL)
})

t.test('WRITE from the page cache: times are kept only when the kernel keeps them', async (t) => {
  for (const dax of ['always', 'never'] as const) {
    const rig = new Rig({ dax })
    const ino = rig.fs.addFile('a')
    write(rig, ino, 0, Buffer.from('x'), CACHE)
    t.same(rig.fs.calls, [`write ${ino} 0 1 ${dax === 'never'}`])
  }
})

t.test('WRITE stored in parts: goes on until all is stored', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.fs.writeLimit = 3
  t.equal(write(rig, ino, 0, Buffer.from('abcdefgh')).payload.getUint32(0, true), 8)
  t.equal(Buffer.from(rig.fs.node(ino).data).toString(), 'abcdefgh')
})

t.test('WRITE waiting for the journal half way: the rest is kept, then stored', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', '')
  const rooms = [new Completion(), new Completion()]
  rig.fs.waits.push(undefined, rooms[0]!.promise, rooms[1]!.promise)
  rig.fs.writeLimit = 3
  rig.send(WRITE, { nodeid: ino, unique: 4n }, 0n, 0n, 8, 0, 0n, 0, 0, Buffer.from('abcdefgh'))
  t.equal(rig.session.pending, 1)
  rig.call(Opcode.LOOKUP, {}, 'overwrites the request buffer with other bytes')
  for (const room of rooms) room.complete()
  while (rig.session.pending > 0) await null
  const reply = rig.channel.replies.at(-1)!
  t.same([reply.unique, reply.error, reply.payload.getUint32(0, true)], [4n, 0, 8])
  t.equal(Buffer.from(rig.fs.node(ino).data).toString(), 'abcdefgh')
})

t.test(
  'WRITE: no space after a part -> short count; at once -> the error; of cached pages -> the error',
  async (t) => {
    const rig = new Rig()
    const ino = rig.fs.addFile('a')
    const full = new FsError('ENOSPC')
    rig.fs.writeLimit = 3
    rig.fs.writeErrors.push(undefined, full)
    t.equal(write(rig, ino, 0, Buffer.from('abcdefgh')).payload.getUint32(0, true), 3)
    rig.fs.writeErrors.push(full)
    t.equal(write(rig, ino, 0, Buffer.from('abcdefgh')).error, -E.ENOSPC)
    rig.fs.writeErrors.push(undefined, full)
    t.equal(write(rig, ino, 0, Buffer.from('abcdefgh'), CACHE).error, -E.ENOSPC)
  },
)

t.test('WRITE: an error after waiting -> short count', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  const room = new Completion()
  rig.fs.waits.push(undefined, room.promise)
  rig.fs.writeLimit = 3
  rig.send(WRITE, { nodeid: ino, unique: 4n }, 0n, 0n, 8, 0, 0n, 0, 0, Buffer.from('abcdefgh'))
  room.fail(new FsError('EROFS'))
  while (rig.session.pending > 0) await null
  const reply = rig.channel.replies.at(-1)!
  t.same([reply.unique, reply.error, reply.payload.getUint32(0, true)], [4n, 0, 3])
})

t.test('WRITE without progress -> EIO, not a loop', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.fs.writeLimit = 0
  t.equal(write(rig, ino, 0, Buffer.from('abc')).error, -E.EIO)
})

t.test('WRITE of an unprivileged caller: set-id bits fall, once', async (t) => {
  const cases: [number, number][] = [
    [0o4755, 0o0755],
    [0o2755, 0o0755],
    [0o2745, 0o2745],
    [0o0755, 0o0755],
  ]
  for (const [before, after] of cases) {
    const rig = new Rig()
    const ino = rig.fs.addFile('a', '', before)
    rig.fs.node(ino).attributes.gid = 1001
    write(rig, ino, 0, Buffer.from('x'), KILL_SUIDGID)
    write(rig, ino, 0, Buffer.from('x'), KILL_SUIDGID)
    t.equal(rig.fs.node(ino).attributes.mode & 0o7777, after)
    const changes = rig.fs.calls.filter((call) => call.startsWith('setattr'))
    t.equal(changes.length, before === after ? 0 : 1)
  }
})

t.test('FALLOCATE: passed on; the reply waits', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  t.equal(rig.call(FALLOCATE, { nodeid: ino }, 0n, 4096n, 1n << 40n, 3, 0).error, 0)
  t.equal(rig.fs.calls.at(-1), `fallocate ${ino} 3 4096 ${2 ** 40}`)
  rig.fs.slow = new Completion()
  const before = rig.send(FALLOCATE, { nodeid: ino }, 0n, 0n, 1n, 0, 0)
  t.equal(rig.session.pending, 1)
  rig.fs.slow.complete()
  while (rig.session.pending > 0) await null
  t.equal(rig.channel.replies.length, before + 1)
})

t.test('LSEEK: data and hole, ENXIO past the end, EINVAL for what the kernel does itself', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', '0123456789')
  const lseek = (offset: bigint, whence: number) => rig.call(LSEEK, { nodeid: ino }, 0n, offset, whence, 0)
  t.equal(lseek(3n, 3).payload.getBigUint64(0, true), 3n)
  t.equal(lseek(3n, 4).payload.getBigUint64(0, true), 10n)
  t.equal(lseek(10n, 3).error, -E.ENXIO)
  t.equal(lseek(0n, 2).error, -E.EINVAL)
})

t.test('SYNCFS: the whole file system', async (t) => {
  const rig = new Rig()
  t.equal(rig.call(SYNCFS, {}, 0n).error, 0)
  rig.fs.syncs = []
  const before = rig.send(SYNCFS, {}, 0n)
  t.equal(rig.session.pending, 1)
  rig.fs.syncs[0]!.complete()
  while (rig.session.pending > 0) await null
  t.equal(rig.channel.replies.length, before + 1)
  t.same(rig.fs.calls, ['syncfs', 'syncfs'])
})

t.test('BMAP: blocks of the size that is asked about; 0: a hole', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a')
  const bmap = (block: number, blocksize: number) => {
    const { error, payload } = rig.call(BMAP, { nodeid }, BigInt(block), blocksize, 0)
    return error === 0 ? Number(payload.getBigUint64(0, true)) : error
  }
  t.equal(bmap(2, 4096), nodeid * 100 + 2)
  t.equal(bmap(3, 4096), 0)
  t.equal(bmap(9, 1024), (nodeid * 100 + 2) * 4 + 1)
  t.equal(bmap(12, 1024), 0)
  t.equal(bmap(0, 0), -E.EINVAL)
})

t.test('WRITE by one who loses set-id bits: the group may be one of those beside the main one', async (t) => {
  const rig = new Rig({ groupsOf: (pid) => (pid === 77 ? [500, 501] : []) })
  const modeAfter = (mode: number, gid: number): string => {
    const nodeid = rig.fs.addFile(`${mode} ${gid}`, '', mode)
    rig.fs.node(nodeid).attributes.gid = gid
    t.equal(write(rig, nodeid, 0, Buffer.from('x'), KILL_SUIDGID).error, 0)
    const killed = rig.fs.calls.some((call) => call.startsWith(`setattr ${nodeid} `))
    return killed ? 'killed' : 'kept'
  }
  t.equal(modeAfter(0o2644, 501), 'kept')
  t.equal(modeAfter(0o2644, 1001), 'kept')
  t.equal(modeAfter(0o2644, 502), 'killed')
  t.equal(modeAfter(0o2754, 501), 'killed')
  t.equal(modeAfter(0o4644, 501), 'killed')
  t.equal(modeAfter(0o644, 502), 'kept')
})

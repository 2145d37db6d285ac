import t from 'tap'
import { E, FsError } from '../../../lib/errno.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { Rig } from '../scripted-channel.js'

const { IOCTL, OPEN } = Opcode
const GETFLAGS = 0x80086601
const SETFLAGS = 0x40086602
const FSGETXATTR = 0x801c581f
const FSSETXATTR = 0x401c5820
const FITRIM = 0xc0185879
const GETFSLABEL = 0x81009431
const SETFSLABEL = 0x41009432
const SHUTDOWN = 0x8004587d
const APPEND_FL = 0x20
const IMMUTABLE_FL = 0x10
const NODUMP_FL = 0x40

/** An ioctl with `input`, and room for `outSize` bytes. */
function ioctl(rig: Rig, nodeid: number, command: number, outSize: number, input = words()) {
  return rig.call(IOCTL, { nodeid }, 0n, 0, command, 0n, input.length, outSize, input)
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(values).buffer)
}

t.test('SETFLAGS, GETFLAGS: the project id stays; room that is not needed is zero', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.fs.setFileAttr(ino, { flags: 0, projectId: 7 })
  t.equal(ioctl(rig, ino, SETFLAGS, 0, words(APPEND_FL)).error, 0)
  t.same(rig.fs.getFileAttr(ino), { flags: APPEND_FL, projectId: 7 })
  const [notice] = rig.channel.notifications
  t.same(
    [notice?.error, notice?.payload.getBigUint64(0, true)],
    [2, BigInt(ino)],
    'the change time is asked for again',
  )
  const { bytes } = ioctl(rig, ino, GETFLAGS, 8)
  t.equal(bytes.toString('hex'), `${'00'.repeat(16)}2000000000000000`)
  t.equal(ioctl(rig, ino, GETFLAGS, 4).bytes.length, 20)
})

t.test('SETFLAGS without all of its argument -> EINVAL', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  t.equal(ioctl(rig, ino, SETFLAGS, 0, words().slice(0, 3)).error, -E.EINVAL)
  t.equal(rig.call(IOCTL, { nodeid: ino }, 0n, 0, SETFLAGS, 0n, 4, 0).error, -E.EINVAL)
  t.equal(ioctl(rig, ino, FSSETXATTR, 0, words(0, 0, 0)).error, -E.EINVAL)
})

t.test('FSSETXATTR, FSGETXATTR: flags in their other form, those without one stay', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.fs.setFileAttr(ino, { flags: 0x80000 | APPEND_FL, projectId: 0 })
  t.equal(ioctl(rig, ino, FSSETXATTR, 0, words(0x80, 0, 0, 5, 0, 0, 0)).error, 0)
  t.same(rig.fs.getFileAttr(ino), { flags: 0x80000 | NODUMP_FL, projectId: 5 })
  const { payload } = ioctl(rig, ino, FSGETXATTR, 28)
  t.same([payload.byteLength, payload.getUint32(16, true), payload.getUint32(28, true)], [44, 0x80, 5])
  t.equal(ioctl(rig, ino, FSSETXATTR, 0, words(0x2, 0, 0, 0, 0, 0, 0)).error, -E.EOPNOTSUPP)
})

t.test('FITRIM: root -> what was trimmed; others -> EPERM; half an argument -> EINVAL', async (t) => {
  const rig = new Rig()
  const range = new Uint8Array(new BigUint64Array([4096n, 2n ** 64n - 1n, 100n]).buffer)
  rig.send(IOCTL, { uid: 0, unique: 3n }, 0n, 0, FITRIM, 0n, 24, 24, range)
  await null
  const { error, payload } = rig.channel.replies.at(-1)!
  t.equal(error, 0)
  t.same(
    [16, 24, 32].map((at) => payload.getBigUint64(at, true)),
    [4096n, 12288n, 4096n],
  )
  t.same(rig.fs.calls, [`trim 4096 ${2 ** 64} 100`])
  t.equal(ioctl(rig, 1, FITRIM, 24, range).error, -E.EPERM)
  t.equal(rig.call(IOCTL, { uid: 0 }, 0n, 0, FITRIM, 0n, 16, 24, range).error, -E.EINVAL)
})

t.test('GETVERSION -> the generation; others -> ENOTTY', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  t.equal(ioctl(rig, ino, 0x80087601, 8).payload.getUint32(16, true), ino * 7)
  t.equal(ioctl(rig, ino, 0x5401, 0).error, -E.ENOTTY)
})

t.test('changing ioctls: read-only -> EROFS', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.fs.readOnly = true
  t.equal(ioctl(rig, ino, SETFLAGS, 0, words(0)).error, -E.EROFS)
  t.equal(ioctl(rig, ino, GETFLAGS, 4).error, 0)
})

t.test('OPEN: immutable -> EPERM to write; append-only -> EPERM but to append', async (t) => {
  const [O_RDONLY, O_WRONLY, O_RDWR, O_TRUNC, O_APPEND] = [0, 1, 2, 0o1000, 0o2000]
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a')
  const codes = () =>
    [O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND | O_TRUNC].map(
      (flags) => rig.call(OPEN, { nodeid }, flags, 0).error,
    )
  const EPERM = -E.EPERM
  t.same(codes(), [0, 0, 0, 0, 0, 0])
  rig.fs.setFileAttr(nodeid, { flags: IMMUTABLE_FL, projectId: 0 })
  t.same(codes(), [0, EPERM, EPERM, EPERM, EPERM, EPERM])
  rig.fs.setFileAttr(nodeid, { flags: APPEND_FL, projectId: 0 })
  t.same(codes(), [0, EPERM, EPERM, 0, EPERM, EPERM])
})

t.test('GETFSLABEL, SETFSLABEL: by root only, with all of the argument', async (t) => {
  const rig = new Rig()
  const argument = Buffer.alloc(256)
  argument.write('new')
  t.equal(ioctl(rig, 1, GETFSLABEL, 256).bytes.toString('latin1', 16), `tiny${'\0'.repeat(252)}`)
  t.equal(ioctl(rig, 1, SETFSLABEL, 0, argument).error, -E.EPERM)
  t.equal(rig.call(IOCTL, { uid: 0 }, 0n, 0, SETFSLABEL, 0n, 255, 0, argument).error, -E.EINVAL)
  t.equal(rig.call(IOCTL, { uid: 0 }, 0n, 0, SETFSLABEL, 0n, 256, 0, argument).error, 0)
  t.equal(Buffer.from(rig.fs.label).toString(), 'new')
  rig.fs.readOnly = true
  t.equal(rig.call(IOCTL, { uid: 0 }, 0n, 0, SETFSLABEL, 0n, 256, 0, argument).error, -E.EROFS)
})

t.test('EXT4_IOC_SHUTDOWN: the flags stand in the memory of the caller', async (t) => {
  const asked: unknown[] = []
  let flags = 1
  const callerMemory = async (...where: number[]): Promise<Uint8Array> => {
    asked.push(where)
    if (flags > 9) throw new FsError('EFAULT')
    return words(flags)
  }
  const rig = new Rig({ callerMemory })
  const shutDown = async (uid = 0): Promise<number> => {
    rig.send(IOCTL, { uid, unique: 5n }, 0n, 0, SHUTDOWN, 0x7fff12345678n, 0, 4)
    while (rig.session.pending > 0) await null
    return rig.channel.replies.at(-1)?.error ?? 1
  }
  t.equal(await shutDown(1000), -E.EPERM)
  t.equal(await shutDown(), 0)
  t.same(asked, [[77, 0x7fff12345678, 4]])
  flags = 0
  t.equal(await shutDown(), 0)
  flags = 3
  t.equal(await shutDown(), -E.EINVAL)
  flags = 10
  t.equal(await shutDown(), -E.EFAULT)
  t.same(rig.fs.calls, ['shutDown logflush', 'shutDown default'])
  const blind = new Rig()
  blind.send(IOCTL, { uid: 0, unique: 5n }, 0n, 0, SHUTDOWN, 1n, 0, 4)
  await null
  t.same(blind.fs.calls, ['shutDown nologflush'], 'the sooner the better when it cannot be known')
})

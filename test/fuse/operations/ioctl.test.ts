import t from 'tap'
import { E } from '../../../lib/errno.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { Rig } from '../scripted-channel.js'

const { IOCTL, OPEN } = Opcode
const GETFLAGS = 0x80086601
const SETFLAGS = 0x40086602
const FSGETXATTR = 0x801c581f
const FSSETXATTR = 0x401c5820
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

t.test('GETVERSION -> the generation; FITRIM -> EOPNOTSUPP; others -> ENOTTY', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  t.equal(ioctl(rig, ino, 0x80087601, 8).payload.getUint32(16, true), ino * 7)
  t.equal(ioctl(rig, ino, 0xc0185879, 24, new Uint8Array(24)).error, -E.EOPNOTSUPP)
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

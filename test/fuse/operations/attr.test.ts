import t from 'tap'
import { Completion } from '../../../lib/completion.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { type Reply, Rig } from '../scripted-channel.js'

const { ACCESS, GETATTR, SETATTR, STATFS, STATX } = Opcode

interface Setattr {
  size?: number
  times?: [bigint, bigint, bigint]
  nsecs?: [number, number, number]
  mode?: number
  uid?: number
  gid?: number
}

const setattr = (rig: Rig, nodeid: number, valid: number, fields: Setattr = {}): Reply => {
  const { size = 0, times = [0n, 0n, 0n], nsecs = [0, 0, 0], mode = 0, uid = 0, gid = 0 } = fields
  const tail = [...times, ...nsecs, mode, 0, uid, gid, 0]
  return rig.call(SETATTR, { nodeid }, valid, 0, 0n, BigInt(size), 0n, ...tail)
}

t.test('GETATTR of nodeid 1: inode 2, a directory', async (t) => {
  const { error, payload } = new Rig().call(GETATTR, {}, 0, 0, 0n)
  t.equal(error, 0)
  t.equal(payload.byteLength, 104)
  t.equal(payload.getBigUint64(0, true), 0xffff_ffffn, 'attr_valid')
  t.equal(payload.getBigUint64(16, true), 2n)
  t.equal(payload.getUint32(16 + 60, true), 0o040755)
})

t.test('SETATTR: each valid bit -> its field, others absent', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', '12345678')
  const cases: [number, Setattr, object][] = [
    [1 << 0, { mode: 0o104751 }, { mode: 0o4751 }],
    [1 << 1, { uid: 0xffff_fffe }, { uid: 0xffff_fffe }],
    [1 << 2, { gid: 8 }, { gid: 8 }],
    [1 << 3, { size: 4 }, { size: 4 }],
    [1 << 4, { times: [-1n, 0n, 0n], nsecs: [5, 0, 0] }, { atime: { sec: -1, nsec: 5 } }],
    [(1 << 4) | (1 << 7), {}, { atime: 'now' }],
    [1 << 5, { times: [0n, 1n << 33n, 0n], nsecs: [0, 6, 0] }, { mtime: { sec: 2 ** 33, nsec: 6 } }],
    [(1 << 5) | (1 << 8), {}, { mtime: 'now' }],
    [
      1 << 10,
      { times: [0n, 0n, 77n], nsecs: [0, 0, 7] },
      { ctime: { sec: 77, nsec: 7 }, killPrivileges: true },
    ],
    [(1 << 3) | (1 << 11), { size: 0 }, { size: 0, killPrivileges: true }],
    // chown(-1, -1)
    [(1 << 6) | (1 << 9), {}, { killPrivileges: true }],
  ]
  for (const [valid, fields, change] of cases) {
    const { error, payload } = setattr(rig, ino, valid, fields)
    t.same([error, payload.byteLength], [0, 104])
    t.equal(rig.fs.calls.at(-1), `setattr ${ino} ${JSON.stringify(change)}`)
  }
})

t.test('SETATTR of a size in several transactions: the reply waits and carries what became', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', '12345678')
  rig.fs.slow = new Completion()
  const before = rig.channel.replies.length
  setattr(rig, ino, 1 << 3, { size: 3 })
  t.equal(rig.channel.replies.length, before)
  rig.call(GETATTR, {}, 0, 0, 0n)
  rig.fs.slow.complete()
  while (rig.session.pending > 0) await null
  t.equal(rig.channel.replies.at(-1)!.payload.getBigUint64(16 + 8, true), 3n)
})

t.test('STATX: birth time and device numbers', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a', 'abc')
  const { attributes } = rig.fs.node(ino)
  attributes.btime = { sec: 123, nsec: 456 }
  attributes.rdev = 0x12f_f0034 & 0xfff_fffff
  const { error, payload } = rig.call(STATX, { nodeid: ino }, 0, 0, 0n, 0, 0xfff)
  t.equal(error, 0)
  t.equal(payload.byteLength, 288)
  t.equal(payload.getUint32(32, true), 0xfff, 'mask')
  t.equal(payload.getUint16(32 + 28, true), 0o100644)
  t.equal(payload.getBigUint64(32 + 32, true), BigInt(ino))
  t.equal(payload.getBigUint64(32 + 40, true), 3n)
  t.same([payload.getBigInt64(32 + 80, true), payload.getUint32(32 + 88, true)], [123n, 456])
  t.same([payload.getUint32(32 + 128, true), payload.getUint32(32 + 132, true)], [0xf00, 0x12f34])
})

t.test('STATFS: counts past 32 bits', async (t) => {
  const { payload } = new Rig().call(STATFS, {})
  t.equal(payload.byteLength, 80)
  const counts = [0, 8, 16, 24, 32].map((at) => Number(payload.getBigUint64(at, true)))
  t.same(counts, [5e9, 4e9, 3e9, 100, 90])
  t.same(
    [40, 44, 48].map((at) => payload.getUint32(at, true)),
    [4096, 255, 4096],
  )
})

t.test('ACCESS: the kernel decides', async (t) => {
  t.equal(new Rig().call(ACCESS, {}, 7, 0).error, 0)
})

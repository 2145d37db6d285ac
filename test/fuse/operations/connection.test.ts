import t from 'tap'
import { E } from '../../../lib/errno.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { Rig } from '../scripted-channel.js'

const { BATCH_FORGET, DESTROY, INIT, LOOKUP, OPENDIR } = Opcode
const OFFERED = 0x73fffffb
const OFFERED2 = 0x5fd
const rest = new Uint8Array(44)

const u32 = (view: DataView, at: number) => view.getUint32(at, true)
const u16 = (view: DataView, at: number) => view.getUint16(at, true)

t.test('INIT: 7.45 -> all that is wanted, 1 MiB requests', async (t) => {
  const rig = new Rig({ init: false })
  const { error, payload } = rig.call(INIT, {}, 7, 45, 131072, OFFERED, OFFERED2, rest)
  t.equal(error, 0)
  t.equal(payload.byteLength, 64)
  t.equal(u32(payload, 0), 7)
  t.equal(u32(payload, 4), 45)
  t.equal(u32(payload, 8), 131072)
  const bits = [0, 3, 4, 5, 6, 13, 14, 15, 18, 20, 21, 22, 23, 24, 25, 28, 29, 30]
  t.equal(
    u32(payload, 12),
    bits.reduce((sum, bit) => sum + 2 ** bit, 0),
  )
  t.equal(u32(payload, 20), 1 << 20, 'max_write')
  t.equal(u32(payload, 24), 1, 'time_gran')
  t.equal(u16(payload, 28), 256, 'max_pages')
  t.equal(u32(payload, 32), (1 << 4) | (1 << 2), 'DIRECT_IO_ALLOW_MMAP, CREATE_SUPP_GROUP')
})

t.test('INIT: dax never -> write-back cache; inode -> not', async (t) => {
  const flags = (['never', 'inode'] as const).map((dax) => {
    const rig = new Rig({ init: false, dax })
    return u32(rig.call(INIT, {}, 7, 45, 0, OFFERED, OFFERED2, rest).payload, 12) & (1 << 16)
  })
  t.same(flags, [1 << 16, 0])
})

t.test('INIT: 7.31 and its short structure -> 7.31, nothing that was not offered', async (t) => {
  const rig = new Rig({ init: false })
  const { error, payload } = rig.call(INIT, {}, 7, 31, 131072, 0x01)
  t.equal(error, 0)
  t.equal(u32(payload, 4), 31)
  t.equal(u32(payload, 12), 1)
  t.equal(u32(payload, 32), 0)
})

t.test('INIT: older than 7.31 -> EPROTO; a later major version -> ours, to be asked again', async (t) => {
  const rig = new Rig({ init: false })
  t.equal(rig.call(INIT, {}, 7, 30, 0, 0).error, -E.EPROTO)
  t.equal(rig.call(INIT, {}, 6, 99, 0, 0).error, -E.EPROTO)
  const { error, payload } = rig.call(INIT, {}, 8, 0, 0, 0)
  t.same([error, u32(payload, 0), u32(payload, 12)], [0, 7, 0])
})

t.test('OPENDIR: answered by flags when the kernel cannot do without', async (t) => {
  const rig = new Rig({ init: false })
  rig.call(INIT, {}, 7, 31, 0, 1)
  const { error, payload } = rig.call(OPENDIR, {}, 0, 0)
  t.same([error, payload.byteLength, u32(payload, 8)], [0, 16, (1 << 1) | (1 << 3)])
  t.equal(new Rig().call(OPENDIR, {}, 0, 0).error, -E.ENOSYS)
})

t.test('DESTROY: inodes given back, unmounted, then the reply', async (t) => {
  const order: string[] = []
  const rig = new Rig({
    unmount: async () => {
      order.push(`unmount with ${rig.fs.node(ino).users} users`)
    },
  })
  const ino = rig.fs.addFile('a')
  rig.call(LOOKUP, {}, 'a')
  rig.call(LOOKUP, {}, 'a')
  const before = rig.channel.replies.length
  rig.send(DESTROY, { unique: 5n })
  t.equal(rig.channel.replies.length, before)
  t.equal(rig.session.destroyed, false)
  while (rig.session.pending > 0) await null
  t.match(rig.channel.replies.at(-1), { unique: 5n, error: 0 })
  t.same(order, ['unmount with 0 users'])
  t.equal(rig.session.destroyed, true)
})

t.test('DESTROY: by default the file system is unmounted', async (t) => {
  const rig = new Rig()
  rig.send(DESTROY, { unique: 5n })
  while (rig.session.pending > 0) await null
  t.equal(rig.fs.unmounted, 1)
})

t.test('end without DESTROY: forgetAll gives all inodes back', async (t) => {
  const rig = new Rig()
  const inos = ['a', 'b'].map((name) => rig.fs.addFile(name))
  for (const name of ['a', 'b', 'a']) rig.call(LOOKUP, {}, name)
  t.equal(rig.session.knownInodes, 2)
  await rig.session.forgetAll()
  t.equal(rig.session.knownInodes, 0)
  t.same(
    inos.map((ino) => rig.fs.node(ino).users),
    [0, 0],
  )
  rig.send(BATCH_FORGET, {}, 1, 0, BigInt(inos[0]!), 1n)
  t.equal(rig.fs.node(inos[0]!).users, 0, 'what was forgotten already is not forgotten again')
})

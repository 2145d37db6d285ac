import t from 'tap'
import { Opcode } from '../../src/fuse/abi/opcode.js'
import { Rig } from './scripted-channel.js'

const { COPY_FILE_RANGE, GETATTR, INIT, LOOKUP, OPENDIR, READ, READDIR, READDIRPLUS, READLINK, SETATTR } =
  Opcode
const O_NOATIME = 0o1000000
const CACHE_SYMLINKS = 1 << 23
const NO_OPENDIR = 1 << 24

t.test('READ, READDIR, READDIRPLUS, READLINK: the inode was accessed, unless with O_NOATIME', async (t) => {
  const rig = new Rig()
  const file = rig.fs.addFile('a', 'x')
  const link = rig.fs.symlink(rig.fs.root, Buffer.from('l'), Buffer.from('a'), { uid: 0, gid: 0 })
  for (const flags of [0, O_NOATIME]) {
    for (const opcode of [READ, READDIR, READDIRPLUS])
      rig.call(opcode, { nodeid: opcode === READ ? file : 1 }, 0n, 0n, 4096, 0, 0n, flags, 0)
  }
  rig.call(READLINK, { nodeid: link })
  rig.call(GETATTR, { nodeid: file }, 0, 0, 0n)
  rig.call(LOOKUP, {}, 'a')
  t.same(rig.fs.accessed, [file, rig.fs.root, rig.fs.root, link])
})

t.test('READ that fails -> no access', async (t) => {
  const rig = new Rig()
  t.not(rig.call(READ, { nodeid: 4711 }, 0n, 0n, 4096, 0, 0n, 0, 0).error, 0)
  t.same(rig.fs.accessed, [])
})

t.test('READ: answered before the access time changes', async (t) => {
  const rig = new Rig()
  const file = rig.fs.addFile('a', 'x')
  const replies: number[] = []
  rig.fs.touchAtime = () => {
    replies.push(rig.channel.replies.length)
    return true
  }
  const before = rig.channel.replies.length
  rig.call(READ, { nodeid: file }, 0n, 0n, 4096, 0, 0n, 0, 0)
  t.same(replies, [before + 1])
})

t.test('COPY_FILE_RANGE: its source was accessed, and the kernel is told to ask', async (t) => {
  const rig = new Rig()
  const from = rig.fs.addFile('a', 'x')
  const to = rig.fs.addFile('b')
  rig.send(COPY_FILE_RANGE, { nodeid: from }, 0n, 0n, BigInt(to), 0n, 0n, 1n, 0n)
  while (rig.session.pending > 0) await null
  t.same(rig.fs.accessed, [from])
  const { payload } = rig.channel.notifications.at(-1)!
  t.equal(Number(payload.getBigUint64(0, true)), from)
})

t.test(
  'SETATTR of a directory: the kernel forgets its entries, so that the next reading is seen',
  async (t) => {
    const rig = new Rig()
    const dir = rig.fs.mkdir(rig.fs.root, Buffer.from('d'), 0o755, { uid: 0, gid: 0 })
    const file = rig.fs.addFile('a')
    const change = [1, 0, 0n, 0n, 0n, 0n, 0n, 0n, 0, 0, 0, 0o700, 0, 0, 0, 0]
    rig.call(SETATTR, { nodeid: file }, ...change)
    t.equal(rig.channel.notifications.length, 0)
    rig.call(SETATTR, { nodeid: dir }, ...change)
    const { payload } = rig.channel.notifications.at(-1)!
    t.same([payload.getBigUint64(0, true), payload.getBigInt64(8, true)], [BigInt(dir), 0n])
  },
)

t.test('strictatime: targets of symlinks and entries of directories are not cached', async (t) => {
  const flagsOf = (rig: Rig) =>
    rig.call(INIT, {}, 7, 45, 131072, 0x73fffffb, 0x5fd, new Uint8Array(44)).payload.getUint32(12, true)
  const cached = CACHE_SYMLINKS | NO_OPENDIR
  t.equal(flagsOf(new Rig({ init: false })) & cached, cached)
  const strict = new Rig({ init: false, strictatime: true })
  t.equal(flagsOf(strict) & cached, 0)
  const { error, payload } = strict.call(OPENDIR, {}, 0, 0)
  t.same([error, payload.getUint32(8, true)], [0, 0])
})

import t from 'tap'
import { FsError } from '../../../lib/errno.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { Rig } from '../scripted-channel.js'

const { FSYNCDIR, READDIR, READDIRPLUS, RELEASEDIR } = Opcode

interface Listed {
  nodeid: number
  ino: number
  next: bigint
  name: string
  type: number
}

/** Reads one reply's records; `before`: bytes before each dirent. */
const list = (rig: Rig, cookie: bigint, size: number, opcode: number): Listed[] => {
  const before = opcode === READDIRPLUS ? 128 : 0
  const { bytes, payload } = rig.call(opcode, {}, 0n, cookie, size, 0, 0n, 0, 0)
  const listed: Listed[] = []
  for (let at = 0; at < bytes.length; ) {
    const dirent = at + before
    const length = payload.getUint32(dirent + 16, true)
    listed.push({
      nodeid: before === 0 ? 0 : Number(payload.getBigUint64(at, true)),
      ino: Number(payload.getBigUint64(dirent, true)),
      next: payload.getBigUint64(dirent + 8, true),
      name: bytes.toString('latin1', dirent + 24, dirent + 24 + length),
      type: payload.getUint32(dirent + 20, true),
    })
    at = dirent + Math.ceil((24 + length) / 8) * 8
  }
  return listed
}

t.test('READDIR: all entries, types, cookies of 64 bits', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('eight888')
  const listed = list(rig, 0n, 4096, READDIR)
  t.same(
    listed.map(({ name, type }) => [name, type]),
    [
      ['.', 4],
      ['..', 4],
      ['eight888', 8],
    ],
  )
  t.equal(listed[2]!.ino, ino)
  t.same(listed[0]!.next, 0x7fff_ffff_ffff_0001n)
  t.same(list(rig, listed[2]!.next, 4096, READDIR), [])
  t.equal(rig.session.knownInodes, 0)
})

t.test('READDIR, READDIRPLUS: by small buffers -> every entry once', async (t) => {
  for (const opcode of [READDIR, READDIRPLUS]) {
    const rig = new Rig()
    const names = Array.from({ length: 40 }, (_, i) => 'n'.repeat(i + 1))
    for (const name of names) rig.fs.addFile(name)
    const found: string[] = []
    let cookie = 0n
    for (let turn = 0; turn < 100; turn++) {
      const listed = list(rig, cookie, 400, opcode)
      if (listed.length === 0) break
      found.push(...listed.map(({ name }) => name))
      cookie = listed.at(-1)!.next
    }
    t.same(found, ['.', '..', ...names])
  }
})

t.test('READDIRPLUS: each entry but . and .. is a lookup', async (t) => {
  const rig = new Rig()
  const a = rig.fs.addFile('a')
  const b = rig.fs.addFile('b')
  const listed = list(rig, 0n, 4096, READDIRPLUS)
  t.same(
    listed.map(({ name, nodeid }) => [name, nodeid]),
    [
      ['.', 0],
      ['..', 0],
      ['a', a],
      ['b', b],
    ],
  )
  t.same(
    [a, b, 2].map((ino) => rig.fs.node(ino).users),
    [1, 1, 0],
  )
})

t.test('READDIRPLUS: an entry that did not fit is no lookup', async (t) => {
  const rig = new Rig()
  rig.fs.addFile('a')
  rig.fs.addFile('b')
  t.equal(list(rig, 0n, 3 * 160, READDIRPLUS).length, 3)
  t.equal(rig.session.knownInodes, 1)
})

t.test('READDIRPLUS: an inode that cannot be read is listed without attributes', async (t) => {
  const rig = new Rig()
  const a = rig.fs.addFile('a')
  const b = rig.fs.addFile('b')
  const { getattr } = rig.fs
  rig.fs.getattr = (ino) => {
    if (ino === a) throw new FsError('EUCLEAN')
    return getattr.call(rig.fs, ino)
  }
  t.same(
    list(rig, 0n, 4096, READDIRPLUS).map(({ nodeid, ino }) => [nodeid, ino]),
    [
      [0, 2],
      [0, 2],
      [0, a],
      [b, b],
    ],
  )
})

t.test('FSYNCDIR: a sync of the directory; RELEASEDIR: nothing', async (t) => {
  const rig = new Rig()
  t.equal(rig.call(FSYNCDIR, {}, 0n, 0, 0).error, 0)
  t.same(rig.fs.calls, ['fsync 2 false'])
  t.equal(rig.call(RELEASEDIR, {}, 0n, 0, 0, 0n).error, 0)
})

import fc from 'fast-check'
import t from 'tap'
import { Completion } from '../../../lib/completion.js'
import { E } from '../../../lib/errno.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { type Reply, Rig } from '../scripted-channel.js'

const { BATCH_FORGET, CREATE, FORGET, LINK, LOOKUP, MKDIR, MKNOD, RENAME, RENAME2, RMDIR, SYMLINK, UNLINK } =
  Opcode

const nodeid = (reply: Reply) => Number(reply.payload.getBigUint64(0, true))
/** Fields of the struct fuse_attr at 40 of a fuse_entry_out. */
const mode = (reply: Reply) => reply.payload.getUint32(40 + 60, true)
const owner = (reply: Reply) => [
  reply.payload.getUint32(40 + 68, true),
  reply.payload.getUint32(40 + 72, true),
]
const FOREVER = 0xffff_ffffn

t.test('LOOKUP: a name that exists -> its entry, cacheable', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('file', 'content', 0o640)
  rig.fs.node(ino).attributes.atime = { sec: -2, nsec: 999_999_999 }
  const reply = rig.call(LOOKUP, {}, 'file')
  const { payload } = reply
  t.equal(reply.error, 0)
  t.equal(payload.byteLength, 128)
  t.equal(nodeid(reply), ino)
  t.equal(payload.getBigUint64(8, true), BigInt(ino * 7), 'generation')
  t.equal(payload.getBigUint64(16, true), FOREVER, 'entry_valid')
  t.equal(payload.getBigUint64(24, true), FOREVER, 'attr_valid')
  t.equal(payload.getBigUint64(40, true), BigInt(ino))
  t.equal(payload.getBigUint64(48, true), 7n, 'size')
  t.equal(payload.getBigInt64(64, true), -2n, 'atime before 1970')
  t.equal(payload.getUint32(88, true), 999_999_999)
  t.equal(mode(reply), 0o100640)
})

t.test('LOOKUP: no such name -> nodeid 0, cacheable', async (t) => {
  const rig = new Rig()
  const reply = rig.call(LOOKUP, {}, 'nothing')
  t.same([reply.error, reply.payload.byteLength, nodeid(reply)], [0, 128, 0])
  t.equal(reply.payload.getBigUint64(16, true), FOREVER)
})

t.test('LOOKUP: attributes of a set-id file are not cached', async (t) => {
  const rig = new Rig()
  rig.fs.addFile('suid', '', 0o4755)
  rig.fs.addFile('sgid', '', 0o2755)
  for (const name of ['suid', 'sgid']) t.equal(rig.call(LOOKUP, {}, name).payload.getBigUint64(24, true), 0n)
})

t.test('LOOKUP: .. of a directory in the root -> nodeid 1, inode number 2', async (t) => {
  const rig = new Rig()
  const dir = nodeid(rig.call(MKDIR, {}, 0o755, 0, 'd'))
  rig.fs.node(dir).entries.set('..', 2)
  const reply = rig.call(LOOKUP, { nodeid: dir }, '..')
  t.equal(nodeid(reply), 1)
  t.equal(reply.payload.getBigUint64(40, true), 2n)
})

t.test('LOOKUP: . of an old handle -> the inode, or ESTALE', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('file')
  t.equal(nodeid(rig.call(LOOKUP, { nodeid: ino }, '.')), ino)
  t.equal(rig.fs.node(ino).users, 1)
  t.equal(rig.call(LOOKUP, { nodeid: 9999 }, '.').error, -E.ESTALE)
  rig.call(UNLINK, {}, 'file')
  t.equal(rig.call(LOOKUP, { nodeid: ino }, '.').error, -E.ESTALE, 'unlinked, its FORGET still under way')
})

t.test('names: 255 bytes are taken, 256 are ENAMETOOLONG, in every request', async (t) => {
  const long = 'n'.repeat(256)
  const parts: [string, number, ...(number | bigint | string)[]][] = [
    ['LOOKUP', LOOKUP, long],
    ['MKNOD', MKNOD, 0o100644, 0, 0, 0, long],
    ['MKDIR', MKDIR, 0o755, 0, long],
    ['CREATE', CREATE, 0, 0o100644, 0, 0, long],
    ['SYMLINK', SYMLINK, long, 'target'],
    ['UNLINK', UNLINK, long],
    ['RMDIR', RMDIR, long],
    ['RENAME from', RENAME, 1n, long, 'short'],
    ['RENAME to', RENAME, 1n, 'short', long],
    ['RENAME2 from', RENAME2, 1n, 0, 0, long, 'short'],
    ['RENAME2 to', RENAME2, 1n, 0, 0, 'short', long],
  ]
  const rig = new Rig()
  const ino = rig.fs.addFile('short')
  for (const [name, opcode, ...rest] of parts)
    t.equal(rig.call(opcode, {}, ...rest).error, -E.ENAMETOOLONG, name)
  t.equal(rig.call(LINK, {}, BigInt(ino), long).error, -E.ENAMETOOLONG, 'LINK')
  t.equal(rig.call(LOOKUP, {}, 'n'.repeat(1024)).error, -E.ENAMETOOLONG)
  const name = 'n'.repeat(255)
  t.equal(rig.call(MKDIR, {}, 0o755, 0, name).error, 0)
  t.ok(rig.fs.lookup(2, Buffer.from(name)))
})

t.test('names: without content or end -> EINVAL', async (t) => {
  const rig = new Rig()
  t.equal(rig.call(LOOKUP, {}, '').error, -E.EINVAL)
  t.equal(rig.call(LOOKUP, {}, Buffer.from('endless')).error, -E.EINVAL)
  t.equal(rig.call(RENAME, {}, 1n, 'one').error, -E.EINVAL)
})

t.test('MKNOD, MKDIR, CREATE: umask applied, owner from the header', async (t) => {
  const rig = new Rig()
  const node = rig.call(MKNOD, {}, 0o020666, 0x0103, 0o027, 0, 'null')
  t.equal(mode(node), 0o020640)
  t.equal(node.payload.getUint32(40 + 76, true), 0x0103)
  t.same(owner(node), [1000, 1001])
  t.equal(mode(rig.call(MKDIR, {}, 0o777, 0o022, 'dir')), 0o040755)
  const created = rig.call(CREATE, { uid: 5, gid: 6 }, 0, 0o100666, 0o002, 0, 'file')
  t.equal(created.payload.byteLength, 144)
  t.equal(mode(created), 0o100664)
  t.same(owner(created), [5, 6])
})

t.test('set-group-id directory: its group is inherited, and the bit by directories', async (t) => {
  const rig = new Rig()
  const dir = nodeid(rig.call(MKDIR, { gid: 50 }, 0o755, 0, 'dir'))
  rig.fs.node(dir).attributes.mode |= 0o2000
  const header = { nodeid: dir, uid: 7, gid: 8 }
  const file = rig.call(CREATE, header, 0, 0o100644, 0, 0, 'file')
  t.same([mode(file), owner(file)], [0o100644, [7, 50]])
  const sub = rig.call(MKDIR, header, 0o755, 0, 'sub')
  t.same([mode(sub), owner(sub)], [0o042755, [7, 50]])
  const symlink = rig.call(SYMLINK, header, 'symlink', 'target')
  t.same([mode(symlink), owner(symlink)], [0o120777, [7, 50]])
})

t.test('SYMLINK: long targets are the file system’s affair', async (t) => {
  const rig = new Rig()
  const target = 't'.repeat(4095)
  const ino = nodeid(rig.call(SYMLINK, {}, 'link', target))
  t.equal(rig.call(Opcode.READLINK, { nodeid: ino }).bytes.toString(), target)
})

t.test('LINK, UNLINK, RMDIR: done, errors told', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  const linked = rig.call(LINK, {}, BigInt(ino), 'b')
  t.equal(nodeid(linked), ino)
  t.equal(linked.payload.getUint32(40 + 64, true), 2, 'nlink')
  t.equal(rig.call(LINK, {}, BigInt(ino), 'a').error, -E.EEXIST)
  t.equal(rig.call(UNLINK, {}, 'a').error, 0)
  t.equal(rig.call(UNLINK, {}, 'a').error, -E.ENOENT)
  rig.call(MKDIR, {}, 0o755, 0, 'dir')
  t.equal(rig.call(RMDIR, {}, 'dir').error, 0)
})

t.test('RENAME, RENAME2: both names, the directory mapped, flags passed on', async (t) => {
  const rig = new Rig()
  rig.fs.addFile('a')
  const dir = nodeid(rig.call(MKDIR, {}, 0o755, 0, 'dir'))
  t.equal(rig.call(RENAME, {}, BigInt(dir), 'a', 'b').error, 0)
  t.equal(rig.call(RENAME2, { nodeid: dir }, 1n, 4, 0, 'b', 'c').error, 0)
  t.same(rig.fs.calls, [`rename 2 a ${dir} b 0`, `rename ${dir} b 2 c 4`])
})

t.test('nlookup: LOOKUP, MKNOD, MKDIR, SYMLINK, LINK, CREATE count one each', async (t) => {
  const rig = new Rig()
  const inos = [
    rig.call(MKNOD, {}, 0o100644, 0, 0, 0, 'a'),
    rig.call(MKDIR, {}, 0o755, 0, 'b'),
    rig.call(SYMLINK, {}, 'c', 'target'),
    rig.call(CREATE, {}, 0, 0o100644, 0, 0, 'd'),
  ].map(nodeid)
  rig.call(LOOKUP, {}, 'a')
  rig.call(LINK, {}, BigInt(inos[0]!), 'e')
  rig.call(LOOKUP, {}, 'nothing')
  t.equal(rig.session.knownInodes, 4)
  rig.send(FORGET, { nodeid: inos[0]! }, 2n)
  t.equal(rig.fs.node(inos[0]!).users, 1)
  rig.send(FORGET, { nodeid: inos[0]! }, 1n)
  t.equal(rig.fs.node(inos[0]!).users, 0)
  rig.send(BATCH_FORGET, {}, 3, 0, ...inos.slice(1).flatMap((ino) => [BigInt(ino), 1n]))
  t.equal(rig.session.knownInodes, 0)
})

t.test('FORGET, BATCH_FORGET: no reply, even when malformed', async (t) => {
  const rig = new Rig()
  const before = rig.channel.replies.length
  t.equal(rig.send(FORGET, { nodeid: 12 }, 1n), before)
  t.equal(rig.send(FORGET, { nodeid: 12 }), before)
  t.equal(rig.send(BATCH_FORGET, {}, 1_000_000, 0, 12n, 1n), before)
  t.equal(rig.send(Opcode.INTERRUPT, {}, 77n), before)
})

t.test('unlinked inode: lives until it is forgotten', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.call(LOOKUP, {}, 'a')
  rig.call(UNLINK, {}, 'a')
  t.ok(rig.fs.nodes.has(ino))
  rig.send(FORGET, { nodeid: ino }, 1n)
  t.notOk(rig.fs.nodes.has(ino))
})

t.test('FORGET waits for the file system; a lookup meanwhile keeps the inode', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.call(LOOKUP, {}, 'a')
  const room = new Completion()
  rig.fs.waits.push(room.promise)
  rig.send(FORGET, { nodeid: ino }, 1n)
  t.equal(rig.fs.node(ino).users, 1)
  rig.call(LOOKUP, {}, 'a')
  room.complete()
  await room.promise
  t.equal(rig.fs.node(ino).users, 1)
  rig.send(FORGET, { nodeid: ino }, 1n)
  t.equal(rig.fs.node(ino).users, 0)
})

t.test('FORGET on a read-only file system: the inode is given back', async (t) => {
  const rig = new Rig()
  const ino = rig.fs.addFile('a')
  rig.call(LOOKUP, {}, 'a')
  rig.fs.readOnly = true
  rig.send(FORGET, { nodeid: ino }, 1n)
  t.equal(rig.fs.node(ino).users, 0)
})

t.test('nlookup: any mix of lookups and forgets -> known exactly while the sum is positive', async (t) => {
  const steps = fc.array(fc.tuple(fc.nat(2), fc.integer({ min: -3, max: 2 })), { maxLength: 60 })
  const check = fc.property(steps, (script) => {
    const rig = new Rig()
    const inos = ['a', 'b', 'c'].map((name) => rig.fs.addFile(name))
    const sums = [0, 0, 0]
    for (const [which, amount] of script) {
      if (amount >= 0) {
        rig.call(LOOKUP, {}, 'abc'[which]!)
        sums[which]!++
      } else if (sums[which]! + amount >= 0) {
        rig.send(FORGET, { nodeid: inos[which]! }, BigInt(-amount))
        sums[which]! += amount
      }
    }
    const users = inos.map((ino) => rig.fs.node(ino).users)
    return users.every((count, which) => count === Math.sign(sums[which]!))
  })
  const seed = Number(process.env['SEED'] ?? Date.now() % 0x7fff_ffff)
  t.comment(`SEED=${seed}`)
  const { failed, counterexample } = fc.check(check, { seed, numRuns: 50 })
  t.equal(failed, false, JSON.stringify(counterexample))
})

/** An extension block, padded to 8 bytes. */
function extension(type: number, ...words: number[]): Uint8Array {
  const size = 8 + words.length * 4 + (words.length % 2) * 4
  const block = Buffer.alloc(size)
  new Uint32Array(block.buffer, block.byteOffset, size / 4).set([size, type, ...words])
  return block
}

t.test('extensions: the group that the kernel tells is the caller of the operation too', async (t) => {
  const rig = new Rig()
  const groups = extension(32, 1, 77)
  const make = (name: string, extensions: number, ...blocks: Uint8Array[]) =>
    rig.call(MKDIR, { extensions }, 0o755, 0, name, ...blocks).error
  t.equal(make('plain', 0), 0)
  t.same(rig.fs.caller, [1000, 1001, []])
  t.equal(make('told', groups.length / 8, groups), 0)
  t.same(rig.fs.caller, [1000, 1001, [77]])
  const other = extension(1, 3, 4, 5, 6)
  t.equal(make('behind another', (other.length + groups.length) / 8, other, groups), 0)
  t.same(rig.fs.caller, [1000, 1001, [77]])
  t.equal(make('of none', 2, extension(32, 0)), 0)
  t.same(rig.fs.caller, [1000, 1001, []])
  for (const broken of [
    extension(32, 9000, 77),
    Buffer.alloc(16),
    extension(32),
    Buffer.from([255, 0, 0, 0, 32, 0, 0, 0]),
  ])
    t.equal(make(`broken ${broken.length} ${broken[0]}`, broken.length / 8, broken), 0)
  const names = [...rig.fs.node(2).entries.keys()]
  t.equal(names.length, 8)
  t.ok(
    names.every((name) => /^[ -~]+$/.test(name)),
    names.join(),
  )
})

t.test('extensions: they are no part of what stands before them', async (t) => {
  const rig = new Rig()
  t.equal(rig.call(SYMLINK, { extensions: 2 }, 'link', 'target', extension(32, 1, 77)).error, 0)
  t.equal(rig.call(SYMLINK, { extensions: 2 }, 'half', extension(32, 1, 77)).error, -E.EINVAL, 'no target')
  t.equal(rig.call(MKDIR, { extensions: 50 }, 0o755, 0, 'd').error, -E.EINVAL, 'more than there is')
})

import t from 'tap'
import { Completion } from '../../../lib/completion.js'
import { E, FsError } from '../../../lib/errno.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { type Header, Rig } from '../scripted-channel.js'

const { COPY_FILE_RANGE, COPY_FILE_RANGE_64, TMPFILE } = Opcode

/** The newest reply when nothing waits any more. */
async function settled(rig: Rig) {
  while (rig.session.pending > 0) await null
  return rig.channel.replies.at(-1)!
}

interface Ranges {
  fromOffset?: bigint
  toOffset?: bigint
  length: bigint
  flags?: bigint
  opcode?: number
}

function copy(rig: Rig, header: Header, to: number, ranges: Ranges) {
  const { fromOffset = 0n, toOffset = 0n, length, flags = 0n, opcode = COPY_FILE_RANGE } = ranges
  rig.send(opcode, header, 0n, fromOffset, BigInt(to), 0n, toOffset, length, flags)
  return settled(rig)
}

const content = (rig: Rig, ino: number) => Buffer.from(rig.fs.node(ino).data).toString()

t.test('COPY_FILE_RANGE: the part that there is, and its size in 4 or 8 bytes', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a', 'abcdefgh')
  const to = rig.fs.addFile('b', '........')
  const first = await copy(rig, { nodeid }, to, { fromOffset: 2n, toOffset: 1n, length: 3n })
  t.same([first.error, first.payload.byteLength, first.payload.getUint32(0, true)], [0, 8, 3])
  t.equal(content(rig, to), '.cde....')
  const second = await copy(rig, { nodeid }, to, {
    fromOffset: 6n,
    length: 1n << 40n,
    opcode: COPY_FILE_RANGE_64,
  })
  t.same([second.error, second.payload.getBigUint64(0, true)], [0, 2n])
  t.equal(content(rig, to), 'ghde....')
  t.equal((await copy(rig, { nodeid }, to, { fromOffset: 8n, length: 5n })).payload.getUint32(0, true), 0)
})

t.test('COPY_FILE_RANGE: flags -> EINVAL', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a', 'abc')
  t.equal((await copy(rig, { nodeid }, rig.fs.addFile('b'), { length: 1n, flags: 1n })).error, -E.EINVAL)
})

t.test('COPY_FILE_RANGE: stored in pieces, waiting for the journal -> all of it', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a', 'abcdefgh')
  const to = rig.fs.addFile('b')
  rig.fs.writeLimit = 3
  const room = new Completion()
  rig.fs.waits.push(undefined, undefined, room.promise)
  const reply = copy(rig, { nodeid }, to, { length: 8n })
  t.equal(content(rig, to), 'abc', 'the second piece waits')
  room.complete()
  t.equal((await reply).payload.getUint32(0, true), 8)
  t.equal(content(rig, to), 'abcdefgh')
})

t.test('COPY_FILE_RANGE: an error at once -> told; after some bytes -> those', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a', 'abcdefgh')
  const to = rig.fs.addFile('b')
  rig.fs.writeErrors.push(new FsError('ENOSPC'))
  t.equal((await copy(rig, { nodeid }, to, { length: 8n })).error, -E.ENOSPC)
  rig.fs.writeLimit = 3
  rig.fs.writeErrors.push(undefined, new FsError('ENOSPC'))
  t.equal((await copy(rig, { nodeid }, to, { length: 8n })).payload.getUint32(0, true), 3)
})

t.test('COPY_FILE_RANGE by an ordinary user -> the set-id bits fall', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a', 'abc')
  const to = rig.fs.addFile('b', '', 0o6755)
  await copy(rig, { nodeid, uid: 0 }, to, { length: 1n })
  t.equal(rig.fs.getattr(to).mode & 0o7777, 0o6755)
  await copy(rig, { nodeid, uid: 1000 }, to, { length: 1n })
  t.equal(rig.fs.getattr(to).mode & 0o7777, 0o755)
})

t.test('TMPFILE -> an inode without links, known to the kernel', async (t) => {
  const rig = new Rig()
  const { error, payload } = rig.call(TMPFILE, {}, 2, 0o100666, 0o22, 0, '/')
  const ino = Number(payload.getBigUint64(0, true))
  t.same([error, payload.byteLength], [0, 144])
  t.match(rig.fs.getattr(ino), { nlink: 0, mode: 0o100644 })
  t.equal(rig.session.knownInodes, 1)
})

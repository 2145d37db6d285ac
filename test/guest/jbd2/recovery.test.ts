import t from 'tap'
import { Journal } from '../../../src/guest/jbd2/journal.js'
import { JournalMap } from '../../../src/guest/jbd2/journal-map.js'
import { SuperblockLayout } from '../../../src/guest/jbd2/journal-superblock.js'
import {
  BLOCK_SIZE,
  emptyImage,
  fill,
  homeByte,
  JOURNAL_BLOCKS,
  newJournal,
  openImage,
  RUNS,
} from './ram-journal.js'

const map = new JournalMap(RUNS)

/** Place of a block of the journal in the image; bytes. */
function place(journalBlock: number): number {
  return map.physical(journalBlock) * BLOCK_SIZE
}

/** Three transactions of two blocks each: a descriptor, two copies and a commit block, from block 1 on. */
async function threeTransactions(checksum = true): Promise<Uint8Array> {
  const ram = newJournal({ checksum })
  for (let round = 1; round <= 3; round++) {
    fill(ram, [round, 10], round)
    await ram.journal.commit()
  }
  return ram.disk.durable()
}

t.test('a block of a committed transaction changed -> EBADMSG, and nothing is replayed', async (t) => {
  for (const [field, block] of [
    ['t_checksum', 5],
    ['t_checksum', 6],
    ['t_checksum', 7],
  ] as const) {
    const image = await threeTransactions()
    image[place(block) + 600] = 0x77
    const after = openImage(image)
    await t.rejects(after.journal.recover(), {
      code: 'EBADMSG',
      corruption: { field, block: map.physical(block) },
    })
    t.equal(after.disk.storeSequence, 0)
    t.throws(() => after.journal.start(), { code: 'EROFS' })
  }
})

t.test('a commit block with a wrong checksum -> the log ends before it', async (t) => {
  const image = await threeTransactions()
  image[place(8) + 600] = 0x77
  const after = openImage(image)
  t.match(await after.journal.recover(), { transactions: 1, stop: 'commit block checksum' })
  t.equal(homeByte(after.disk.bytes, 1), 1)
  t.equal(homeByte(after.disk.bytes, 10), 1)
  t.equal(homeByte(after.disk.bytes, 2), 0xee)
})

t.test('a block of an older transaction, or of an unknown type -> the log ends there', async (t) => {
  for (const [offset, value, stop] of [
    [8, 1, 'sequence 1, expected 3'],
    [4, 9, 'block type 9'],
    [0, 0, 'no magic number'],
  ] as const) {
    const image = await threeTransactions()
    new DataView(image.buffer).setUint32(place(5) + offset, value)
    const after = openImage(image)
    t.match(await after.journal.recover(), { transactions: 1, stop })
  }
})

t.test('a tag of a block past the device -> CorruptError', async (t) => {
  const image = await threeTransactions(false)
  new DataView(image.buffer).setUint32(place(1) + 12, 0x7fffffff)
  await t.rejects(openImage(image).journal.recover(), {
    code: 'EUCLEAN',
    corruption: { field: 't_blocknr', found: 0x7fffffff },
  })
})

t.test('a descriptor that never ends -> the walk is bounded by the ring', async (t) => {
  const image = await threeTransactions(false)
  const view = new DataView(image.buffer)
  // Every block of the ring becomes a descriptor of the first transaction.
  const descriptor = image.slice(place(1), place(1) + BLOCK_SIZE)
  for (let block = 1; block < JOURNAL_BLOCKS; block++) image.set(descriptor, place(block))
  view.setUint32(place(0) + SuperblockLayout.s_start.offset, 1)
  t.match(await openImage(image).journal.recover(), { transactions: 0 })
})

t.test('recover twice, and a power failure in between -> the same', async (t) => {
  const image = await threeTransactions()
  const first = openImage(image)
  first.disk.holdFlushes = true
  const unfinished = first.journal.recover()
  const again = openImage(first.disk.crashImage((_, index) => index % 2 === 0))
  t.match(await again.journal.recover(), { transactions: 3 })
  t.equal(homeByte(again.disk.durable(), 10), 3)
  first.disk.holdFlushes = false
  first.disk.releaseFlush()
  await unfinished
  t.equal(Buffer.compare(first.disk.durable(), again.disk.durable()), 0)
  await t.rejects(again.journal.recover(), { code: 'EINVAL' })
})

t.test('after recovery the numbers go on behind the transaction that was lost', async (t) => {
  const after = openImage(await threeTransactions())
  const { endTid } = await after.journal.recover()
  t.equal(after.journal.runningTid, endTid + 1)
  fill(after, [5], 0x55)
  await after.journal.commit()
  const later = openImage(after.disk.durable())
  t.match(await later.journal.recover(), { transactions: 1, firstTid: endTid + 1 })
  t.equal(homeByte(later.disk.bytes, 5), 0x55)
})

t.test('read-only device -> EROFS, and nothing is stored', async (t) => {
  const after = openImage(await threeTransactions())
  after.disk.readOnly = true
  const readOnly = Journal.open({ cache: after.cache, map: RUNS, now: () => 0 })
  await t.rejects(readOnly.recover(), { code: 'EROFS' })
  t.equal(after.disk.storeSequence, 0)
})

t.test(
  'an area for fast commits -> the log stays open for the transaction that they belong to',
  async (t) => {
    for (const tid of [2, 1]) {
      const image = emptyImage()
      const view = new DataView(image.buffer)
      const superblock = place(0)
      view.setUint32(superblock + SuperblockLayout.s_feature_incompat.offset, 0x20)
      view.setUint32(superblock + SuperblockLayout.s_maxlen.offset, JOURNAL_BLOCKS + 16)
      view.setUint32(superblock + SuperblockLayout.s_num_fc_blks.offset, 16)
      view.setUint32(superblock + SuperblockLayout.s_sequence.offset, 2)
      view.setUint32(superblock + SuperblockLayout.s_start.offset, 1)
      const runs = [...RUNS, { logical: JOURNAL_BLOCKS, physical: 300, length: 16 }]
      const head = 301 * BLOCK_SIZE
      view.setUint16(head, 9, true)
      view.setUint16(head + 2, 8, true)
      view.setUint32(head + 8, tid, true)
      const { journal, disk } = openImage(image, { map: runs })
      t.match(await journal.recover(), { transactions: 0, endTid: 2 })
      t.equal(journal.runningTid, 2)
      const stored = new DataView(disk.durable().buffer)
      t.equal(stored.getUint32(superblock + SuperblockLayout.s_start.offset), 1)
      t.equal(stored.getUint32(superblock + SuperblockLayout.s_sequence.offset), 2)
      t.equal(stored.getUint32(head + 8, true), tid, 'whose they are is for the file system to see')
    }
  },
)

t.test('open: extents outside the device, or too few -> CorruptError', async (t) => {
  const image = emptyImage()
  t.throws(() => openImage(image, { map: [] }), { code: 'EUCLEAN' })
  t.throws(() => openImage(image, { map: [{ logical: 0, physical: 1800, length: 1024 }] }), {
    code: 'EUCLEAN',
    corruption: { field: 'extent' },
  })
  t.throws(() => openImage(image, { map: [RUNS[0] as (typeof RUNS)[0]] }), {
    code: 'EUCLEAN',
    corruption: { field: 's_maxlen' },
  })
})

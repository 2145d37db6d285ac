/** A journal superblock of which a power failure left some units of 8 bytes old and some new. */
import t from 'tap'
import { SuperblockLayout } from '../../../src/guest/jbd2/journal-superblock.js'
import {
  BLOCK_SIZE,
  fill,
  homeByte,
  newJournal,
  openImage,
  type RamJournal,
  RUNS,
  UUID,
} from './ram-journal.js'

const PLACE = (RUNS[0] as { physical: number }).physical * BLOCK_SIZE
const UNIT = 8
/** Of the blocks that the tests write. */
const BLOCKS = [3, 4, 5]

interface Torn {
  readonly image: Uint8Array
  /** What the blocks hold for sure. */
  readonly committed: number
}

/** Every mixture of the units of the durable and the new superblock, at each FLUSH that is to make a new one durable. */
function collect(ram: RamJournal, committed: () => number): Torn[] {
  const torn: Torn[] = []
  ram.disk.beforeFlushed = () => {
    const durable = ram.disk.durable()
    for (const { offset, bytes } of ram.disk.unflushed) {
      if (offset !== PLACE) continue
      const units: number[] = []
      for (let at = 0; at < bytes.length; at += UNIT)
        if (
          Buffer.compare(bytes.subarray(at, at + UNIT), durable.subarray(PLACE + at, PLACE + at + UNIT)) !== 0
        )
          units.push(at)
      for (let mixture = 0; mixture < 2 ** units.length; mixture++) {
        const image = durable.slice()
        for (const [index, at] of units.entries())
          if ((mixture & (1 << index)) !== 0) image.set(bytes.subarray(at, at + UNIT), PLACE + at)
        torn.push({ image, committed: committed() })
      }
    }
  }
  return torn
}

t.test('every tear of every store to it, while the log goes round -> all that was committed', async (t) => {
  const ram = newJournal()
  let committed = 0xee
  const torn = collect(ram, () => committed)
  for (let value = 1; value <= 250; value++) {
    fill(ram, BLOCKS, value)
    await ram.journal.commit()
    committed = value
    if (value % 60 === 0) await ram.journal.writeHome()
  }
  await ram.journal.close()
  let harmless = 0
  for (const { image, committed: expected } of torn) {
    const after = openImage(image, { acceptTorn: true })
    if (after.journal.isTorn) {
      harmless++
      t.equal(after.journal.isHarmlessTear(UUID), true)
    }
    if (after.journal.needsRecovery) await after.journal.recover()
    t.same(
      BLOCKS.map((block) => homeByte(after.disk.durable(), block)),
      BLOCKS.map(() => expected),
    )
    t.equal(openImage(after.disk.durable()).journal.needsRecovery, false, 'its checksum is right again')
    fill(after, BLOCKS, 0x77)
    await after.journal.commit()
    const again = openImage(after.disk.durable())
    await again.journal.recover()
    t.equal(homeByte(again.disk.durable(), 4), 0x77)
  }
  t.ok(harmless > 10, `${harmless} of ${torn.length} mixtures are torn`)
})

t.test('damage -> not taken for a tear where a transaction would be lost', async (t) => {
  const ram = newJournal()
  for (const value of [1, 2, 3]) {
    fill(ram, BLOCKS, value)
    await ram.journal.commit()
  }
  const image = ram.disk.durable()
  const damaged = (change: (view: DataView) => void): RamJournal => {
    const copy = image.slice()
    change(new DataView(copy.buffer, PLACE, BLOCK_SIZE))
    return openImage(copy, { acceptTorn: true })
  }
  const { s_start, s_sequence, s_uuid, s_feature_incompat, s_head } = SuperblockLayout
  for (const [what, change] of [
    ['an empty log', (view) => s_start.set(view, 0, 0)],
    ['another start', (view) => s_start.set(view, 0, 40)],
    ['an older sequence', (view) => s_sequence.set(view, 0, 1)],
    ['a newer sequence', (view) => s_sequence.set(view, 0, 100_000)],
    ['another UUID', (view) => view.setUint8(s_uuid.offset, 0x5a)],
    ['asynchronous commits', (view) => s_feature_incompat.set(view, 0, s_feature_incompat.get(view, 0) | 4)],
  ] as [string, (view: DataView) => void][]) {
    const { journal } = damaged(change)
    t.equal(journal.isTorn, true, what)
    t.equal(journal.isHarmlessTear(UUID), false, what)
  }
  const harmless = damaged((view) => s_head.set(view, 0, 77))
  t.equal(harmless.journal.isHarmlessTear(UUID), true, 'of what does not count')
  for (const [what, offset, value] of [
    ['s_maxlen', SuperblockLayout.s_maxlen.offset, 1023],
    ['s_first', SuperblockLayout.s_first.offset, 2],
    ['h_magic', 0, 1],
    ['s_blocksize', SuperblockLayout.s_blocksize.offset, 2048],
  ] as const)
    t.throws(() => damaged((view) => view.setUint32(offset, value)), { name: 'CorruptError' }, what)
  t.throws(() => openImage(harmless.disk.bytes), { code: 'EBADMSG' }, 'unless asked to')
})

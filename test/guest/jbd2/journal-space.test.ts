/** The journal and the room in its log. */
import t from 'tap'
import { fill, homeByte, newJournal, openImage } from './ram-journal.js'

t.test(
  'ring: many times round with a hot block -> two flushes a commit, memory bounded, recovers',
  async (t) => {
    const ram = newJournal()
    const commits = 800
    let waits = 0
    for (let round = 0; round < commits; round++) {
      if (ram.journal.ready(10) !== undefined) waits++
      fill(ram, [1, 2 + (round % 300), 2 + ((round * 7) % 300)], round & 0xff)
      await ram.journal.commit()
    }
    t.equal(waits, 0)
    t.equal(ram.disk.flushes, 2 * commits)
    const { counters } = ram.journal
    t.ok(counters.blocksLogged > 2000)
    t.ok(counters.checkpoints >= 5 && counters.checkpoints < 20, `${counters.checkpoints} checkpoints`)
    t.ok(counters.blocksCheckpointed < counters.blocksLogged / 1.4)
    const after = openImage(ram.disk.durable())
    await after.journal.recover()
    for (let block = 1; block < 302; block++) {
      const { bytes, at } = ram.cache.get(block)
      if (homeByte(after.disk.bytes, block) !== bytes[at]) t.fail(`block ${block}`)
    }
    t.equal(homeByte(after.disk.bytes, 1), (commits - 1) & 0xff)
  },
)

t.test('ready: a full transaction closes at once, and waits only while the one before commits', async (t) => {
  const ram = newJournal()
  const { journal } = ram
  const { maxCredits } = journal
  t.ok(maxCredits > 200)
  t.throws(() => journal.ready(maxCredits + 40), RangeError)
  const blocks = Array.from({ length: maxCredits }, (_, index) => index + 1)
  t.equal(journal.ready(maxCredits), undefined)
  fill(ram, blocks, 1)
  t.ok(journal.room <= 2, `room ${journal.room}`)
  ram.disk.holdFlushes = true
  t.equal(journal.ready(maxCredits), undefined, 'closed, the next one has room')
  t.equal(ram.disk.heldFlushes, 1)
  fill(ram, blocks, 2)
  const wait = journal.ready(maxCredits)
  t.type(wait, Promise)
  ram.disk.holdFlushes = false
  ram.disk.releaseFlush()
  await wait
  for (let turn = 3; turn < 30; turn++) {
    for (let again = journal.ready(maxCredits); again !== undefined; again = journal.ready(maxCredits))
      await again
    fill(ram, blocks, turn)
  }
  await journal.commit()
  const after = openImage(ram.disk.durable())
  await after.journal.recover()
  t.equal(homeByte(after.disk.bytes, 200), 29)
  t.equal(journal.aborted, undefined)
})

t.test('transactions far over their credits -> space is made by checkpoints on the spot', async (t) => {
  const ram = newJournal()
  const { journal, disk } = ram
  const many = Array.from({ length: 800 }, (_, index) => index + 1)
  const wrong: string[] = []
  let value = 0
  const checks: (() => Promise<void>)[] = []
  disk.beforeFlushed = () => {
    const acknowledged = journal.committedTid === 1 ? 0xee : journal.committedTid - 1
    const subsets = [
      () => true,
      () => false,
      (_: unknown, index: number) => index === disk.unflushed.length - 1,
    ]
    for (const image of subsets.map((subset) => disk.crashImage(subset))) {
      checks.push(async () => {
        const after = openImage(image)
        if (after.journal.needsRecovery) await after.journal.recover()
        const found = new Set(many.map((block) => homeByte(after.disk.bytes, block)))
        const [only] = found
        if (found.size !== 1 || (only !== acknowledged && only !== acknowledged + 1 && acknowledged !== 0xee))
          wrong.push(`found ${[...found]}, acknowledged ${acknowledged}`)
      })
    }
  }
  for (let round = 0; round < 4; round++) {
    fill(ram, many, ++value)
    await journal.commit()
    if (round === 1) {
      const { checkpoints } = journal.counters
      for (let wait = journal.ready(200); wait !== undefined; wait = journal.ready(200)) await wait
      t.equal(journal.counters.checkpoints, checkpoints + 1, 'no room for a usual one')
    }
  }
  for (const check of checks) await check()
  t.same(wrong, [])
  t.equal(journal.counters.commits, 4)
  t.equal(journal.aborted, undefined)
})

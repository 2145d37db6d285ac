import t from 'tap'
import { BLOCK_SIZE, fill, homeByte, newJournal, openImage, type RamJournal } from './ram-journal.js'

function first({ cache }: RamJournal, block: number): number {
  const { bytes, at } = cache.get(block)
  return bytes[at] as number
}

/** What recovery of a crash after the next commit makes of the blocks. */
async function afterCommit(ram: RamJournal, blocks: readonly number[]): Promise<number[]> {
  await ram.journal.commit()
  const after = openImage(ram.disk.durable())
  if (after.journal.needsRecovery) await after.journal.recover()
  return blocks.map((block) => homeByte(after.disk.bytes, block))
}

t.test('getWriteAccess: a shadow with the present content; the device sees nothing', async (t) => {
  const ram = newJournal()
  const head = ram.cache.get(3)
  const handle = ram.journal.start()
  t.equal(handle.tid, ram.journal.runningTid)
  handle.getWriteAccess(head)
  t.equal(handle.modified, true)
  t.equal(head.bytes[head.at], 0xee)
  head.bytes[head.at] = 1
  const { bytes, at } = head
  handle.getWriteAccess(head)
  t.equal(head.bytes, bytes)
  t.equal(head.at, at)
  handle.stop()
  t.equal(ram.disk.storeSequence, 0)
  t.equal(ram.journal.dirty, true)
})

t.test('revert: a block that was clean -> clean again, nothing to commit', async (t) => {
  const ram = newJournal()
  const handle = ram.journal.start()
  handle.getWriteAccess(ram.cache.get(3))
  handle.getCreateAccess(ram.cache.get(4))
  handle.forget(4)
  handle.forget(5)
  handle.revert()
  t.equal(ram.cache.shadows, 0)
  t.equal(ram.journal.dirty, false)
  t.equal(ram.journal.deadline, undefined)
  await ram.journal.commit()
  t.equal(ram.disk.flushes, 0)
})

t.test('revert: a block of the running transaction -> its content before the handle', async (t) => {
  const ram = newJournal()
  fill(ram, [3], 0x31)
  const handle = ram.journal.start()
  for (const block of [3, 4]) {
    const head = ram.cache.get(block)
    handle.getWriteAccess(head)
    head.bytes.fill(0x77, head.at, head.at + BLOCK_SIZE)
  }
  handle.revert()
  t.equal(first(ram, 3), 0x31)
  t.same(await afterCommit(ram, [3, 4]), [0x31, 0xee])
})

t.test('revert: a block committed but not home -> committed content, not in the transaction', async (t) => {
  const ram = newJournal()
  fill(ram, [3], 0x31)
  await ram.journal.commit()
  const handle = ram.journal.start()
  const head = ram.cache.get(3)
  handle.getWriteAccess(head)
  head.bytes[head.at] = 0x77
  handle.revert()
  t.equal(first(ram, 3), 0x31)
  t.equal(ram.journal.dirty, false)
  await ram.journal.close()
  t.equal(homeByte(ram.disk.durable(), 3), 0x31)
})

t.test(
  'revert: a forgotten block, created again in the same handle -> as before, and not revoked',
  async (t) => {
    const ram = newJournal()
    fill(ram, [3], 0x31)
    const handle = ram.journal.start()
    const head = ram.cache.get(3)
    handle.getWriteAccess(head)
    head.bytes[head.at] = 0x70
    handle.forget(3)
    handle.getCreateAccess(head)
    head.bytes[head.at] = 0x71
    handle.forget(3)
    handle.revert()
    t.equal(first(ram, 3), 0x31)
    t.same(await afterCommit(ram, [3]), [0x31])
    t.equal(ram.journal.counters.revokes, 0)
  },
)

t.test('revert: a revoke that was cancelled -> stands again', async (t) => {
  const ram = newJournal()
  fill(ram, [3], 0x31)
  await ram.journal.commit()
  const forget = ram.journal.start()
  forget.forget(3)
  forget.stop()
  const handle = ram.journal.start()
  handle.getCreateAccess(ram.cache.get(3))
  handle.revert()
  t.same(await afterCommit(ram, [3]), [0xee], 'the copy of 0x31 is not replayed')
  t.equal(ram.journal.counters.revokes, 1)
})

t.test('revert: triggers come back', async (t) => {
  const ram = newJournal()
  const frozen: string[] = []
  const kind = (name: string) => ({ frozen: () => void frozen.push(name) })
  const before = ram.journal.start()
  before.getWriteAccess(ram.cache.get(3), kind('first'))
  before.stop()
  const handle = ram.journal.start()
  handle.forget(3)
  handle.getCreateAccess(ram.cache.get(3), kind('second'))
  handle.revert()
  await ram.journal.commit()
  t.same(frozen, ['first'])
})

t.test('forget: drops the shadow when the operation ends, not before', async (t) => {
  const ram = newJournal()
  fill(ram, [3], 0x31)
  const handle = ram.journal.start()
  handle.forget(3)
  t.equal(ram.cache.shadows, 1)
  handle.stop()
  t.equal(ram.cache.shadows, 0)
  t.equal(ram.journal.dirty, true, 'the revoke is to be committed')
})

t.test('callbacks: onRevert backwards and only on revert, onCommit only when durable', async (t) => {
  const ram = newJournal()
  const called: string[] = []
  const reverted = ram.journal.start()
  reverted.onRevert(() => called.push('a'))
  reverted.onRevert(() => called.push('b'))
  reverted.onCommit(() => called.push('never'))
  reverted.revert()
  t.same(called, ['b', 'a'])

  ram.disk.holdFlushes = true
  const stopped = ram.journal.start()
  stopped.getWriteAccess(ram.cache.get(1))
  stopped.onRevert(() => called.push('never'))
  stopped.onCommit(() => called.push('committed'))
  stopped.stop()
  const done = ram.journal.commit()
  ram.disk.releaseFlush()
  t.same(called, ['b', 'a'])
  ram.disk.holdFlushes = false
  await done
  t.same(called, ['b', 'a', 'committed'])
})

t.test('commit asked for within an operation -> closes after it', async (t) => {
  const ram = newJournal()
  fill(ram, [1], 1)
  const handle = ram.journal.start()
  const done = ram.journal.commit()
  const head = ram.cache.get(2)
  handle.getWriteAccess(head)
  head.bytes[head.at] = 2
  t.equal(ram.disk.storeSequence, 0)
  handle.stop()
  await done
  t.same(await afterCommit(ram, [1, 2]), [1, 2])
})

t.test('a transaction that no log could hold -> ENOSPC', async (t) => {
  const ram = newJournal()
  const handle = ram.journal.start()
  const take = () => {
    for (let block = 1; block < 1100; block++) handle.getWriteAccess(ram.cache.get(block))
  }
  t.throws(take, { code: 'ENOSPC' })
  handle.revert()
  t.equal(ram.journal.dirty, false)
})

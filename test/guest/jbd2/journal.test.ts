import t from 'tap'
import { FsError } from '../../../lib/errno.js'
import { tidGeq } from '../../../src/guest/jbd2/tid.js'
import { BLOCK_SIZE, fill, homeByte, newJournal, openImage } from './ram-journal.js'

t.test('commit: changed blocks -> two flushes, and a crash image recovers to them', async (t) => {
  const ram = newJournal()
  fill(ram, [3, 4], 0x11)
  const tid = ram.journal.runningTid
  t.equal(homeByte(ram.disk.bytes, 3), 0xee, 'home is not touched')
  await ram.journal.commit()
  t.equal(ram.disk.flushes, 2)
  t.equal(ram.journal.committedTid, tid)
  t.equal(homeByte(ram.disk.durable(), 3), 0xee, 'not even by the commit')

  const after = openImage(ram.disk.durable())
  t.equal(after.journal.needsRecovery, true)
  t.throws(() => after.journal.start(), { code: 'EROFS' })
  const report = await after.journal.recover()
  t.match(report, {
    transactions: 1,
    firstTid: tid,
    endTid: tid + 1,
    blocksReplayed: 2,
    stop: 'no magic number',
  })
  t.equal(homeByte(after.disk.durable(), 3), 0x11)
  t.equal(homeByte(after.disk.durable(), 4), 0x11)
  t.equal(after.disk.flushes, 2)
  t.equal(openImage(after.disk.durable()).journal.needsRecovery, false)
})

t.test('commit: nothing changed -> no flush', async (t) => {
  const { disk, journal } = newJournal()
  const handle = journal.start()
  t.equal(handle.modified, false)
  handle.stop()
  await journal.commit()
  await journal.waitForCommit(journal.runningTid)
  await journal.waitForCommit(journal.committedTid)
  t.equal(disk.flushes, 0)
  t.equal(disk.storeSequence, 0)
})

t.test('waitForCommit: three callers -> one commit', async (t) => {
  const ram = newJournal()
  fill(ram, [1], 1)
  const { runningTid } = ram.journal
  await Promise.all([
    ram.journal.waitForCommit(runningTid),
    ram.journal.waitForCommit(runningTid),
    ram.journal.commit(),
  ])
  t.equal(ram.disk.flushes, 2)
  t.equal(ram.journal.counters.commits, 1)
  await t.rejects(ram.journal.waitForCommit(runningTid + 5), RangeError)
})

t.test('commit in flight: operations go on, those who wait share the next commit', async (t) => {
  const ram = newJournal()
  ram.disk.holdFlushes = true
  fill(ram, [1], 1)
  const first = ram.journal.commit()
  fill(ram, [1, 2], 2)
  const second = ram.journal.commit()
  fill(ram, [3], 3)
  const third = ram.journal.waitForCommit(ram.journal.runningTid)
  ram.disk.holdFlushes = false
  ram.disk.releaseFlush()
  await first
  await Promise.all([second, third])
  t.equal(ram.journal.counters.commits, 2)
  t.equal(ram.disk.flushes, 4)
  const after = openImage(ram.disk.durable())
  await after.journal.recover()
  t.same(
    [1, 2, 3].map((block) => homeByte(after.disk.bytes, block)),
    [2, 2, 3],
  )
})

t.test('commit block: never stored before the flush of the log has completed', async (t) => {
  const ram = newJournal()
  ram.disk.holdFlushes = true
  fill(ram, [1], 1)
  const done = ram.journal.commit()
  const everything = openImage(ram.disk.crashImage(() => true))
  t.match(await everything.journal.recover(), { transactions: 0 })
  ram.disk.releaseFlush()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(ram.disk.unflushed.length, 1, 'the commit block alone')
  t.equal(ram.journal.committedTid, 1)
  ram.disk.releaseFlush()
  await done
  t.equal(ram.journal.committedTid, 2)
})

t.test(
  'escape: a block that begins with the magic number -> restored by replay and by checkpoint',
  async (t) => {
    const ram = newJournal()
    const handle = ram.journal.start()
    const head = ram.cache.get(7)
    handle.getWriteAccess(head)
    head.view.setUint32(head.at, 0xc03b3998)
    head.view.setUint32(head.at + 4, 0xc03b3998)
    handle.stop()
    const expected = head.bytes.slice(head.at, head.at + BLOCK_SIZE)
    await ram.journal.commit()
    const magic = Buffer.from('c03b3998c03b3998', 'hex')
    t.equal(Buffer.from(ram.disk.bytes).indexOf(magic), -1, 'nowhere in the log')

    const after = openImage(ram.disk.durable())
    await after.journal.recover()
    t.same(after.disk.bytes.slice(7 * BLOCK_SIZE, 8 * BLOCK_SIZE), expected)
    await ram.journal.close()
    t.same(ram.disk.bytes.slice(7 * BLOCK_SIZE, 8 * BLOCK_SIZE), expected)
    t.equal(head.shadow, undefined)
  },
)

t.test(
  'forget: the freed block, used for data since -> neither replay nor checkpoint touches it',
  async (t) => {
    const ram = newJournal()
    fill(ram, [5, 6], 0x55)
    await ram.journal.commit()
    const handle = ram.journal.start()
    handle.forget(5)
    handle.stop()
    await ram.journal.commit()
    ram.disk.write(5 * BLOCK_SIZE, new Uint8Array(BLOCK_SIZE).fill(0xda))
    await ram.disk.flush()

    const after = openImage(ram.disk.durable())
    t.match(await after.journal.recover(), {
      transactions: 2,
      blocksRevoked: 1,
      revokeRecords: 1,
      blocksReplayed: 1,
    })
    t.equal(homeByte(after.disk.bytes, 5), 0xda)
    t.equal(homeByte(after.disk.bytes, 6), 0x55)
    await ram.journal.close()
    t.equal(homeByte(ram.disk.bytes, 5), 0xda)
    t.equal(homeByte(ram.disk.bytes, 6), 0x55)
  },
)

t.test('forget: not committed -> the older copy is still replayed', async (t) => {
  const ram = newJournal()
  fill(ram, [5], 0x55)
  await ram.journal.commit()
  const handle = ram.journal.start()
  handle.forget(5)
  handle.stop()
  const after = openImage(ram.disk.durable())
  t.match(await after.journal.recover(), { blocksRevoked: 0 })
  t.equal(homeByte(after.disk.bytes, 5), 0x55)
})

t.test('forget, then created again in the same transaction -> replayed with the new content', async (t) => {
  const ram = newJournal()
  fill(ram, [5], 0x55)
  await ram.journal.commit()
  const handle = ram.journal.start()
  handle.forget(5)
  handle.stop()
  const again = ram.journal.start()
  const head = ram.cache.get(5)
  again.getCreateAccess(head)
  t.equal(head.view.getUint8(head.at), 0)
  t.equal(head.verified, true)
  head.bytes.fill(0x66, head.at, head.at + BLOCK_SIZE)
  again.stop()
  await ram.journal.commit()
  const after = openImage(ram.disk.durable())
  t.match(await after.journal.recover(), { blocksRevoked: 0, revokeRecords: 0 })
  t.equal(homeByte(after.disk.bytes, 5), 0x66)
})

t.test('flush fails: waiters get EIO, the journal aborts for good and records it', async (t) => {
  for (const failing of [1, 2]) {
    const ram = newJournal()
    const aborts: FsError[] = []
    ram.journal.onAbort = (error) => aborts.push(error)
    fill(ram, [1], 1)
    let flush = 0
    ram.disk.beforeFlushed = () => {
      if (++flush === failing) ram.disk.failFlush = new FsError('EIO', 'the host said no')
    }
    const waits = [ram.journal.commit(), ram.journal.waitForCommit(2)]
    fill(ram, [2], 2)
    waits.push(ram.journal.waitForCommit(3))
    for (const wait of waits) await t.rejects(wait, { code: 'EIO' })
    t.equal(aborts.length, 1)
    t.match(ram.journal.aborted, { code: 'EIO' })
    t.throws(() => ram.journal.start(), { code: 'EROFS' })
    await t.rejects(Promise.resolve(ram.journal.ready(1)), { code: 'EROFS' })
    await t.rejects(ram.journal.commit(), { code: 'EIO' })
    await t.rejects(ram.journal.waitForCommit(2), { code: 'EIO' })
    await t.rejects(ram.journal.close(), { code: 'EIO' })
    const after = openImage(ram.disk.crashImage(() => true))
    t.equal(after.journal.recordedError, 5)
    after.journal.clearError()
    await after.journal.recover()
    t.equal(openImage(after.disk.durable()).journal.recordedError, 0)
  }
})

t.test('store fails: abort', async (t) => {
  const ram = newJournal()
  fill(ram, [1], 1)
  ram.disk.failStores = new FsError('EIO', 'no store')
  await t.rejects(ram.journal.commit(), { code: 'EIO' })
  t.match(ram.journal.aborted?.cause, { message: 'EIO: no store' })
})

t.test('abort by the file system during a commit: no commit block is stored after it', async (t) => {
  const ram = newJournal()
  ram.disk.holdFlushes = true
  fill(ram, [1], 1)
  const done = ram.journal.commit()
  ram.journal.abort(new Error('corrupt'))
  ram.disk.holdFlushes = false
  while (ram.disk.heldFlushes > 0) ram.disk.releaseFlush()
  await t.rejects(done, { code: 'EIO' })
  await new Promise((resolve) => setImmediate(resolve))
  const after = openImage(ram.disk.crashImage(() => true))
  t.match(await after.journal.recover(), { transactions: 0 })
})

t.test('tick: commits when the interval since the first change has passed', async (t) => {
  let now = 1000
  const ram = newJournal({ now: () => now, commitInterval: 50 })
  t.equal(ram.journal.deadline, undefined)
  fill(ram, [1], 1)
  now = 1040
  fill(ram, [2], 1)
  t.equal(ram.journal.deadline, 1050)
  ram.journal.tick(1049)
  t.equal(ram.journal.dirty, true)
  ram.journal.tick(1050)
  t.equal(ram.journal.dirty, false)
  await ram.journal.commit()
  t.equal(ram.journal.committedTid, 2)
})

t.test(
  'hooks: beforeCommit completes the transaction, triggers see its blocks once, then onCommit',
  async (t) => {
    const ram = newJournal()
    const seen: string[] = []
    const trigger = {
      frozen: (head: { block: number; bytes: Uint8Array; at: number }) => {
        seen.push(`frozen ${head.block}`)
        head.bytes[head.at] = 0x99
      },
    }
    ram.journal.beforeCommit = (handle) => {
      seen.push('before')
      handle.getWriteAccess(ram.cache.get(9), trigger)
    }
    ram.journal.onCommitted = (tid) => seen.push(`committed ${tid}`)
    const handle = ram.journal.start()
    handle.getWriteAccess(ram.cache.get(8), trigger)
    handle.onCommit(() => seen.push('callback'))
    handle.stop()
    await ram.journal.commit()
    t.same(seen, ['before', 'frozen 8', 'frozen 9', 'callback', 'committed 2'])
    const after = openImage(ram.disk.durable())
    await after.journal.recover()
    t.equal(homeByte(after.disk.bytes, 8), 0x99)
    t.equal(homeByte(after.disk.bytes, 9), 0x99)
  },
)

t.test('a throwing beforeCommit -> abort', async (t) => {
  const ram = newJournal()
  ram.journal.beforeCommit = () => {
    throw new FsError('EUCLEAN', 'bitmap')
  }
  fill(ram, [1], 1)
  await t.rejects(ram.journal.commit(), { code: 'EIO' })
  t.equal(ram.journal.counters.commits, 0)
})

t.test(
  'close: everything home, log empty, and opened again it goes on with the next transaction',
  async (t) => {
    const ram = newJournal()
    fill(ram, [1, 2], 7)
    await ram.journal.close()
    t.equal(ram.journal.empty, true)
    t.equal(ram.cache.shadows, 0)
    t.equal(homeByte(ram.disk.durable(), 1), 7)
    t.throws(() => ram.journal.start(), { code: 'EROFS' })
    const again = openImage(ram.disk.durable())
    t.equal(again.journal.needsRecovery, false)
    t.equal(again.journal.runningTid, 4)
    const untouched = newJournal()
    await untouched.journal.close()
    t.equal(untouched.disk.flushes, 0)
  },
)

t.test('barrier off: no flush at all', async (t) => {
  const ram = newJournal({ barrier: false })
  fill(ram, [1], 1)
  await ram.journal.close()
  t.equal(ram.disk.flushes, 0)
  t.equal(homeByte(ram.disk.bytes, 1), 1)
})

t.test(
  'formats: without checksums, and with 64-bit block numbers -> recovered by what the superblock says',
  async (t) => {
    for (const checksum of [true, false]) {
      for (const wide of [true, false]) {
        const ram = newJournal({ checksum, wide })
        const blocks = Array.from({ length: 200 }, (_, index) => index + 1)
        fill(ram, blocks, 0x21)
        const handle = ram.journal.start()
        for (let block = 202; block < 399; block++) handle.forget(block)
        handle.stop()
        await ram.journal.commit()
        const after = openImage(ram.disk.durable())
        t.match(await after.journal.recover(), { transactions: 1, blocksReplayed: 200, revokeRecords: 197 })
        t.equal(homeByte(after.disk.bytes, 200), 0x21)
      }
    }
  },
)

t.test('tids: compared with wrap-around', async (t) => {
  t.equal(tidGeq(0, 0xffffffff), true)
  t.equal(tidGeq(0xffffffff, 0), false)
})

t.test('two operations at once -> TypeError', async (t) => {
  const { journal } = newJournal()
  const handle = journal.start()
  t.throws(() => journal.start(), TypeError)
  handle.stop()
  t.throws(() => handle.stop(), TypeError)
  t.throws(() => handle.forget(1), TypeError)
})

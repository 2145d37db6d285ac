import t from 'tap'
import { Completion } from '../../../lib/completion.js'
import { PmemRegion } from '../../../src/bus/pmem-region.js'
import { NdRegion } from '../../../src/guest/nvdimm/nd-region.js'
import { PmemDisk } from '../../../src/guest/nvdimm/pmem-disk.js'

const SIZE = 4 * 4096

function disk(
  flush = async (): Promise<void> => {},
  readOnly = false,
): { disk: PmemDisk; region: PmemRegion } {
  const region = new PmemRegion({ start: 0, size: SIZE, memory: [new ArrayBuffer(SIZE)], readOnly })
  return { disk: new PmemDisk(0, new NdRegion(region, 'test', flush)), region }
}

t.test('pmem disk: its name, size and mode -> those of the region', async (t) => {
  t.match(disk().disk, { name: 'pmem0', size: SIZE, readOnly: false })
  t.equal(disk(undefined, true).disk.readOnly, true)
})

t.test('pmem disk: write, zero, copy -> visible by direct access, in the dirty log', async (t) => {
  const { disk: pmem, region } = disk()
  pmem.write(4096, Uint8Array.of(1, 2, 3, 4), 1, 3)
  pmem.copy(0, 4096, 2)
  pmem.zero(4096, 1)
  const { bytes, at } = pmem.directAccess(4096)
  t.same([...bytes.subarray(at, at + 2)], [0, 3])
  t.same([...bytes.subarray(0, 3)], [2, 3, 0])
  t.same(region.dirtyLog.take(), [0, 1])
})

t.test('pmem disk: a range beyond it -> FsError EIO naming device and range, nothing stored', async (t) => {
  const { disk: pmem, region } = disk()
  const beyond = { code: 'EIO', message: /pmem0: range 16380\+5 beyond 16384 bytes/ }
  t.throws(() => pmem.write(SIZE - 4, new Uint8Array(5)), beyond)
  t.throws(() => pmem.zero(SIZE - 4, 5), beyond)
  t.throws(() => pmem.copy(SIZE - 4, 0, 5), beyond)
  t.throws(() => pmem.copy(0, SIZE - 4, 5), beyond)
  t.throws(() => pmem.write(-1, new Uint8Array(1)), { code: 'EIO' })
  t.throws(() => pmem.zero(0, -1), { code: 'EIO' })
  t.throws(() => pmem.directAccess(SIZE), { code: 'EIO' })
  t.throws(() => pmem.directAccess(Number.NaN), { code: 'EIO' })
  t.equal(region.storeSequence, 0)
})

t.test('pmem disk: read-only -> EROFS for every store', async (t) => {
  const { disk: pmem } = disk(undefined, true)
  t.throws(() => pmem.write(0, new Uint8Array(1)), { code: 'EROFS' })
  t.throws(() => pmem.zero(0, 1), { code: 'EROFS' })
  t.throws(() => pmem.copy(0, 4096, 1), { code: 'EROFS' })
  t.equal(pmem.directAccess(0).bytes[0], 0)
})

t.test('flushedSequence: a store while the flush is under way -> not covered by it', async (t) => {
  const held = new Completion()
  const { disk: pmem } = disk(() => held.promise)
  pmem.zero(0, 1)
  const flush = pmem.flush()
  pmem.zero(1, 1)
  t.equal(pmem.flushedSequence, 0)
  held.complete()
  await flush
  t.equal(pmem.flushedSequence, 1)
  t.equal(pmem.storeSequence, 2)
})

t.test('flushedSequence: an older flush ends after a newer one -> does not go back', async (t) => {
  const held = [new Completion(), new Completion()]
  const order = [...held]
  const { disk: pmem } = disk(() => (order.shift() as Completion).promise)
  pmem.zero(0, 1)
  const first = pmem.flush()
  pmem.zero(0, 1)
  const second = pmem.flush()
  held[1]?.complete()
  await second
  held[0]?.complete()
  await first
  t.equal(pmem.flushedSequence, 2)
})

t.test('flush: the provider fails, however -> FsError EIO, nothing counts as flushed', async (t) => {
  const { disk: pmem } = disk(() => Promise.reject(new Error('cable pulled')))
  pmem.zero(0, 1)
  await t.rejects(pmem.flush(), { code: 'EIO', cause: { message: 'cable pulled' } })
  t.equal(pmem.flushedSequence, 0)
})

import fc from 'fast-check'
import t from 'tap'
import { DmaMemory } from '../../src/bus/dma-memory.js'
import { GuestMemory } from '../../src/bus/guest-memory.js'

t.test('allocate: aligned, zeroed, within the range; full -> ENOMEM', async (t) => {
  const memory = new GuestMemory({ start: 0x1000, size: 0x1000 })
  memory.bytes.fill(0xff)
  const dma = new DmaMemory(memory, 0x1008, 0x100)
  const address = dma.allocate(32, 64)
  t.equal(address, 0x1040)
  t.same(memory.bytes.subarray(0x40, 0x60), new Uint8Array(32))
  t.equal(memory.bytes[0x60], 0xff)
  t.equal(dma.allocate(8, 8), 0x1008, 'the gap before is used')
  t.equal(dma.allocated, 40)
  t.throws(() => dma.allocate(0x100), { code: 'ENOMEM' })
  t.equal(dma.tryAllocate(0x100), undefined)
})

t.test('free: everything in any order -> the whole range is one again', async (t) => {
  const dma = new DmaMemory(new GuestMemory({ size: 256 }))
  const [a, b, c, d] = [64, 64, 64, 64].map((size) => dma.allocate(size)) as [number, number, number, number]
  for (const address of [b, d, c, a]) dma.free(address)
  t.equal(dma.allocated, 0)
  t.equal(dma.allocate(256), 0)
})

t.test('misuse: no size, odd alignment, unknown or freed address, range outside -> refused', async (t) => {
  const memory = new GuestMemory({ size: 256 })
  const dma = new DmaMemory(memory)
  for (const size of [0, -1, 1.5, Number.NaN]) t.throws(() => dma.allocate(size), RangeError)
  for (const align of [0, 3, -2]) t.throws(() => dma.allocate(8, align), RangeError)
  t.throws(() => dma.free(0), RangeError)
  const address = dma.allocate(8)
  dma.free(address)
  t.throws(() => dma.free(address), RangeError)
  t.throws(() => new DmaMemory(memory, 128, 256), { name: 'BusError' })
})

t.test('any order of allocate and free -> no overlap, right sums, nothing lost', async (t) => {
  const step = fc.record({ size: fc.integer({ min: 1, max: 200 }), shift: fc.nat(6), free: fc.boolean() })
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const dma = new DmaMemory(new GuestMemory({ start: 8, size: 2048 }))
        const taken: { address: number; size: number }[] = []
        for (const { size, shift, free } of steps) {
          if (free && taken.length > 0) {
            dma.free(taken.splice(size % taken.length, 1)[0]!.address)
            continue
          }
          const address = dma.tryAllocate(size, 1 << shift)
          if (address === undefined) continue
          if (address % (1 << shift) !== 0 || address < 8 || address + size > 2056) return false
          if (taken.some((other) => address < other.address + other.size && other.address < address + size))
            return false
          taken.push({ address, size })
        }
        if (dma.allocated !== taken.reduce((sum, { size }) => sum + size, 0)) return false
        for (const { address } of taken) dma.free(address)
        return dma.allocate(2048, 8) === 8
      }),
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})

import fc from 'fast-check'
import t from 'tap'
import { PmemRegion } from '../../src/bus/pmem-region.js'

const SIZE = 8 * 4096

const makeRegion = (readOnly = false): PmemRegion =>
  new PmemRegion({ start: 0x1_0000_0000, size: SIZE, memory: [new ArrayBuffer(SIZE)], readOnly })

t.test('store: bytes -> in place, logged, observed after they are there', async (t) => {
  const region = makeRegion()
  const seen: [number, number, number][] = []
  region.observer = {
    stored: (offset, length) => seen.push([offset, length, region.directAccess(offset).bytes[offset]!]),
  }
  region.store(4095, Uint8Array.of(7, 8, 9))
  t.same(region.directAccess(4095).bytes.subarray(4095, 4098), Uint8Array.of(7, 8, 9))
  t.same(region.dirtyLog.take(), [0, 1])
  t.same(seen, [[4095, 3, 7]])
  t.equal(region.storeSequence, 1)
  region.store(10, Uint8Array.of(1, 2, 3, 4), 1, 3)
  t.same(region.directAccess(10).bytes.subarray(10, 13), Uint8Array.of(2, 3, 0))
})

t.test('zero and copy: ranges -> logged as stores', async (t) => {
  const region = makeRegion()
  region.store(0, new Uint8Array(100).fill(5))
  region.dirtyLog.take()
  region.copy(3 * 4096, 0, 100)
  t.same(
    region.directAccess(0).bytes.subarray(3 * 4096, 3 * 4096 + 101),
    Uint8Array.of(...new Array(100).fill(5), 0),
  )
  region.zero(10, 5)
  t.same(region.directAccess(0).bytes.subarray(9, 16), Uint8Array.of(5, 0, 0, 0, 0, 0, 5))
  t.same(region.dirtyLog.take(), [0, 3])
})

t.test('outside the region: store, zero, copy, directAccess -> RangeError, nothing changed', async (t) => {
  const region = makeRegion()
  const three = Uint8Array.of(1, 2, 3)
  for (const offset of [SIZE - 2, SIZE, -1, Number.NaN]) {
    t.throws(() => region.store(offset, three), RangeError)
    t.throws(() => region.zero(offset, 3), RangeError)
    t.throws(() => region.copy(offset, 0, 3), RangeError)
    t.throws(() => region.copy(0, offset, 3), RangeError)
  }
  t.throws(() => region.directAccess(-1), RangeError)
  t.throws(() => region.directAccess(PmemRegion.SEGMENT_SIZE), RangeError)
  t.equal(region.dirtyLog.count, 0)
  t.equal(region.storeSequence, 0)
})

t.test('read-only: any store -> TypeError', async (t) => {
  const region = makeRegion(true)
  t.throws(() => region.store(0, Uint8Array.of(1)), TypeError)
  t.throws(() => region.zero(0, 1), TypeError)
  t.throws(() => region.copy(0, 8, 1), TypeError)
  t.equal(region.directAccess(0).bytes[0], 0)
})

t.test('memory of another size -> RangeError', async (t) => {
  t.throws(() => new PmemRegion({ start: 0, size: SIZE, memory: [new ArrayBuffer(SIZE - 1)] }), RangeError)
})

t.test('address: known -> of the byte; not known -> 0', async (t) => {
  const memory = [new ArrayBuffer(SIZE)]
  t.equal(
    new PmemRegion({ start: 0, size: SIZE, memory, address: 0x7000 }).directAccess(0x10).address,
    0x7010,
  )
  t.equal(new PmemRegion({ start: 0, size: SIZE, memory }).directAccess(0x10).address, 0)
})

t.test('any stores -> equal to a plain array, dirty pages are those that changed', async (t) => {
  const operation = fc.record({
    kind: fc.constantFrom('store', 'zero', 'copy'),
    at: fc.nat(SIZE - 1),
    from: fc.nat(SIZE - 1),
    length: fc.nat(6000),
    value: fc.nat(255),
  })
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(fc.array(operation, { maxLength: 20 }), (operations) => {
        const region = makeRegion()
        const model = new Uint8Array(SIZE)
        for (const { kind, at, from, length, value } of operations) {
          const part = Math.min(length, SIZE - at, SIZE - from)
          const overlap = Math.abs(at - from) < part
          if (kind === 'store') {
            region.store(at, new Uint8Array(part).fill(value))
            model.fill(value, at, at + part)
          } else if (kind === 'zero') {
            region.zero(at, part)
            model.fill(0, at, at + part)
          } else if (!overlap) {
            region.copy(at, from, part)
            model.copyWithin(at, from, from + part)
          }
        }
        const { bytes } = region.directAccess(0)
        const clean = (page: number): boolean => !region.dirtyLog.isDirty(page)
        return (
          Buffer.compare(bytes, model) === 0 &&
          Array.from({ length: 8 }, (_, page) => page)
            .filter(clean)
            .every((page) => model.subarray(page * 4096, (page + 1) * 4096).every((byte) => byte === 0))
        )
      }),
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})

t.test('discard: whole pages read as zero, what is left of others stays; the observer is told', async (t) => {
  const region = new PmemRegion({ start: 0, size: 8 * 4096, memory: [new ArrayBuffer(8 * 4096)] })
  region.store(0, new Uint8Array(8 * 4096).fill(1))
  const before = region.storeSequence
  const seen: [number, number][] = []
  region.observer = { stored: (offset, length) => seen.push([offset, length]) }
  region.discard(100, 3 * 4096)
  region.discard(5 * 4096, 4095)
  region.discard(7 * 4096, 4096)
  const { bytes } = region.directAccess(0)
  const pages = Array.from({ length: 8 }, (_, page) => bytes.subarray(page * 4096, (page + 1) * 4096))
  t.same(
    pages.map((page) => page.every((byte) => byte === 0)),
    [false, true, true, false, false, false, false, true],
  )
  t.ok([0, 3, 4, 5, 6].every((page) => pages[page]?.every((byte) => byte === 1)))
  t.same(seen, [
    [4096, 2 * 4096],
    [7 * 4096, 4096],
  ])
  t.equal(region.storeSequence, before, 'it is no store that a FLUSH would have to cover')
  t.throws(() => region.discard(7 * 4096, 4097), RangeError)
  const readOnly = new PmemRegion({ start: 0, size: 4096, memory: [new ArrayBuffer(4096)], readOnly: true })
  t.throws(() => readOnly.discard(0, 4096), TypeError)
})

t.test('two segments: store, zero, copy over their border -> both sides', async (t) => {
  const border = PmemRegion.SEGMENT_SIZE
  const size = border + 8192
  const region = new PmemRegion({
    start: 0,
    size,
    // Only the pages that are touched become real.
    memory: [new ArrayBuffer(border), new ArrayBuffer(8192)],
  })
  const around = (): number[] => [
    ...region.directAccess(border - 4).bytes.subarray(border - 4),
    ...region.directAccess(border).bytes.subarray(0, 4),
  ]
  region.store(border - 3, Uint8Array.of(1, 2, 3, 4, 5))
  t.same(around(), [0, 1, 2, 3, 4, 5, 0, 0])
  region.zero(border - 1, 2)
  t.same(around(), [0, 1, 2, 0, 0, 5, 0, 0])
  region.copy(border + 4096, border - 3, 5)
  t.same(region.directAccess(border).bytes.subarray(4096, 4102), Uint8Array.of(1, 2, 0, 0, 5, 0))
  region.copy(border - 2, border + 4096, 3)
  t.same(around(), [0, 1, 1, 2, 0, 5, 0, 0])
  t.same(region.dirtyLog.take(), [border / 4096 - 1, border / 4096, border / 4096 + 1])
  t.throws(() => region.store(size - 1, Uint8Array.of(1, 2)), RangeError)
})

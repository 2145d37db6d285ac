import fc from 'fast-check'
import t from 'tap'
import { GuestMemory } from '../../src/bus/guest-memory.js'

const START = 0x8000_0000
const SIZE = 4096

t.test(
  'offset: inside -> index; outside by a byte, wrapping or not a number -> BusError with address and length',
  async (t) => {
    const memory = new GuestMemory({ start: START, size: SIZE })
    t.equal(memory.offset(START, SIZE), 0)
    t.equal(memory.offset(START + SIZE, 0), SIZE)
    t.equal(memory.offset(START + 16, 8), 16)
    const outside: [number, number][] = [
      [START - 1, 1],
      [START + SIZE, 1],
      [START + 1, SIZE],
      [START, SIZE + 1],
      [0, 4],
      [START, -1],
      [START, 2 ** 53],
      [2 ** 64 - 8, 16],
      [Number.NaN, 1],
      [START, Number.NaN],
    ]
    for (const [address, length] of outside) {
      t.equal(memory.contains(address, length), false)
      t.throws(() => memory.offset(address, length), { name: 'BusError', code: 'ENXIO', address, length })
    }
  },
)

t.test('contains: any range -> exactly those of bytes that exist', async (t) => {
  const memory = new GuestMemory({ start: 64, size: 64 })
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(fc.nat(200), fc.nat(100), (address, length) => {
        const expected = address >= 64 && address + length <= 128
        return memory.contains(address, length) === expected
      }),
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})

t.test('read and write: bytes -> there and back, outside untouched', async (t) => {
  const memory = new GuestMemory({ start: START, size: SIZE })
  memory.write(START + SIZE - 3, Uint8Array.of(1, 2, 3))
  const target = new Uint8Array(3)
  memory.read(START + SIZE - 3, target)
  t.same(target, Uint8Array.of(1, 2, 3))
  t.throws(() => memory.write(START + SIZE - 2, Uint8Array.of(1, 2, 3)), { name: 'BusError' })
  t.throws(() => memory.read(START + SIZE - 2, target), { name: 'BusError' })
  memory.fill(START, 4, 9)
  t.same(memory.bytes.subarray(0, 5), Uint8Array.of(9, 9, 9, 9, 0))
})

t.test('words: little-endian, 16 bits need an even address', async (t) => {
  const memory = new GuestMemory({ start: START, size: SIZE })
  memory.store16(START + 2, 0x1234)
  t.same(memory.bytes.subarray(2, 4), Uint8Array.of(0x34, 0x12))
  t.equal(memory.load16(START + 2), 0x1234)
  memory.store16(START, -1)
  t.equal(memory.load16(START), 0xffff)
  t.throws(() => memory.load16(START + 1), { name: 'BusError' })
  memory.store32(START + 5, 0x89abcdef)
  t.equal(memory.load32(START + 5), 0x89abcdef)
  t.throws(() => memory.load32(START + SIZE - 3), { name: 'BusError' })
})

t.test('two memories over one SharedArrayBuffer -> see each other', async (t) => {
  const one = new GuestMemory({ start: START, size: SIZE })
  const other = new GuestMemory({ start: START, size: SIZE, memory: one.memory })
  one.store16(START + 8, 77)
  t.equal(other.load16(START + 8), 77)
})

t.test('construction: wrong size or start -> RangeError', async (t) => {
  t.throws(() => new GuestMemory({ size: 64, memory: new SharedArrayBuffer(32) }), RangeError)
  t.throws(() => new GuestMemory({ start: 4, size: 64 }), RangeError)
  t.throws(() => new GuestMemory({ start: -8, size: 64 }), RangeError)
  t.throws(() => new GuestMemory({ size: 63 }), RangeError)
})

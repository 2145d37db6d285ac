import fc from 'fast-check'
import t from 'tap'
import {
  clearBits,
  countClear,
  findClear,
  findClearRun,
  findSet,
  setBits,
  testBit,
} from '../../lib/bitmap.js'

/** Bits of `bytes` from byte `at` on. */
function bitsOf(bytes: Uint8Array, at: number): boolean[] {
  return Array.from(
    { length: (bytes.length - at) * 8 },
    (_, bit) => ((bytes[at + (bit >> 3)]! >> (bit & 7)) & 1) === 1,
  )
}

/** Bytes with long runs, an offset of the bitmap in them, and a range of its bits. */
const bitmap = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom(0, 0xff, 0x0f, 0x81, 0xfe, 0x7f), fc.integer({ min: 1, max: 9 })), {
      minLength: 2,
      maxLength: 12,
    }),
    fc.integer({ min: 0, max: 1 }),
    fc.nat(),
    fc.nat(),
  )
  .map(([runs, at, a, b]) => {
    const bytes = Uint8Array.from(runs.flatMap(([value, length]) => new Array<number>(length).fill(value)))
    const bits = (bytes.length - at) * 8
    const [from, to] = [a % (bits + 1), b % (bits + 1)].sort((x, y) => x - y) as [number, number]
    return { bytes, at, from, to }
  })

t.test('setBits and clearBits: any range -> these bits and no others', (t) => {
  fc.assert(
    fc.property(bitmap, ({ bytes, at, from, to }) => {
      const before = bitsOf(bytes, at)
      const set = bytes.slice()
      setBits(set, at, from, to)
      t.strictSame(
        bitsOf(set, at),
        before.map((bit, index) => bit || (index >= from && index < to)),
      )
      const cleared = bytes.slice()
      clearBits(cleared, at, from, to)
      t.strictSame(
        bitsOf(cleared, at),
        before.map((bit, index) => bit && !(index >= from && index < to)),
      )
      t.strictSame(set.subarray(0, at), bytes.subarray(0, at))
    }),
    { numRuns: 60 },
  )
  t.end()
})

t.test('find and count: any range -> as bit by bit', (t) => {
  fc.assert(
    fc.property(bitmap, ({ bytes, at, from, to }) => {
      const bits = bitsOf(bytes, at)
      const range = bits.slice(from, to)
      const clear = range.indexOf(false)
      const set = range.indexOf(true)
      t.equal(findClear(bytes, at, from, to), clear < 0 ? to : from + clear)
      t.equal(findSet(bytes, at, from, to), set < 0 ? to : from + set)
      t.equal(countClear(bytes, at, from, to), range.filter((bit) => !bit).length)
      if (from < to) t.equal(testBit(bytes, at, from), bits[from])
    }),
    { numRuns: 200 },
  )
  t.end()
})

t.test('findClearRun: any range -> the first run long enough, else the first of the longest', (t) => {
  fc.assert(
    fc.property(bitmap, fc.integer({ min: 1, max: 80 }), ({ bytes, at, from, to }, wanted) => {
      const text = bitsOf(bytes, at)
        .slice(from, to)
        .map((bit) => (bit ? '#' : '.'))
        .join('')
      const runs = Array.from(text.matchAll(/\.+/g), (match) => ({
        start: from + match.index,
        length: match[0].length,
      }))
      const longest = Math.max(...runs.map((run) => run.length))
      const expected = runs.find((run) => run.length >= wanted) ?? runs.find((run) => run.length === longest)
      t.equal(findClearRun(bytes, at, from, to, wanted), expected?.start ?? -1)
    }),
    { numRuns: 200 },
  )
  t.end()
})

import fc from 'fast-check'
import t from 'tap'
import { crc32c, crc32cWord, crc32cZeroes } from '../../lib/crc32c.js'

/** The checksum as other programs print it: inverted before and after. */
const whole = (bytes: Uint8Array): number => ~crc32c(0xffff_ffff, bytes) >>> 0

/** Bit by bit, from the definition of the polynomial. */
function slow(crc: number, bytes: Uint8Array): number {
  let c = crc
  for (const byte of bytes) {
    c ^= byte
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
  }
  return c >>> 0
}

t.test('crc32c: examples of RFC 3720 B.4 and the check value', async (t) => {
  const cases = new Map<string, [Uint8Array, number]>([
    ['32 zeroes', [new Uint8Array(32), 0x8a9136aa]],
    ['32 ones', [new Uint8Array(32).fill(0xff), 0x62a8ab43]],
    ['ascending', [Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e]],
    ['descending', [Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c]],
    ['123456789', [Buffer.from('123456789'), 0xe3069283]],
    ['nothing', [new Uint8Array(0), 0]],
  ])
  for (const [name, [bytes, expected]] of cases) t.equal(whole(bytes), expected, name)
})

t.test(
  'crc32c: zeroes at the end of long bytes, at any alignment -> equals the bitwise definition',
  async (t) => {
    const report = fc.defaultReportMessage(
      fc.check(
        fc.property(
          fc.uint8Array({ maxLength: 40 }),
          fc.nat(1200),
          fc.nat(9),
          fc.nat(),
          (head, zeroes, from, seed) => {
            const bytes = new Uint8Array(from + head.length + zeroes)
            bytes.set(head, from)
            const start = (seed * 0x9e3779b1) >>> 0
            return (
              crc32c(start, bytes, from) === slow(start, bytes.subarray(from)) &&
              crc32cZeroes(start, zeroes) === slow(start, new Uint8Array(zeroes))
            )
          },
        ),
      ),
    )
    t.equal(report, undefined)
  },
)

t.test('crc32c: any bytes, any range, cut anywhere -> equals the bitwise definition', async (t) => {
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(), fc.nat(), fc.nat(), (bytes, a, b, seed) => {
        const from = a % (bytes.length + 1)
        const to = from + (b % (bytes.length - from + 1))
        const middle = from + (seed % (to - from + 1))
        const start = (seed * 0x9e3779b1) >>> 0
        const expected = slow(start, bytes.subarray(from, to))
        return (
          crc32c(start, bytes, from, to) === expected &&
          crc32c(crc32c(start, bytes, from, middle), bytes, middle, to) === expected
        )
      }),
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})

t.test('crc32cWord: a word -> equals its four little-endian bytes', async (t) => {
  for (const word of [0, 1, 0x12345678, 0x80000000, 0xffffffff]) {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, word, true)
    t.equal(crc32cWord(0xffff_ffff, word), slow(0xffff_ffff, bytes))
  }
})

t.test('crc32cZeroes: n -> equals n zero bytes', async (t) => {
  for (const length of [0, 1, 7, 63, 64, 65, 1000])
    t.equal(crc32cZeroes(0x1234, length), slow(0x1234, new Uint8Array(length)), `${length}`)
})

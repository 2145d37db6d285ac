import t from 'tap'
import { Prng } from '../../lib/prng.js'

const take = (prng: Prng, count: number): number[] => Array.from({ length: count }, () => prng.next())

t.test('xoshiro128**: state 1 2 3 4 -> the published reference sequence', async (t) => {
  t.same(
    take(Prng.fromState([1, 2, 3, 4]), 10),
    [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804],
  )
})

t.test('seed: same seed -> same sequence, other seed -> another', async (t) => {
  t.same(take(new Prng(42), 8), take(new Prng(42), 8))
  t.strictNotSame(take(new Prng(42), 8), take(new Prng(43), 8))
  t.same(take(new Prng(-1), 4), take(new Prng(0xffff_ffff), 4), 'seeds are taken modulo 2^32')
})

t.test('state: saved in the middle -> continues there', async (t) => {
  const prng = new Prng(7)
  take(prng, 100)
  t.same(take(Prng.fromState(prng.state), 20), take(prng, 20))
  t.throws(() => Prng.fromState([0, 0, 0, 0]), RangeError)
})

t.test('below: n values -> all of them, equally often within 5 sigma', async (t) => {
  const prng = new Prng(1)
  const n = 6
  const draws = 60_000
  const counts = new Array<number>(n).fill(0)
  for (let draw = 0; draw < draws; draw++) {
    const drawn = prng.below(n)
    counts[drawn] = counts[drawn]! + 1
  }
  const sigma = Math.sqrt((draws / n) * (1 - 1 / n))
  t.equal(
    counts.reduce((sum, count) => sum + count),
    draws,
  )
  for (const count of counts) t.ok(Math.abs(count - draws / n) < 5 * sigma, `${count} of ${draws / n}`)
})

t.test('below: limits -> 1 gives 0, 2^32 is allowed, others are refused', async (t) => {
  const prng = new Prng(3)
  t.equal(prng.below(1), 0)
  t.equal(Prng.fromState([1, 2, 3, 4]).below(0x1_0000_0000), 11520)
  for (const n of [0, -1, 1.5, 0x1_0000_0001, Number.NaN]) t.throws(() => prng.below(n), RangeError)
})

t.test('chance: 0 never, 1 always, a quarter about so often', async (t) => {
  const prng = new Prng(5)
  const hits = (p: number): number =>
    Array.from({ length: 10_000 }, () => prng.chance(p)).filter(Boolean).length
  t.equal(hits(0), 0)
  t.equal(hits(1), 10_000)
  t.ok(Math.abs(hits(0.25) - 2500) < 5 * 43)
})

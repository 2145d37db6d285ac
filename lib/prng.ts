/**
 * A small seeded generator: xoshiro128** (Blackman and Vigna), its state filled from the seed by splitmix32. The
 * same seed gives the same numbers on every machine. Not for secrets.
 */
export class Prng {
  #a: number
  #b: number
  #c: number
  #d: number

  /** `seed` is taken modulo 2^32. */
  constructor(seed: number) {
    let state = seed | 0
    const fill = (): number => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return (z ^ (z >>> 16)) | 0
    }
    this.#a = fill()
    this.#b = fill()
    this.#c = fill()
    this.#d = fill()
  }

  /** Where the sequence stands: four words, for {@link Prng.fromState}. */
  get state(): [number, number, number, number] {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0]
  }

  /** Continues from `state`, which is not all zero. */
  static fromState(state: readonly [number, number, number, number]): Prng {
    if (state.every((word) => word >>> 0 === 0))
      throw new RangeError('the state of all zeroes never leaves it')
    const prng = new Prng(0)
    prng.#a = state[0] | 0
    prng.#b = state[1] | 0
    prng.#c = state[2] | 0
    prng.#d = state[3] | 0
    return prng
  }

  /** The next number, 0..2^32-1. */
  next(): number {
    const scrambled = Math.imul(this.#b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result
  }

  /** A number of 0..n-1, each equally likely. `n` is 1..2^32. */
  below(n: number): number {
    if (!(Number.isInteger(n) && n >= 1 && n <= 0x1_0000_0000)) throw new RangeError(`below(${n})`)
    const fair = 0x1_0000_0000 - (0x1_0000_0000 % n)
    for (;;) {
      const drawn = this.next()
      if (drawn < fair) return drawn % n
    }
  }

  /** True with probability `p`, 0..1. */
  chance(p: number): boolean {
    return this.next() < p * 0x1_0000_0000
  }
}

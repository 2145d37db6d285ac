import { crc32cZeroes } from '../../../lib/crc32c.js'

/**
 * CRC-32C over a run of zero bytes of one length. It is linear in the CRC before it, so that the sums of its 32 bits
 * make the sum of any: a block of zeroes costs 32 steps instead of one for each byte.
 */
export class ZeroRun {
  readonly length: number
  readonly #ofBit = new Uint32Array(32)

  constructor(length: number) {
    this.length = length
    for (let bit = 0; bit < 32; bit++) this.#ofBit[bit] = crc32cZeroes((1 << bit) >>> 0, length)
  }

  /** Continues `crc` over the run. */
  apply(crc: number): number {
    let sum = 0
    for (let left = crc; left !== 0; left &= left - 1) {
      sum ^= this.#ofBit[31 - Math.clz32(left & -left)]!
    }
    return sum >>> 0
  }

  /** Whether `bytes[at..at+length)` are all zero. */
  matches(bytes: Uint8Array, at: number): boolean {
    return Buffer.compare(bytes.subarray(at, at + this.length), ZEROES.subarray(0, this.length)) === 0
  }

  /** The run of `length` bytes, at most {@link LONGEST}; made once. */
  static of(length: number): ZeroRun {
    const known = runs.get(length)
    if (known !== undefined) return known
    const run = new ZeroRun(length)
    runs.set(length, run)
    return run
  }
}

/** Bytes of the largest block. */
const LONGEST = 4096
const ZEROES = new Uint8Array(LONGEST)
const runs = new Map<number, ZeroRun>()

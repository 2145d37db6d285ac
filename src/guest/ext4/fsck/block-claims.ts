import { findSet, setBits } from '../../../../lib/bitmap.js'

/**
 * The blocks found in use: one bit for each, group after group, so that a group's part compares byte by byte with
 * its bitmap on the medium. Bits past the end of the last group are set, as on the medium.
 */
export class BlockClaims {
  readonly bitmap: Uint8Array
  readonly #first: number

  constructor(firstDataBlock: number, blocksCount: number, padded: number) {
    this.#first = firstDataBlock
    this.bitmap = new Uint8Array(padded >>> 3)
    setBits(this.bitmap, 0, blocksCount - firstDataBlock, padded)
  }

  /** Claims `count` blocks from `start`. Returns the first one that was claimed before, -1 when none was. */
  claim(start: number, count: number): number {
    const from = start - this.#first
    const to = from + count
    if (count === 1) {
      const mask = 1 << (from & 7)
      if ((this.bitmap[from >>> 3]! & mask) !== 0) return start
      this.bitmap[from >>> 3]! |= mask
      return -1
    }
    const taken = findSet(this.bitmap, 0, from, to)
    setBits(this.bitmap, 0, from, to)
    return taken === to ? -1 : taken + this.#first
  }
}

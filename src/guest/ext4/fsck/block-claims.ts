import { findSet, setBits } from '../../../../lib/bitmap.js'

/**
 * The clusters found in use (blocks without bigalloc): one bit for each, group after group, so that a group's part
 * compares byte by byte with its bitmap on the medium. Bits past the end of the last group are set, as on the medium.
 */
export class BlockClaims {
  readonly bitmap: Uint8Array
  readonly #first: number
  readonly #ratio: number

  /** `padded`: blocks of all groups, were the last one full. `ratio`: blocks of a cluster. */
  constructor(firstDataBlock: number, blocksCount: number, padded: number, ratio: number) {
    this.#first = firstDataBlock
    this.#ratio = ratio
    this.bitmap = new Uint8Array(Math.ceil(padded / ratio / 8))
    setBits(this.bitmap, 0, (blocksCount - firstDataBlock) / ratio, padded / ratio)
  }

  /**
   * Claims the clusters of `count` blocks from `start`. Returns the first block of one that was claimed before, -1 when
   * none was.
   */
  claim(start: number, count: number): number {
    if (this.#ratio > 1) return this.#claimClusters(start, count)
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

  #claimClusters(start: number, count: number): number {
    const from = Math.floor(start / this.#ratio)
    const to = Math.ceil((start + count) / this.#ratio)
    const taken = findSet(this.bitmap, 0, from, to)
    setBits(this.bitmap, 0, from, to)
    return taken === to ? -1 : taken * this.#ratio
  }
}

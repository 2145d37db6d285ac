import { clearBits, findClear, findSet, setBits } from '../../lib/bitmap.js'
import { DirtyLog } from '../bus/dirty-log.js'

/** A set of pages of a region, of one thread. */
export class PageSet {
  readonly #bits: Uint8Array
  readonly #pages: number

  /** `size`: bytes of the region. */
  constructor(size: number) {
    this.#pages = Math.ceil(size / DirtyLog.PAGE_SIZE)
    this.#bits = new Uint8Array(Math.ceil(this.#pages / 8) + 1)
  }

  /** Adds the pages that `length` bytes at `offset` touch. */
  addBytes(offset: number, length: number): void {
    if (length <= 0) return
    const first = Math.floor(offset / DirtyLog.PAGE_SIZE)
    setBits(this.#bits, 0, first, Math.floor((offset + length - 1) / DirtyLog.PAGE_SIZE) + 1)
  }

  delete(first: number, count: number): void {
    clearBits(this.#bits, 0, first, first + count)
  }

  /** The first page of [from, to) that is in the set, `to` when none is. */
  next(from: number, to: number): number {
    return findSet(this.#bits, 0, from, to)
  }

  /** The first page of [from, to) that is not in the set, `to` when all are. */
  nextAbsent(from: number, to: number): number {
    return findClear(this.#bits, 0, from, to)
  }
}

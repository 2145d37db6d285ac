import { clearBits, findClear, findSet, setBits } from '../../lib/bitmap.js'
import { DirtyLog } from '../bus/dirty-log.js'

/** Pages of one part: those of 1 TiB. */
const PART = 2 ** 28

/** A set of pages of a region, of one thread. Parts that no page was added to take no memory. */
export class PageSet {
  readonly #parts: (Uint8Array | undefined)[]
  readonly #pages: number

  /** `size`: bytes of the region. */
  constructor(size: number) {
    this.#pages = Math.ceil(size / DirtyLog.PAGE_SIZE)
    this.#parts = new Array(Math.ceil(this.#pages / PART)).fill(undefined)
  }

  /** Adds the pages that `length` bytes at `offset` touch. */
  addBytes(offset: number, length: number): void {
    if (length <= 0) return
    const end = Math.floor((offset + length - 1) / DirtyLog.PAGE_SIZE) + 1
    for (let first = Math.floor(offset / DirtyLog.PAGE_SIZE); first < end; ) {
      const part = Math.floor(first / PART)
      const upTo = Math.min(end, (part + 1) * PART)
      setBits(this.#bits(part), 0, first % PART, ((upTo - 1) % PART) + 1)
      first = upTo
    }
  }

  delete(first: number, count: number): void {
    const end = first + count
    // Memory that was never written stays that way: the set of a large region is mostly empty.
    for (let from = this.next(first, end); from < end; ) {
      const part = Math.floor(from / PART)
      const upTo = Math.min(end, (part + 1) * PART)
      clearBits(this.#bits(part), 0, from % PART, ((upTo - 1) % PART) + 1)
      from = this.next(upTo, end)
    }
  }

  /** The first page of [from, to) that is in the set, `to` when none is. */
  next(from: number, to: number): number {
    return this.#find(findSet, from, to, to)
  }

  /** The first page of [from, to) that is not in the set, `to` when all are. */
  nextAbsent(from: number, to: number): number {
    return this.#find(findClear, from, to, from)
  }

  /** `inNone`: what is found in a part that has no page. */
  #find(find: typeof findSet, from: number, to: number, inNone: number): number {
    while (from < to) {
      const part = Math.floor(from / PART)
      const start = part * PART
      const upTo = Math.min(to, start + PART)
      const bits = this.#parts[part]
      if (bits !== undefined) {
        const found = find(bits, 0, from - start, upTo - start) + start
        if (found < upTo) return found
      } else if (inNone < to) {
        return from
      }
      from = upTo
    }
    return to
  }

  #bits(part: number): Uint8Array {
    this.#parts[part] ??= new Uint8Array(Math.min(PART, this.#pages - part * PART) / 8 + 2)
    return this.#parts[part]
  }
}

/**
 * Which pages of a region were stored to since the log was last taken: one bit per page, shared between the
 * thread that stores (the guest) and the thread that writes back (the host), as a hypervisor's dirty log is.
 *
 * Above the words of page bits stands a summary, one bit per word, so that taking the log costs what is dirty and not
 * what the region measures: a page bit is set before its summary bit, and the summary is cleared before the pages.
 */
export class DirtyLog {
  static readonly PAGE_SIZE = 4096
  readonly pages: number
  readonly memory: SharedArrayBuffer
  readonly #count: Int32Array
  readonly #summary: Int32Array
  readonly #words: Int32Array

  /** `memory` has {@link DirtyLog.bytesFor} bytes; both threads construct a log over the same memory. */
  constructor(size: number, memory = new SharedArrayBuffer(DirtyLog.bytesFor(size))) {
    const { pages, words, summary } = sizes(size)
    this.pages = pages
    this.memory = memory
    this.#count = new Int32Array(memory, 0, 1)
    this.#summary = new Int32Array(memory, 4, summary)
    this.#words = new Int32Array(memory, 4 + summary * 4, words)
  }

  static bytesFor(size: number): number {
    const { words, summary } = sizes(size)
    return 4 + (summary + words) * 4
  }

  /** Dirty pages now. */
  get count(): number {
    return Atomics.load(this.#count, 0)
  }

  /**
   * Marks the pages that `length` bytes at `offset` touch. Called after the bytes are stored: a bit cleared by a
   * concurrent {@link take} then always had its bytes in place, and a later bit only costs one more write.
   */
  mark(offset: number, length: number): void {
    if (length <= 0) return
    const first = Math.floor(offset / DirtyLog.PAGE_SIZE)
    const last = Math.floor((offset + length - 1) / DirtyLog.PAGE_SIZE)
    for (let word = first >>> 5; word <= last >>> 5; word++) {
      const low = word === first >>> 5 ? -1 << (first & 31) : -1
      const high = word === last >>> 5 ? -1 >>> (31 - (last & 31)) : -1
      // Not skipped for bits that look set: a load may run ahead of the store (x86 too), see the bit that a take is
      // about to clear, and leave the new bytes unmarked. The or is a full barrier.
      const added = low & high & ~Atomics.or(this.#words, word, low & high)
      if (added === 0) continue
      Atomics.or(this.#summary, word >>> 5, 1 << (word & 31))
      Atomics.add(this.#count, 0, populationCount(added))
    }
  }

  isDirty(page: number): boolean {
    return (Atomics.load(this.#words, page >>> 5) & (1 << (page & 31))) !== 0
  }

  /** Takes the log and clears it: the dirty pages in ascending order. */
  take(): number[] {
    const taken: number[] = []
    for (let group = 0; group < this.#summary.length; group++) {
      if (Atomics.load(this.#summary, group) === 0) continue
      for (let words = Atomics.exchange(this.#summary, group, 0); words !== 0; words &= words - 1) {
        const word = group * 32 + lowestBit(words)
        for (let bits = Atomics.exchange(this.#words, word, 0); bits !== 0; bits &= bits - 1) {
          taken.push(word * 32 + lowestBit(bits))
        }
      }
    }
    if (taken.length > 0) Atomics.sub(this.#count, 0, taken.length)
    return taken
  }

  /** Unmarks pages whose bytes nobody needs any more. Called once they are gone: a page taken meanwhile is written once more. */
  clear(first: number, count: number): void {
    if (count <= 0) return
    const last = first + count - 1
    for (let word = first >>> 5; word <= last >>> 5; word++) {
      const low = word === first >>> 5 ? -1 << (first & 31) : -1
      const high = word === last >>> 5 ? -1 >>> (31 - (last & 31)) : -1
      // Most of a large range was never stored to.
      if (Atomics.load(this.#words, word) === 0) continue
      const removed = low & high & Atomics.and(this.#words, word, ~(low & high))
      if (removed !== 0) Atomics.sub(this.#count, 0, populationCount(removed))
    }
  }

  /** Puts pages back that could not be written. */
  putBack(pages: readonly number[]): void {
    for (const page of pages) this.mark(page * DirtyLog.PAGE_SIZE, 1)
  }
}

/** How many pages a region of `size` bytes has, how many words hold their bits, and how many the summary of those. */
function sizes(size: number): { pages: number; words: number; summary: number } {
  const pages = Math.ceil(size / DirtyLog.PAGE_SIZE)
  const words = Math.ceil(pages / 32)
  return { pages, words, summary: Math.ceil(words / 32) }
}

/** Index of the lowest bit set; `word` is not 0. */
function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word)
}

/** Bits set in a 32-bit word. */
function populationCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

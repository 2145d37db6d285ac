/**
 * Which pages of a region were stored to since the log was last taken: one bit per page, shared between the
 * thread that stores (the guest) and the thread that writes back (the host), as a hypervisor's dirty log is.
 *
 * Above the words of page bits stands a summary, one bit per word, and above a long one another, so that taking the log
 * costs what is dirty and not what the region measures. A bit is set before the one above it, and taken after that.
 */
export class DirtyLog {
  static readonly PAGE_SIZE = 4096
  readonly pages: number
  readonly memory: SharedArrayBuffer
  readonly #count: Int32Array
  /** The words of page bits, then summaries, each of the one before. */
  readonly #levels: readonly Int32Array[]
  readonly #words: Int32Array

  /** `memory` has {@link DirtyLog.bytesFor} bytes; both threads construct a log over the same memory. */
  constructor(size: number, memory = new SharedArrayBuffer(DirtyLog.bytesFor(size))) {
    this.pages = Math.ceil(size / DirtyLog.PAGE_SIZE)
    this.memory = memory
    this.#count = new Int32Array(memory, 0, 1)
    let at = 4
    this.#levels = levelSizes(size).map((words) => {
      at += words * 4
      return new Int32Array(memory, at - words * 4, words)
    })
    this.#words = this.#levels[0] as Int32Array
  }

  static bytesFor(size: number): number {
    return 4 + levelSizes(size).reduce((sum, words) => sum + words * 4, 0)
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
    const end = wordOf(last)
    for (let word = wordOf(first); word <= end; word++) {
      const low = word === wordOf(first) ? -1 << (first & 31) : -1
      const high = word === end ? -1 >>> (31 - (last & 31)) : -1
      // Not skipped for bits that look set: a load may run ahead of the store (x86 too), see the bit that a take is
      // about to clear, and leave the new bytes unmarked. The or is a full barrier.
      const added = low & high & ~Atomics.or(this.#words, word, low & high)
      if (added === 0) continue
      for (let level = 1, index = word; level < this.#levels.length; level++, index >>>= 5)
        Atomics.or(this.#levels[level]!, index >>> 5, 1 << (index & 31))
      Atomics.add(this.#count, 0, populationCount(added))
    }
  }

  isDirty(page: number): boolean {
    return (Atomics.load(this.#words, wordOf(page)) & (1 << (page & 31))) !== 0
  }

  /** Takes the log and clears it: the dirty pages in ascending order. */
  take(): number[] {
    const taken: number[] = []
    const top = this.#levels.length - 1
    const words = this.#levels[top]!.length
    for (let word = 0; word < words; word++) this.#take(top, word, taken)
    if (taken.length > 0) Atomics.sub(this.#count, 0, taken.length)
    return taken
  }

  #take(level: number, word: number, taken: number[]): void {
    const words = this.#levels[level]!
    if (Atomics.load(words, word) === 0) return
    for (let bits = Atomics.exchange(words, word, 0); bits !== 0; bits &= bits - 1) {
      const index = word * 32 + lowestBit(bits)
      if (level === 0) taken.push(index)
      else this.#take(level - 1, index, taken)
    }
  }

  /** Unmarks pages whose bytes nobody needs any more. Called once they are gone: a page taken meanwhile is written once more. */
  clear(first: number, count: number): void {
    if (count <= 0) return
    const last = first + count - 1
    const end = wordOf(last)
    for (let word = wordOf(first); word <= end; word++) {
      const low = word === wordOf(first) ? -1 << (first & 31) : -1
      const high = word === end ? -1 >>> (31 - (last & 31)) : -1
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

/** A level of so many words is looked through without a summary. */
const SHORT = 1024

/** Words of each level of a region of `size` bytes: of page bits, of their summary, of its summary... */
function levelSizes(size: number): number[] {
  const levels = [Math.ceil(Math.ceil(size / DirtyLog.PAGE_SIZE) / 32)]
  while (levels.length < 2 || levels.at(-1)! > SHORT) levels.push(Math.ceil(levels.at(-1)! / 32))
  return levels
}

/** Pages of more than 16 TiB do not fit the 32 bits of a shift. */
function wordOf(page: number): number {
  return Math.floor(page / 32)
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

/**
 * Which pages of a region were stored to since the log was last taken: one bit per page, shared between the
 * thread that stores (the guest) and the thread that writes back (the host), as a hypervisor's dirty log is.
 */
export class DirtyLog {
  static readonly PAGE_SIZE = 4096
  readonly pages: number
  readonly #words: Int32Array
  readonly #count: Int32Array

  /** `memory` has {@link DirtyLog.bytesFor} bytes; both threads construct a log over the same memory. */
  constructor(size: number, memory = new SharedArrayBuffer(DirtyLog.bytesFor(size))) {
    this.pages = Math.ceil(size / DirtyLog.PAGE_SIZE)
    this.memory = memory
    this.#count = new Int32Array(memory, 0, 1)
    this.#words = new Int32Array(memory, 8)
  }

  readonly memory: SharedArrayBuffer

  static bytesFor(size: number): number {
    return 8 + Math.ceil(Math.ceil(size / DirtyLog.PAGE_SIZE) / 32) * 4
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
      if (added !== 0) Atomics.add(this.#count, 0, populationCount(added))
    }
  }

  isDirty(page: number): boolean {
    return (Atomics.load(this.#words, page >>> 5) & (1 << (page & 31))) !== 0
  }

  /** Takes the log and clears it: the dirty pages in ascending order. */
  take(): number[] {
    const taken: number[] = []
    if (this.count === 0) return taken
    for (let word = 0; word < this.#words.length; word++) {
      if (this.#words[word] === 0 && Atomics.load(this.#words, word) === 0) continue
      let bits = Atomics.exchange(this.#words, word, 0)
      while (bits !== 0) {
        const low = 31 - Math.clz32(bits & -bits)
        taken.push(word * 32 + low)
        bits &= bits - 1
      }
    }
    Atomics.sub(this.#count, 0, taken.length)
    return taken
  }

  /** Puts pages back that could not be written. */
  putBack(pages: readonly number[]): void {
    for (const page of pages) this.mark(page * DirtyLog.PAGE_SIZE, 1)
  }
}

/** Bits set in a 32-bit word. */
function populationCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

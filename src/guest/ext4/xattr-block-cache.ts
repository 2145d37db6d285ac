/**
 * Where to look for an attribute block of given content, so that inodes with the same attributes share it: by h_hash,
 * the blocks seen last. It is a hint; who uses it compares the content. A block must be forgotten when it is freed.
 */
export class XattrBlockCache {
  static readonly #LIMIT = 4096
  readonly #blocks = new Map<number, number>()
  readonly #hashes = new Map<number, number>()

  get(hash: number): number | undefined {
    return this.#blocks.get(hash)
  }

  /** The block has this h_hash now. 0 means that it cannot be shared. */
  set(block: number, hash: number): void {
    if (this.#hashes.get(block) === hash) return
    this.forget(block)
    if (hash === 0) return
    const before = this.#blocks.get(hash)
    if (before !== undefined) this.#hashes.delete(before)
    this.#blocks.set(hash, block)
    this.#hashes.set(block, hash)
    if (this.#hashes.size > XattrBlockCache.#LIMIT) this.#forgetOldest()
  }

  forget(block: number): void {
    const hash = this.#hashes.get(block)
    if (hash === undefined) return
    this.#hashes.delete(block)
    this.#blocks.delete(hash)
  }

  #forgetOldest(): void {
    for (const block of this.#hashes.keys()) {
      this.forget(block)
      return
    }
  }
}

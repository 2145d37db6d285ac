/** Whether a name is new to its directory, or stands there already: in the same block, or in another. */
export type Standing = 'new' | 'same block' | 'other block'

/** The names of one directory, to find one that stands there twice: a hash table of places, without a string. */
export class NameTable {
  #slots = new Int32Array(1024)
  #mask = 1023
  #used = 0
  readonly #hashes: number[] = []
  readonly #bytes: Uint8Array[] = []
  readonly #at: number[] = []

  /** Forgets all; there is room for `names` at first. */
  reset(names: number): void {
    let size = 256
    while (size < names * 2) size *= 2
    if (size > this.#slots.length) this.#slots = new Int32Array(size)
    else this.#slots.fill(0, 0, size)
    this.#mask = size - 1
    this.#used = 0
  }

  /**
   * Adds the name `bytes[at..at+length)` of the block that begins at `block`, its length two bytes before it as the entry
   * has it. Where it stands twice its last place counts.
   */
  add(bytes: Uint8Array, at: number, length: number, block: number): Standing {
    let hash = 0x811c9dc5
    for (let index = at; index < at + length; index++) hash = Math.imul(hash ^ bytes[index]!, 0x01000193)
    hash ^= hash >>> 15
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const known = this.#slots[slot]! - 1
      if (known < 0) {
        this.#hashes[this.#used] = hash
        this.#bytes[this.#used] = bytes
        this.#at[this.#used] = at
        this.#slots[slot] = ++this.#used
        return 'new'
      }
      if (this.#hashes[known] !== hash || !this.#same(known, bytes, at, length)) continue
      // Names are added in the order of the bytes of a block: what lies between its beginning and this one is its.
      const isNear = this.#bytes[known] === bytes && this.#at[known]! >= block && this.#at[known]! < at
      this.#bytes[known] = bytes
      this.#at[known] = at
      return isNear ? 'same block' : 'other block'
    }
  }

  /** The length of a known name stands two bytes before it (name_len, file_type, name). */
  #same(known: number, bytes: Uint8Array, at: number, length: number): boolean {
    const other = this.#bytes[known]!
    const otherAt = this.#at[known]!
    if (other[otherAt - 2] !== length) return false
    for (let index = 0; index < length; index++) {
      if (other[otherAt + index] !== bytes[at + index]) return false
    }
    return true
  }
}

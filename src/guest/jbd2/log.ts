import type { JournalMap } from './journal-map.js'

/**
 * The ring of journal blocks between the superblock and the end. Positions only grow; a position's place in the
 * ring is its remainder. From tail to head lie the blocks that recovery may read.
 */
export class Log {
  /** Blocks of the ring. */
  readonly length: number
  readonly #first: number
  readonly #blockSize: number
  readonly #map: JournalMap
  #tail = 0
  #head = 0

  constructor(options: { first: number; end: number; blockSize: number; map: JournalMap }) {
    this.length = options.end - options.first
    this.#first = options.first
    this.#blockSize = options.blockSize
    this.#map = options.map
  }

  /** Position of the next block written. */
  get head(): number {
    return this.#head
  }

  /** Blocks in use. */
  get used(): number {
    return this.#head - this.#tail
  }

  /** Blocks that may be written. One stays free, so that the end of a full ring does not meet its start. */
  get free(): number {
    return this.length - this.used - 1
  }

  /** Takes the next block and gives its position. */
  take(): number {
    if (this.free <= 0) throw new RangeError('journal: the log is full')
    return this.#head++
  }

  /** The blocks before `position` are no longer needed: the superblock on the medium starts there or later. */
  release(position: number): void {
    if (position < this.#tail || position > this.#head)
      throw new RangeError(`journal: release of ${position} outside ${this.#tail}..${this.#head}`)
    this.#tail = position
  }

  /** Journal block at `position`. */
  block(position: number): number {
    return this.#first + (position % this.length)
  }

  /** Place of `position` on the device; bytes. */
  offset(position: number): number {
    return this.#map.physical(this.block(position)) * this.#blockSize
  }
}

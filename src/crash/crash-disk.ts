import type { BlockDevice, DirectAccess } from '../guest/block/block-device.js'

const PAGE = 4096

/** A store made to a {@link CrashDisk} while it was recorded. */
export interface RecordedStore {
  readonly offset: number
  readonly bytes: Uint8Array
  /** Flushes before it. */
  readonly flushes: number
}

/**
 * A disk of memory that can be put back to its settled content at the price of the pages touched since: crash states
 * are laid over it, recovered, looked at and taken away again, without a copy of the image.
 */
export class CrashDisk implements BlockDevice {
  readonly name = 'crash0'
  readonly size: number
  readonly readOnly = false
  storeSequence = 0
  flushedSequence = 0
  flushes = 0
  /** Stores are kept here while it is set. */
  recorded: RecordedStore[] | undefined
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #settled: Uint8Array
  readonly #isTouched: Uint8Array
  readonly #touched: number[] = []

  /** `image` is copied. */
  constructor(image: Uint8Array) {
    this.size = image.length
    this.#bytes = image.slice()
    this.#view = new DataView(this.#bytes.buffer)
    this.#settled = image.slice()
    this.#isTouched = new Uint8Array(Math.ceil(image.length / PAGE))
  }

  /** What is visible now. Not to be written to. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Stores bytes that are there for good: {@link revert} keeps them. The range is not touched at the moment. */
  settle(offset: number, bytes: Uint8Array): void {
    this.#settled.set(bytes, offset)
    this.#bytes.set(bytes, offset)
  }

  /** Lays `source[from..to)` over the content. */
  lay(offset: number, source: Uint8Array, from: number, to: number): void {
    this.#touch(offset, to - from)
    this.#bytes.set(from === 0 && to === source.length ? source : source.subarray(from, to), offset)
  }

  /** Takes away all that was stored or laid over since the last time. */
  revert(): void {
    for (const page of this.#touched) {
      const at = page * PAGE
      this.#bytes.set(this.#settled.subarray(at, at + PAGE), at)
      this.#isTouched[page] = 0
    }
    this.#touched.length = 0
    this.storeSequence = 0
    this.flushedSequence = 0
    this.flushes = 0
    this.recorded = undefined
  }

  /** Pages that differ, perhaps, from the settled content. */
  get touched(): readonly number[] {
    return this.#touched
  }

  write(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    this.lay(offset, source, from, to)
    this.#stored(offset, to - from)
  }

  zero(offset: number, length: number): void {
    this.#touch(offset, length)
    this.#bytes.fill(0, offset, offset + length)
    this.#stored(offset, length)
  }

  copy(to: number, from: number, length: number): void {
    this.lay(to, this.#bytes, from, from + length)
    this.#stored(to, length)
  }

  directAccess(offset: number): DirectAccess {
    if (!(offset >= 0 && offset < this.size)) throw new RangeError(`offset ${offset} past ${this.size}`)
    return { bytes: this.#bytes, view: this.#view, at: offset, address: 0 }
  }

  async flush(): Promise<void> {
    this.flushes++
    this.flushedSequence = this.storeSequence
  }

  #touch(offset: number, length: number): void {
    if (!(offset >= 0 && offset + length <= this.size))
      throw new RangeError(`range ${offset}+${length} past ${this.size}`)
    const last = Math.floor((offset + length - 1) / PAGE)
    for (let page = Math.floor(offset / PAGE); page <= last; page++) {
      if (this.#isTouched[page] !== 0) continue
      this.#isTouched[page] = 1
      this.#touched.push(page)
    }
  }

  #stored(offset: number, length: number): void {
    this.storeSequence++
    this.recorded?.push({ offset, bytes: this.#bytes.slice(offset, offset + length), flushes: this.flushes })
  }
}

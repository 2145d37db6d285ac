import type { BlockDevice, DirectAccess } from '../src/guest/block/block-device.js'

/** A store that no completed flush covers. */
export interface Store {
  readonly sequence: number
  readonly offset: number
  readonly bytes: Uint8Array
}

/**
 * A disk of memory that keeps what is durable apart from what was stored, so that a test can look at every image
 * that a power failure may leave. Flushes resolve by themselves until {@link holdFlushes} is set.
 */
export class RamDisk implements BlockDevice {
  readonly name = 'ram0'
  readonly size: number
  readOnly = false
  storeSequence = 0
  flushedSequence = 0
  flushes = 0
  /** Flushes begun wait for {@link releaseFlush}. */
  holdFlushes = false
  /** The error of the next flush, once. */
  failFlush: Error | undefined
  /** The error of every store. */
  failStores: Error | undefined
  /** Called as a flush is about to complete: the last moment at which its stores may be lost. */
  beforeFlushed: (() => void) | undefined
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #durable: Uint8Array
  #pending: Store[] = []
  readonly #held: (() => void)[] = []

  /** `image` is copied. */
  constructor(image: Uint8Array) {
    this.size = image.length
    this.#bytes = image.slice()
    this.#view = new DataView(this.#bytes.buffer)
    this.#durable = image.slice()
  }

  /** What is visible now. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  get unflushed(): readonly Store[] {
    return this.#pending
  }

  /** Flushes begun and held. */
  get heldFlushes(): number {
    return this.#held.length
  }

  write(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    this.#store(offset, source.slice(from, to))
  }

  zero(offset: number, length: number): void {
    this.#store(offset, new Uint8Array(length))
  }

  copy(to: number, from: number, length: number): void {
    this.#store(to, this.#bytes.slice(from, from + length))
  }

  directAccess(offset: number): DirectAccess {
    if (!(offset >= 0 && offset < this.size)) throw new RangeError(`offset ${offset} past ${this.size}`)
    return { bytes: this.#bytes, view: this.#view, at: offset, address: 0 }
  }

  async flush(): Promise<void> {
    this.flushes++
    const covered = this.storeSequence
    if (this.holdFlushes) await new Promise<void>((resolve) => this.#held.push(resolve))
    this.beforeFlushed?.()
    const failure = this.failFlush
    this.failFlush = undefined
    if (failure !== undefined) throw failure
    for (const store of this.#pending) {
      if (store.sequence <= covered) this.#durable.set(store.bytes, store.offset)
    }
    this.#pending = this.#pending.filter((store) => store.sequence > covered)
    this.flushedSequence = Math.max(this.flushedSequence, covered)
  }

  /** Lets the oldest held flush go on. */
  releaseFlush(): void {
    this.#held.shift()?.()
  }

  /** What certainly survives a power failure. */
  durable(): Uint8Array {
    return this.#durable.slice()
  }

  /** A possible image after a power failure: what is durable and the unflushed stores that `keep` chooses. */
  crashImage(keep: (store: Store, index: number) => boolean): Uint8Array {
    const image = this.durable()
    this.#pending.forEach((store, index) => {
      if (keep(store, index)) image.set(store.bytes, store.offset)
    })
    return image
  }

  /**
   * Subsets of the unflushed stores, for {@link crashImage}: every prefix, every store missing, every store alone,
   * and `extra` ones drawn with `random` (0 <= x < 1).
   */
  *crashSubsets(random: () => number, extra: number): Generator<(store: Store, index: number) => boolean> {
    const count = this.#pending.length
    for (let cut = 0; cut <= count; cut++) yield (_, index) => index < cut
    for (let one = 0; one < count; one++) {
      yield (_, index) => index !== one
      yield (_, index) => index === one
    }
    for (let draw = 0; draw < extra; draw++) yield () => random() < 0.5
  }

  #store(offset: number, bytes: Uint8Array): void {
    if (this.failStores !== undefined) throw this.failStores
    if (this.readOnly) throw new TypeError('store to a read-only disk')
    if (!(offset >= 0 && offset + bytes.length <= this.size))
      throw new RangeError(`store ${offset}+${bytes.length} past ${this.size}`)
    this.#bytes.set(bytes, offset)
    this.#pending.push({ sequence: ++this.storeSequence, offset, bytes })
  }
}

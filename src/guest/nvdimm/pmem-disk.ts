import { FsError } from '../../../lib/errno.js'
import type { BlockDevice, DirectAccess } from '../block/block-device.js'
import type { NdRegion } from './nd-region.js'

/** Persistent memory as a block device with direct access: what Linux' drivers/nvdimm/pmem.c makes of an nd_region. */
export class PmemDisk implements BlockDevice {
  readonly name: string
  readonly size: number
  readonly readOnly: boolean
  readonly #ndRegion: NdRegion
  #flushedSequence = 0

  readonly flushAtOnce: (() => Promise<void> | undefined) | undefined

  /** `index` is the number in its name: `pmem0`. `atOnce`: {@link flushAtOnce} is wanted, where the region has it. */
  constructor(index: number, ndRegion: NdRegion, { atOnce = false }: { atOnce?: boolean } = {}) {
    this.name = `pmem${index}`
    this.size = ndRegion.region.size
    this.readOnly = ndRegion.region.readOnly
    this.#ndRegion = ndRegion
    this.flushAtOnce = atOnce && ndRegion.flushAtOnce !== undefined ? () => this.#flushAtOnce() : undefined
  }

  get storeSequence(): number {
    return this.#ndRegion.region.storeSequence
  }

  get flushedSequence(): number {
    return this.#flushedSequence
  }

  /** Throws FsError EIO for a range outside the device, EROFS when it is read-only; so do all that store. */
  write(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    this.#checkStore(offset, to - from)
    this.#ndRegion.region.store(offset, source, from, to)
  }

  writeNew(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    this.#checkStore(offset, to - from)
    this.#ndRegion.region.storeNew(offset, source, from, to)
  }

  zero(offset: number, length: number): void {
    this.#checkStore(offset, length)
    this.#ndRegion.region.zero(offset, length)
  }

  /**
   * No request of virtio-pmem says this (virtio 1.2, 5.19): it goes past the device, to the memory itself, as a
   * balloon's hints do.
   */
  discard(offset: number, length: number): void {
    this.#checkStore(offset, length)
    this.#ndRegion.region.discard(offset, length)
  }

  get discardGranularity(): number {
    return this.readOnly ? 0 : this.#ndRegion.region.discardGranularity
  }

  copy(to: number, from: number, length: number): void {
    this.#checkStore(to, length)
    this.#check(from, length)
    this.#ndRegion.region.copy(to, from, length)
  }

  directAccess(offset: number): DirectAccess {
    this.#check(offset, 1)
    return this.#ndRegion.region.directAccess(offset)
  }

  /** What was stored while the flush is under way is not covered by it, whatever the host did. */
  async flush(): Promise<void> {
    await this.#covering(this.storeSequence, () => this.#ndRegion.flush())
  }

  #flushAtOnce(): Promise<void> | undefined {
    const covered = this.storeSequence
    let wait: Promise<void> | undefined
    try {
      wait = this.#ndRegion.flushAtOnce?.()
    } catch (error) {
      throw this.#failed(error)
    }
    if (wait !== undefined) return this.#covering(covered, () => wait)
    this.#flushedSequence = Math.max(this.#flushedSequence, covered)
    return undefined
  }

  async #covering(covered: number, flush: () => Promise<void>): Promise<void> {
    try {
      await flush()
    } catch (error) {
      throw this.#failed(error)
    }
    this.#flushedSequence = Math.max(this.#flushedSequence, covered)
  }

  #failed(error: unknown): unknown {
    if (error instanceof FsError && error.code === 'EIO') return error
    return new FsError('EIO', `${this.name}: flush failed`, { cause: error })
  }

  #checkStore(offset: number, length: number): void {
    if (this.readOnly) throw new FsError('EROFS', `${this.name} is read-only`)
    this.#check(offset, length)
  }

  #check(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.size) return
    throw new FsError('EIO', `${this.name}: range ${offset}+${length} beyond ${this.size} bytes`)
  }
}

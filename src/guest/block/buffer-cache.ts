import type { BlockDevice } from './block-device.js'
import { BufferHead } from './buffer-head.js'
import { ShadowPool } from './shadow-pool.js'

/** The metadata blocks of a device. Clean ones are views of pmem and are forgotten when there are many. */
export class BufferCache {
  readonly device: BlockDevice
  readonly blockSize: number
  readonly blockCount: number
  readonly #heads = new Map<number, BufferHead>()
  readonly #pool: ShadowPool
  static readonly #CLEAN_LIMIT = 16384
  #shadows = 0

  constructor(device: BlockDevice, blockSize: number) {
    this.device = device
    this.blockSize = blockSize
    this.blockCount = Math.floor(device.size / blockSize)
    this.#pool = new ShadowPool(blockSize)
  }

  /** Shadow copies held now. */
  get shadows(): number {
    return this.#shadows
  }

  /** The block's buffer head. Throws RangeError past the device: callers check block numbers read from the medium. */
  get(block: number): BufferHead {
    const known = this.#heads.get(block)
    if (known !== undefined) return known
    if (!(block >= 0 && block < this.blockCount))
      throw new RangeError(`block ${block} past the device of ${this.blockCount}`)
    const home = this.device.directAccess(block * this.blockSize)
    const head = new BufferHead(block, home.view, home.bytes, home.at)
    this.#heads.set(block, head)
    return head
  }

  /** Gives the head a shadow with its present content, or zeroes when `fresh`. Nothing to do when it has one. */
  makeShadow(head: BufferHead, fresh = false): void {
    if (head.shadow === undefined) {
      const shadow = this.#pool.take()
      if (!fresh) shadow.bytes.set(head.bytes.subarray(head.at, head.at + this.blockSize), shadow.at)
      head.shadow = shadow
      head.bytes = shadow.bytes
      head.view = shadow.view
      head.at = shadow.at
      this.#shadows++
    }
    if (fresh) head.bytes.fill(0, head.at, head.at + this.blockSize)
  }

  /** Lets the head look at pmem again; what its shadow held is gone. */
  dropShadow(head: BufferHead): void {
    if (head.shadow === undefined) return
    this.#pool.give(head.shadow)
    this.#shadows--
    head.shadow = undefined
    const home = this.device.directAccess(head.block * this.blockSize)
    head.view = home.view
    head.bytes = home.bytes
    head.at = home.at
    head.verified = false
  }

  /**
   * Forgets the clean heads when there are many. Called between operations only: an operation may hold a clean
   * head while it asks for others.
   */
  trim(): void {
    if (this.#heads.size - this.#shadows < BufferCache.#CLEAN_LIMIT) return
    for (const [block, head] of this.#heads) {
      if (head.shadow === undefined) this.#heads.delete(block)
    }
  }
}

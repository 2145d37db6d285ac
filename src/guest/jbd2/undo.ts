import type { BufferCache } from '../block/buffer-cache.js'
import type { BufferHead, BufferTrigger } from '../block/buffer-head.js'
import { type Shadow, ShadowPool } from '../block/shadow-pool.js'
import type { Transaction } from './transaction.js'

const JOINED = 0
const LEFT = 1
const SHADOWED = 2
const CHANGED = 3
const REVOKED = 4
const UNREVOKED = 5

/**
 * How to take back what one handle did: a list of steps, each with its inverse, undone in reverse order. The list
 * and the memory for pre-images are used again by the next handle.
 */
export class Undo {
  readonly #cache: BufferCache
  readonly #pool: ShadowPool
  readonly #steps: number[] = []
  readonly #heads: BufferHead[] = []
  readonly #triggers: (BufferTrigger | undefined)[] = []
  readonly #images: Shadow[] = []
  #imagesUsed = 0

  constructor(cache: BufferCache) {
    this.#cache = cache
    this.#pool = new ShadowPool(cache.blockSize)
  }

  get empty(): boolean {
    return this.#steps.length === 0
  }

  /** Before the head's first shadow is made. */
  shadowed(head: BufferHead): void {
    this.#push(SHADOWED, head)
  }

  /** Before the bytes of a shadow change: keeps them. */
  changed(head: BufferHead): void {
    let image = this.#images[this.#imagesUsed]
    if (image === undefined) {
      image = this.#pool.take()
      this.#images.push(image)
    }
    this.#imagesUsed++
    image.bytes.set(head.bytes.subarray(head.at, head.at + this.#cache.blockSize), image.at)
    this.#push(CHANGED, head)
  }

  joined(head: BufferHead): void {
    this.#push(JOINED, head)
  }

  left(head: BufferHead): void {
    this.#push(LEFT, head)
  }

  revoked(head: BufferHead): void {
    this.#push(REVOKED, head)
  }

  unrevoked(head: BufferHead): void {
    this.#push(UNREVOKED, head)
  }

  reset(): void {
    this.#steps.length = 0
    this.#heads.length = 0
    this.#triggers.length = 0
    this.#imagesUsed = 0
  }

  revert(transaction: Transaction): void {
    for (let step = this.#steps.length - 1; step >= 0; step--) {
      const head = this.#heads[step] as BufferHead
      head.trigger = this.#triggers[step]
      this.#invert(this.#steps[step] as number, head, transaction)
    }
    this.reset()
  }

  #push(step: number, head: BufferHead): void {
    this.#steps.push(step)
    this.#heads.push(head)
    this.#triggers.push(head.trigger)
  }

  #invert(step: number, head: BufferHead, transaction: Transaction): void {
    switch (step) {
      case JOINED:
        transaction.blocks.delete(head)
        break
      case LEFT:
        transaction.blocks.add(head)
        break
      case SHADOWED:
        this.#cache.dropShadow(head)
        break
      case CHANGED: {
        const image = this.#images[--this.#imagesUsed] as Shadow
        head.bytes.set(image.bytes.subarray(image.at, image.at + this.#cache.blockSize), head.at)
        break
      }
      case REVOKED:
        transaction.revokes.delete(head.block)
        break
      case UNREVOKED:
        transaction.revokes.add(head.block)
        break
    }
  }
}

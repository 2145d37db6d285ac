import { FsError } from '../../lib/errno.js'
import type { GuestMemory } from './guest-memory.js'

interface Extent {
  address: number
  length: number
}

/**
 * The part of guest memory that a driver takes rings and request buffers from: first fit over a list of free
 * extents in ascending order, neighbours joined. Made for few and long-lived buffers, not for a path per byte.
 */
export class DmaMemory {
  readonly memory: GuestMemory
  readonly #free: Extent[]
  readonly #taken = new Map<number, number>()
  #allocated = 0

  /** Manages `size` bytes at guest-physical `start`; by default all of `memory`. */
  constructor(
    memory: GuestMemory,
    start: number = memory.start,
    size: number = memory.start + memory.size - start,
  ) {
    memory.offset(start, size)
    this.memory = memory
    this.#free = size > 0 ? [{ address: start, length: size }] : []
  }

  /** Bytes taken. */
  get allocated(): number {
    return this.#allocated
  }

  /** Takes `size` (1 or more) zeroed bytes at a multiple of `align`, a power of two. Throws FsError ENOMEM. */
  allocate(size: number, align = 16): number {
    const address = this.tryAllocate(size, align)
    if (address === undefined)
      throw new FsError('ENOMEM', `no ${size} bytes of DMA memory left, ${this.#allocated} are taken`)
    return address
  }

  /** As {@link allocate}, but `undefined` when there is no room. */
  tryAllocate(size: number, align = 16): number | undefined {
    if (!(Number.isSafeInteger(size) && size > 0)) throw new RangeError(`allocation of ${size} bytes`)
    if (!(align > 0 && Number.isInteger(Math.log2(align))))
      throw new RangeError(`alignment to ${align} bytes`)
    for (let at = 0; at < this.#free.length; at++) {
      const extent = this.#free[at]!
      const address = Math.ceil(extent.address / align) * align
      const before = address - extent.address
      const after = extent.length - before - size
      if (after < 0) continue
      const rest: Extent[] = []
      if (before > 0) rest.push({ address: extent.address, length: before })
      if (after > 0) rest.push({ address: address + size, length: after })
      this.#free.splice(at, 1, ...rest)
      this.#taken.set(address, size)
      this.#allocated += size
      this.memory.fill(address, size)
      return address
    }
    return undefined
  }

  /** Gives back what {@link allocate} returned. Throws RangeError for any other address. */
  free(address: number): void {
    const length = this.#taken.get(address)
    if (length === undefined) throw new RangeError(`0x${address.toString(16)} is not allocated`)
    this.#taken.delete(address)
    this.#allocated -= length
    let at = this.#free.findIndex((extent) => extent.address > address)
    if (at < 0) at = this.#free.length
    this.#free.splice(at, 0, { address, length })
    this.#join(at)
    this.#join(at - 1)
  }

  /** Joins the extent at `at` with the one after it when they touch. */
  #join(at: number): void {
    const left = this.#free[at]
    const right = this.#free[at + 1]
    if (left === undefined || right === undefined || left.address + left.length !== right.address) return
    left.length += right.length
    this.#free.splice(at + 1, 1)
  }
}

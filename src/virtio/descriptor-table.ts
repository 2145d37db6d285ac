import type { GuestMemory } from '../bus/guest-memory.js'
import { VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VirtqDesc } from './ring.js'

/** Bytes of guest memory that a device may read or write. */
export interface BufferRange {
  /** Guest-physical. */
  address: number
  length: number
}

/**
 * The driver's side of a queue's descriptor table. The list of free descriptors, and the links of those in use, are
 * kept apart from the shared table: nothing that a device writes there can lead the driver astray.
 */
export class DescriptorTable {
  readonly #memory: GuestMemory
  /** Index of the table in the memory's bytes. */
  readonly #at: number
  /** What follows each descriptor, in its chain or in the free list. */
  readonly #next: Uint16Array
  #freeHead = 0
  #free: number

  /** All `size` descriptors at guest-physical `address` are free. */
  constructor(memory: GuestMemory, address: number, size: number) {
    this.#memory = memory
    this.#at = memory.offset(address, size * VirtqDesc.SIZE)
    this.#next = Uint16Array.from({ length: size }, (_, index) => index + 1)
    this.#free = size
  }

  /** Free descriptors. */
  get free(): number {
    return this.#free
  }

  /** Links `readable` and then `writable` ranges to a chain. There must be as many free descriptors. Returns its head. */
  take(readable: readonly BufferRange[], writable: readonly BufferRange[]): number {
    const count = readable.length + writable.length
    const head = this.#freeHead
    let index = head
    for (let link = 0; link < count; link++) {
      const next = this.#next[index]!
      const isWritable = link >= readable.length
      const range = isWritable ? writable[link - readable.length]! : readable[link]!
      const flags = isWritable ? VIRTQ_DESC_F_WRITE : 0
      const at = this.#at + index * VirtqDesc.SIZE
      if (link + 1 < count) writeDescriptor(this.#memory, at, range, flags | VIRTQ_DESC_F_NEXT, next)
      else writeDescriptor(this.#memory, at, range, flags, 0)
      index = next
    }
    this.#freeHead = index
    this.#free -= count
    return head
  }

  /** Takes one descriptor for `range` with `flags`. One must be free. */
  takeOne(range: BufferRange, flags: number): number {
    const head = this.#freeHead
    writeDescriptor(this.#memory, this.#at + head * VirtqDesc.SIZE, range, flags, 0)
    this.#freeHead = this.#next[head]!
    this.#free--
    return head
  }

  /** Gives back the chain of `count` descriptors that starts at `head`. */
  release(head: number, count: number): void {
    let last = head
    for (let left = count; left > 1; left--) last = this.#next[last]!
    this.#next[last] = this.#freeHead
    this.#freeHead = head
    this.#free += count
  }
}

/** Fills the descriptor at index `at` of the memory's bytes. */
function writeDescriptor(
  memory: GuestMemory,
  at: number,
  range: BufferRange,
  flags: number,
  next: number,
): void {
  const { view } = memory
  VirtqDesc.addr.set(view, at, range.address)
  VirtqDesc.len.set(view, at, range.length)
  VirtqDesc.flags.set(view, at, flags)
  VirtqDesc.next.set(view, at, next)
}

import type { DmaMemory } from '../bus/dma-memory.js'
import type { GuestMemory } from '../bus/guest-memory.js'
import { type BufferRange, DescriptorTable } from './descriptor-table.js'
import { type FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from './features.js'
import {
  checkQueueAddresses,
  needEvent,
  type QueueAddresses,
  QueueError,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_USED_F_NO_NOTIFY,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from './ring.js'

/** What the device handed back. */
export interface UsedBuffer<T> {
  token: T
  /** Bytes the device says it wrote; nothing beyond them may be relied on (2.7.8.3). */
  length: number
}

export interface DriverQueueOptions {
  memory: GuestMemory
  queue: QueueAddresses
  /** As negotiated. */
  features: FeatureSet
  /** Tells the device that buffers are available. */
  notify: () => void
  /** For indirect tables; without it none are used. */
  dma?: DmaMemory
}

/** A chain that the device has. */
interface Pending<T> {
  token: T
  /** Descriptors it takes in the queue's own table. */
  descriptors: number
  /** Bytes the device may write. */
  writable: number
  /** Address of the indirect table, if it has one. */
  table: number | undefined
}

/**
 * The driver half of a split virtqueue.
 *
 * 1. A chain is complete in the table and the ring before the available index that publishes it (2.7.13.3.1).
 * 2. The index is published before the device's wish for notification is read (2.7.13.4.1).
 * 3. After interrupts are enabled, the used ring is looked at again (2.7.7).
 * 4. A used element is accepted only for a chain in flight; anything else breaks the queue until the device is reset.
 */
export class DriverQueue<T> {
  readonly size: number
  readonly addresses: QueueAddresses
  readonly #memory: GuestMemory
  readonly #notify: () => void
  readonly #dma: DmaMemory | undefined
  readonly #eventIndex: boolean
  readonly #table: DescriptorTable
  readonly #driverArea: number
  readonly #usedEvent: number
  readonly #deviceArea: number
  readonly #availEvent: number
  /** By head, in order of {@link add}. */
  readonly #pending = new Map<number, Pending<T>>()
  #availableIndex = 0
  #usedIndex = 0
  /** Chains published since the last {@link kick}. */
  #added = 0
  #interrupts = true
  #broken = false

  /** Over zeroed rings. Throws {@link QueueError} when they are misaligned or not in `memory`. */
  constructor(options: DriverQueueOptions) {
    const { memory, queue, features } = options
    this.#eventIndex = features.has(VIRTIO_F_EVENT_IDX)
    checkQueueAddresses(memory, queue, this.#eventIndex)
    this.size = queue.size
    this.addresses = queue
    this.#memory = memory
    this.#notify = options.notify
    this.#dma = features.has(VIRTIO_F_INDIRECT_DESC) ? options.dma : undefined
    this.#table = new DescriptorTable(memory, queue.descriptorArea, queue.size)
    this.#driverArea = queue.driverArea
    this.#usedEvent = queue.driverArea + VirtqAvail.SIZE + 2 * queue.size
    this.#deviceArea = queue.deviceArea
    this.#availEvent = queue.deviceArea + VirtqUsed.SIZE + VirtqUsedElem.SIZE * queue.size
  }

  get freeDescriptors(): number {
    return this.#table.free
  }

  /** Chains that the device has. */
  get inFlight(): number {
    return this.#pending.size
  }

  /** The device broke a rule of the ring, or was reset under the queue: it needs a reset and a new queue. */
  get broken(): boolean {
    return this.#broken
  }

  /**
   * Makes one chain available: `readable` ranges first, then `writable` (2.7.4.2). Returns false when the table has
   * no room: wait for {@link getUsed}. Does not notify, see {@link kick}. Throws BusError for a range that is not RAM.
   */
  add(readable: readonly BufferRange[], writable: readonly BufferRange[], token: T): boolean {
    const count = readable.length + writable.length
    if (count === 0 || count > this.size)
      throw new RangeError(`chain of ${count} ranges, queue size ${this.size}`)
    if (this.#broken) throw new QueueError('no longer usable, reset the device')
    let total = 0
    for (const range of [...readable, ...writable]) {
      this.#memory.offset(range.address, range.length)
      total += range.length
    }
    if (total > 0x1_0000_0000) throw new RangeError(`chain of ${total} bytes, at most 2^32`)

    const table = count > 1 && this.#table.free > 0 ? this.#writeIndirect(readable, writable) : undefined
    const descriptors = table === undefined ? count : 1
    if (descriptors > this.#table.free) return false
    const head =
      table === undefined
        ? this.#table.take(readable, writable)
        : this.#table.takeOne({ address: table, length: count * VirtqDesc.SIZE }, VIRTQ_DESC_F_INDIRECT)
    const bytes = writable.reduce((sum, range) => sum + range.length, 0)
    this.#pending.set(head, { token, descriptors, writable: bytes, table })
    this.#publish(head)
    return true
  }

  /** Notifies the device of what was added, if it asked for that. Returns whether it did. */
  kick(): boolean {
    const added = this.#added
    if (added === 0) return false
    this.#added = 0
    let wanted: boolean
    if (this.#eventIndex) {
      const event = this.#memory.load16(this.#availEvent)
      wanted = added > 0xffff || needEvent(event, this.#availableIndex, this.#availableIndex - added)
    } else {
      const flags = this.#memory.load16(this.#deviceArea + VirtqUsed.flags.offset)
      wanted = (flags & VIRTQ_USED_F_NO_NOTIFY) === 0
    }
    if (wanted) this.#notify()
    return wanted
  }

  /** Takes the next chain that the device is done with, or `undefined`. Throws {@link QueueError} (invariant 4). */
  getUsed(): UsedBuffer<T> | undefined {
    if (this.#broken) throw new QueueError('no longer usable, reset the device')
    const published = this.#memory.load16(this.#deviceArea + VirtqUsed.idx.offset)
    if (published === this.#usedIndex) return undefined
    const ahead = (published - this.#usedIndex) & 0xffff
    if (ahead > this.#pending.size)
      throw this.#break(`used index moved by ${ahead}, ${this.#pending.size} chains are in flight`)
    const slot = this.#usedIndex & (this.size - 1)
    const at = this.#deviceArea + VirtqUsed.SIZE + VirtqUsedElem.SIZE * slot - this.#memory.start
    const head = VirtqUsedElem.id.get(this.#memory.view, at)
    const length = VirtqUsedElem.len.get(this.#memory.view, at)
    const pending = this.#pending.get(head)
    if (pending === undefined) throw this.#break(`used descriptor ${head} is not in flight`)
    if (length > pending.writable)
      throw this.#break(`${length} bytes written to descriptor ${head}, which has ${pending.writable}`)
    this.#pending.delete(head)
    this.#release(head, pending)
    this.#usedIndex = (this.#usedIndex + 1) & 0xffff
    if (this.#eventIndex && this.#interrupts) this.#memory.store16(this.#usedEvent, this.#usedIndex)
    return { token: pending.token, length }
  }

  /** Asks the device not to interrupt. It may all the same (2.7.7). */
  disableInterrupts(): void {
    this.#interrupts = false
    // With EVENT_IDX the flags stay 0 (2.7.7.1); the event index simply is not moved on any more.
    if (!this.#eventIndex)
      this.#memory.store16(this.#driverArea + VirtqAvail.flags.offset, VIRTQ_AVAIL_F_NO_INTERRUPT)
  }

  /** Asks for an interrupt for the next used chain. True when one is already there: no interrupt will tell of it. */
  enableInterrupts(): boolean {
    this.#interrupts = true
    if (this.#eventIndex) this.#memory.store16(this.#usedEvent, this.#usedIndex)
    else this.#memory.store16(this.#driverArea + VirtqAvail.flags.offset, 0)
    return this.#memory.load16(this.#deviceArea + VirtqUsed.idx.offset) !== this.#usedIndex
  }

  /**
   * Takes back every chain in flight, in the order they were added. Only after the device was reset: until then it may
   * still write to the buffers ("a driver MUST ensure a virtqueue isn't live before removing exposed buffers", 3.3.1).
   * The queue ends with it: set up a new one.
   */
  detachUnused(): T[] {
    this.#broken = true
    const tokens: T[] = []
    for (const [head, pending] of this.#pending) {
      tokens.push(pending.token)
      this.#release(head, pending)
    }
    this.#pending.clear()
    return tokens
  }

  #publish(head: number): void {
    const { view, start } = this.#memory
    const slot = this.#availableIndex & (this.size - 1)
    view.setUint16(this.#driverArea + VirtqAvail.SIZE + 2 * slot - start, head, true)
    this.#availableIndex = (this.#availableIndex + 1) & 0xffff
    this.#added++
    this.#memory.store16(this.#driverArea + VirtqAvail.idx.offset, this.#availableIndex)
  }

  /** A table of its own for the chain, or nothing when DMA memory is full: direct descriptors always are a way. */
  #writeIndirect(readable: readonly BufferRange[], writable: readonly BufferRange[]): number | undefined {
    const count = readable.length + writable.length
    const address = this.#dma?.tryAllocate(count * VirtqDesc.SIZE, VirtqDesc.SIZE)
    if (address !== undefined) new DescriptorTable(this.#memory, address, count).take(readable, writable)
    return address
  }

  #release(head: number, pending: Pending<T>): void {
    this.#table.release(head, pending.descriptors)
    if (pending.table !== undefined) this.#dma?.free(pending.table)
  }

  #break(message: string): QueueError {
    this.#broken = true
    return new QueueError(message)
  }
}

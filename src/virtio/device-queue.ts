import type { GuestMemory } from '../bus/guest-memory.js'
import { type DescriptorChain, type WalkOptions, walkChain } from './descriptor-chain.js'
import { type FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from './features.js'
import {
  checkQueueAddresses,
  needEvent,
  type QueueAddresses,
  QueueError,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_USED_F_NO_NOTIFY,
  VirtqAvail,
  VirtqUsed,
  VirtqUsedElem,
} from './ring.js'

/** Where a device stands in a queue: what migration carries. Both run free modulo 2^16. */
export interface QueuePosition {
  nextAvailable: number
  nextUsed: number
}

/**
 * The device half of a split virtqueue. Everything read from the ring is the driver's word and is checked.
 *
 * 1. `len` of a used element is stored before the used `idx` that publishes it (2.7.8.2).
 * 2. After notifications are enabled, the available ring is looked at again (2.7.10).
 * 3. At most Queue Size chains are in flight, each head once (2.7).
 * 4. After {@link stop} neither ring nor buffers are touched.
 */
export class DeviceQueue {
  readonly size: number
  readonly #memory: GuestMemory
  readonly #walk: WalkOptions
  readonly #eventIndex: boolean
  readonly #availAt: number
  readonly #usedAt: number
  readonly #availFlags: number
  readonly #availIdx: number
  readonly #usedEvent: number
  readonly #usedFlags: number
  readonly #usedIdx: number
  readonly #availEvent: number
  readonly #taken: Uint8Array
  #inFlight = 0
  #nextAvailable = 0
  #nextUsed = 0
  /** Elements added since {@link needsInterrupt} was asked. */
  #added = 0
  #stopped = false

  /** `features` are the negotiated ones. Throws {@link QueueError} for a queue outside `memory` or misaligned. */
  constructor(memory: GuestMemory, queue: QueueAddresses, features: FeatureSet) {
    const { size, descriptorArea, driverArea, deviceArea } = queue
    this.#eventIndex = features.has(VIRTIO_F_EVENT_IDX)
    checkQueueAddresses(memory, queue, this.#eventIndex)
    this.size = size
    this.#memory = memory
    const indirect = features.has(VIRTIO_F_INDIRECT_DESC)
    this.#walk = { memory, tableAt: descriptorArea - memory.start, size, indirect }
    this.#availFlags = driverArea + VirtqAvail.flags.offset
    this.#availIdx = driverArea + VirtqAvail.idx.offset
    this.#availAt = driverArea + VirtqAvail.SIZE - memory.start
    this.#usedEvent = driverArea + VirtqAvail.SIZE + 2 * size
    this.#usedFlags = deviceArea + VirtqUsed.flags.offset
    this.#usedIdx = deviceArea + VirtqUsed.idx.offset
    this.#usedAt = deviceArea + VirtqUsed.SIZE - memory.start
    this.#availEvent = deviceArea + VirtqUsed.SIZE + VirtqUsedElem.SIZE * size
    this.#taken = new Uint8Array(size)
  }

  /** Chains popped and not yet used. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Index, modulo 2^16, of the next chain that {@link pop} takes. */
  get nextAvailable(): number {
    return this.#nextAvailable
  }

  /** The used index that was published last, modulo 2^16. */
  get nextUsed(): number {
    return this.#nextUsed
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** Ends the use of the queue (invariant 4): {@link pop} finds nothing more and {@link addUsed} does nothing. */
  stop(): void {
    this.#stopped = true
  }

  /** Continues from where the device stood before a migration. Throws when chains are in flight. */
  restore(position: QueuePosition): void {
    if (this.#inFlight !== 0) throw new QueueError(`restore with ${this.#inFlight} chains in flight`)
    this.#nextAvailable = position.nextAvailable & 0xffff
    this.#nextUsed = position.nextUsed & 0xffff
  }

  /**
   * The available index as it is now: a limit for {@link pop}. What was made available before this call is before
   * the limit. Throws {@link QueueError} without head when the driver moved it by more than the ring holds.
   */
  availableIndex(): number {
    if (this.#stopped) return this.#nextAvailable
    const index = this.#memory.load16(this.#availIdx)
    const ahead = (index - this.#nextAvailable) & 0xffff
    if (ahead > this.size)
      throw new QueueError(`available index moved by ${ahead} from ${this.#nextAvailable}, size ${this.size}`)
    return index
  }

  /**
   * Takes the next chain before `limit`, or `undefined`. Throws {@link QueueError} for a chain that breaks a rule; its
   * place in the ring is then consumed. With `head` set the chain counts as in flight and may be handed back with
   * length 0.
   */
  pop(limit: number = this.availableIndex()): DescriptorChain | undefined {
    if (this.#stopped || limit === this.#nextAvailable) return undefined
    if (((limit - this.#nextAvailable) & 0xffff) > this.size)
      throw new QueueError(`limit ${limit} is not ahead of ${this.#nextAvailable}`)
    const slot = this.#nextAvailable & (this.size - 1)
    const head = this.#memory.view.getUint16(this.#availAt + 2 * slot, true)
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff
    if (head >= this.size) throw new QueueError(`head ${head} of a table of ${this.size}`)
    if (this.#taken[head] === 1) throw new QueueError(`head ${head} is already in flight`)
    this.#taken[head] = 1
    this.#inFlight++
    return walkChain(this.#walk, head)
  }

  /** Hands back the chain at `head`, into which the first `length` bytes were written. Publishes it at once. */
  addUsed(head: number, length: number): void {
    if (this.#stopped) return
    if (this.#taken[head] !== 1) throw new RangeError(`used descriptor ${head} is not in flight`)
    this.#taken[head] = 0
    this.#inFlight--
    const at = this.#usedAt + VirtqUsedElem.SIZE * (this.#nextUsed & (this.size - 1))
    VirtqUsedElem.id.set(this.#memory.view, at, head)
    VirtqUsedElem.len.set(this.#memory.view, at, length)
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff
    this.#added++
    this.#memory.store16(this.#usedIdx, this.#nextUsed)
  }

  /**
   * Whether the driver wants to be interrupted for what was added since the last call. 2.7.7.2. The used index was
   * stored before, in the same total order, so a driver that enables interrupts either sees it or is seen.
   */
  needsInterrupt(): boolean {
    const added = this.#added
    if (this.#stopped || added === 0) return false
    this.#added = 0
    if (!this.#eventIndex) return (this.#memory.load16(this.#availFlags) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0
    // The index went round completely: whatever the event is, it was passed.
    if (added > 0xffff) return true
    return needEvent(this.#memory.load16(this.#usedEvent), this.#nextUsed, this.#nextUsed - added)
  }

  /** Asks the driver not to notify. It may all the same (2.7.10.1). */
  disableNotification(): void {
    // With EVENT_IDX the flags stay 0 (2.7.10.2); the event index left behind does not come up again soon.
    if (!this.#stopped && !this.#eventIndex) this.#memory.store16(this.#usedFlags, VIRTQ_USED_F_NO_NOTIFY)
  }

  /** Asks to be notified of the next chain. True when one is already there: no notification will tell of it. */
  enableNotification(): boolean {
    if (this.#stopped) return false
    if (this.#eventIndex) this.#memory.store16(this.#availEvent, this.#nextAvailable)
    else this.#memory.store16(this.#usedFlags, 0)
    return this.availableIndex() !== this.#nextAvailable
  }
}

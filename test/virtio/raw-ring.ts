import { GuestMemory } from '../../src/bus/guest-memory.js'
import type { QueueAddresses } from '../../src/virtio/ring.js'

export interface RawDescriptor {
  addr?: number
  len?: number
  flags?: number
  next?: number
}

/**
 * A split virtqueue written and read by hand, with the offsets of the specification as plain numbers: the other side
 * for a test of one half, able to do everything that a correct half never would.
 */
export class RawRing {
  static readonly START = 0x4000_0000
  /** Where buffers may be: behind the rings. */
  static readonly BUFFERS = RawRing.START + 0x8000
  static readonly INDIRECT = RawRing.START + 0x6000
  readonly memory = new GuestMemory({ start: RawRing.START, size: 0x1_0000 })
  readonly queue: QueueAddresses
  readonly #size: number
  #availIdx = 0
  #usedIdx = 0

  constructor(size = 8) {
    this.#size = size
    this.queue = {
      size,
      descriptorArea: RawRing.START,
      driverArea: RawRing.START + 0x2000,
      deviceArea: RawRing.START + 0x4000,
    }
  }

  setDescriptor(index: number, descriptor: RawDescriptor, table: number = this.queue.descriptorArea): void {
    const at = table - RawRing.START + 16 * index
    const { view } = this.memory
    view.setBigUint64(at, BigInt(descriptor.addr ?? RawRing.BUFFERS), true)
    view.setUint32(at + 8, descriptor.len ?? 4, true)
    view.setUint16(at + 12, descriptor.flags ?? 0, true)
    view.setUint16(at + 14, descriptor.next ?? 0, true)
  }

  descriptor(index: number, table: number = this.queue.descriptorArea): Required<RawDescriptor> {
    const at = table - RawRing.START + 16 * index
    const { view } = this.memory
    return {
      addr: Number(view.getBigUint64(at, true)),
      len: view.getUint32(at + 8, true),
      flags: view.getUint16(at + 12, true),
      next: view.getUint16(at + 14, true),
    }
  }

  /** As a driver: puts `heads` into the available ring. */
  makeAvailable(...heads: number[]): void {
    for (const head of heads) {
      this.#word(this.queue.driverArea + 4 + 2 * (this.#availIdx % this.#size), head)
      this.#availIdx = (this.#availIdx + 1) & 0xffff
    }
    this.availIdx = this.#availIdx
  }

  /** As a device: puts an element into the used ring. */
  makeUsed(id: number, len: number): void {
    const at = this.queue.deviceArea + 4 + 8 * (this.#usedIdx % this.#size)
    this.memory.store32(at, id)
    this.memory.store32(at + 4, len)
    this.#usedIdx = (this.#usedIdx + 1) & 0xffff
    this.usedIdx = this.#usedIdx
  }

  usedElement(slot: number): { id: number; len: number } {
    const at = this.queue.deviceArea + 4 + 8 * slot
    return { id: this.memory.load32(at), len: this.memory.load32(at + 4) }
  }

  availElement(slot: number): number {
    return this.memory.load16(this.queue.driverArea + 4 + 2 * slot)
  }

  get availFlags(): number {
    return this.memory.load16(this.queue.driverArea)
  }
  set availFlags(value: number) {
    this.#word(this.queue.driverArea, value)
  }

  get availIdx(): number {
    return this.memory.load16(this.queue.driverArea + 2)
  }
  set availIdx(value: number) {
    this.#availIdx = value & 0xffff
    this.#word(this.queue.driverArea + 2, value)
  }

  get usedEvent(): number {
    return this.memory.load16(this.queue.driverArea + 4 + 2 * this.#size)
  }
  set usedEvent(value: number) {
    this.#word(this.queue.driverArea + 4 + 2 * this.#size, value)
  }

  get usedFlags(): number {
    return this.memory.load16(this.queue.deviceArea)
  }
  set usedFlags(value: number) {
    this.#word(this.queue.deviceArea, value)
  }

  get usedIdx(): number {
    return this.memory.load16(this.queue.deviceArea + 2)
  }
  set usedIdx(value: number) {
    this.#usedIdx = value & 0xffff
    this.#word(this.queue.deviceArea + 2, value)
  }

  get availEvent(): number {
    return this.memory.load16(this.queue.deviceArea + 4 + 8 * this.#size)
  }
  set availEvent(value: number) {
    this.#word(this.queue.deviceArea + 4 + 8 * this.#size, value)
  }

  #word(address: number, value: number): void {
    this.memory.store16(address, value)
  }
}

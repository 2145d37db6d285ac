import { DmaMemory } from '../../src/bus/dma-memory.js'
import { GuestMemory } from '../../src/bus/guest-memory.js'
import type { DeviceTransport } from '../../src/virtio/device.js'
import { DeviceQueue } from '../../src/virtio/device-queue.js'
import { FeatureSet } from '../../src/virtio/features.js'
import {
  allocateQueue,
  type QueueAddresses,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from '../../src/virtio/ring.js'

const POISON = 0x5a5a_5a5a

/** A buffer as a driver describes it: what the device may read, or how many bytes it may write. */
export type Part = Uint8Array | number

/** A FLUSH as Linux sends it. */
export const FLUSH: readonly Part[] = [Uint8Array.of(0, 0, 0, 0), 4]

/** The driver's side of one queue, written by hand: it can also say what no driver should. */
export class RequestRing implements DeviceTransport {
  readonly queue: DeviceQueue
  /** Used buffer notifications so far. */
  notified = 0
  resets = 0
  readonly #memory = new GuestMemory({ size: 1 << 20 })
  readonly #dma = new DmaMemory(this.#memory, 4096)
  readonly #addresses: QueueAddresses
  readonly #responses = new Map<number, number>()
  #nextDescriptor = 0
  #available = 0

  constructor(size = 16) {
    this.#addresses = allocateQueue(this.#dma, size)
    this.queue = new DeviceQueue(this.#memory, this.#addresses, new FeatureSet())
  }

  notifyUsed(): void {
    this.notified++
  }

  needsReset(): void {
    this.resets++
  }

  updateConfig(): void {
    throw new Error('no configuration of this device changes')
  }

  /** Makes one chain available, its descriptors in the given order. Returns its head. */
  add(parts: readonly Part[]): number {
    const head = this.#nextDescriptor % this.#addresses.size
    for (const [index, part] of parts.entries()) {
      const last = index === parts.length - 1
      this.#describe(head, part, last ? 0 : VIRTQ_DESC_F_NEXT)
    }
    this.publish(head)
    return head
  }

  /** Puts `head` in the available ring, whatever it is. */
  publish(head: number): void {
    const { driverArea, size } = this.#addresses
    this.#memory.store16(driverArea + VirtqAvail.SIZE + 2 * (this.#available % size), head)
    this.#available = (this.#available + 1) & 0xffff
    this.#memory.store16(driverArea + VirtqAvail.idx.offset, this.#available)
  }

  /** The used ring in order. */
  used(): { head: number; length: number; ret: number }[] {
    const { deviceArea, size } = this.#addresses
    const count = this.#memory.load16(deviceArea + VirtqUsed.idx.offset)
    return Array.from({ length: count }, (_, index) => {
      const at = deviceArea + VirtqUsed.SIZE + VirtqUsedElem.SIZE * (index % size)
      const head = this.#memory.load32(at + VirtqUsedElem.id.offset)
      const length = this.#memory.load32(at + VirtqUsedElem.len.offset)
      return { head, length, ret: this.#memory.load32(this.#responses.get(head) ?? 0) }
    })
  }

  #describe(head: number, part: Part, flags: number): void {
    const { size, descriptorArea } = this.#addresses
    const index = this.#nextDescriptor++ % size
    const length = typeof part === 'number' ? part : part.length
    const address = this.#dma.allocate(Math.max(length, 4))
    if (typeof part === 'number') {
      this.#memory.store32(address, POISON)
      this.#responses.set(head, address)
    } else {
      this.#memory.write(address, part)
    }
    const at = descriptorArea - this.#memory.start + index * VirtqDesc.SIZE
    const { view } = this.#memory
    VirtqDesc.addr.set(view, at, address)
    VirtqDesc.len.set(view, at, length)
    VirtqDesc.flags.set(view, at, flags | (typeof part === 'number' ? VIRTQ_DESC_F_WRITE : 0))
    VirtqDesc.next.set(view, at, this.#nextDescriptor % size)
  }
}

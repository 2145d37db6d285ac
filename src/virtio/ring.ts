import { FsError } from '../../lib/errno.js'
import { layout, le16, le32, le64 } from '../../lib/layout.js'
import type { DmaMemory } from '../bus/dma-memory.js'
import type { GuestMemory } from '../bus/guest-memory.js'

/** struct virtq_desc. virtio 1.2, 2.7.5 "The Virtqueue Descriptor Table". Aligned to 16. */
export const VirtqDesc = layout('virtq_desc', 16, {
  addr: le64(0x0),
  len: le32(0x8),
  flags: le16(0xc),
  next: le16(0xe),
})

export const VIRTQ_DESC_F_NEXT = 1
/** The buffer is written by the device; otherwise it is read. */
export const VIRTQ_DESC_F_WRITE = 2
/** The buffer holds a table of descriptors. 2.7.5.3. */
export const VIRTQ_DESC_F_INDIRECT = 4

/** The fixed head of struct virtq_avail; `le16 ring[N]` and with EVENT_IDX `le16 used_event` follow. 2.7.6. Aligned to 2. */
export const VirtqAvail = layout('virtq_avail', 4, {
  flags: le16(0x0),
  idx: le16(0x2),
})
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1

/** The fixed head of struct virtq_used; `virtq_used_elem ring[N]` and with EVENT_IDX `le16 avail_event` follow. 2.7.8. Aligned to 4. */
export const VirtqUsed = layout('virtq_used', 4, {
  flags: le16(0x0),
  idx: le16(0x2),
})
export const VIRTQ_USED_F_NO_NOTIFY = 1

/** struct virtq_used_elem: the head of a chain that is done and the bytes written to it. 2.7.8. */
export const VirtqUsedElem = layout('virtq_used_elem', 8, {
  id: le32(0x0),
  len: le32(0x4),
})

/** "The maximum Queue Size value is 32768." 2.7. */
export const VIRTQ_SIZE_MAX = 32768

/** Where the three parts of a split virtqueue are, by guest-physical address. */
export interface QueueAddresses {
  /** Descriptors: a power of two, 1..32768. */
  size: number
  /** The descriptor table. */
  descriptorArea: number
  /** The available ring. */
  driverArea: number
  /** The used ring. */
  deviceArea: number
}

/** The other side of a queue broke a rule of the ring. */
export class QueueError extends FsError {
  /** The chain it is about, when that can still be handed back as used; otherwise the queue cannot go on. */
  readonly head: number | undefined

  constructor(message: string, head?: number) {
    super('EPROTO', `virtqueue: ${message}`)
    this.head = head
  }
}

export function descriptorAreaSize(size: number): number {
  return VirtqDesc.SIZE * size
}

/** Bytes of the available ring, `used_event` included. */
export function driverAreaSize(size: number): number {
  return VirtqAvail.SIZE + 2 * size + 2
}

/** Bytes of the used ring, `avail_event` included. */
export function deviceAreaSize(size: number): number {
  return VirtqUsed.SIZE + VirtqUsedElem.SIZE * size + 2
}

export function isValidQueueSize(size: number): boolean {
  return Number.isInteger(size) && size >= 1 && size <= VIRTQ_SIZE_MAX && (size & (size - 1)) === 0
}

/** Whether the three addresses have the alignment of 2.7 (16, 2, 4) and `size` is allowed. */
export function isValidQueue(queue: QueueAddresses): boolean {
  return (
    isValidQueueSize(queue.size) &&
    queue.descriptorArea % 16 === 0 &&
    queue.driverArea % 2 === 0 &&
    queue.deviceArea % 4 === 0
  )
}

/** Throws {@link QueueError} unless `queue` is valid and lies in `memory`; `withEvent` says that the event fields exist. */
export function checkQueueAddresses(memory: GuestMemory, queue: QueueAddresses, withEvent = true): void {
  const event = withEvent ? 0 : 2
  const text = JSON.stringify(queue)
  if (!isValidQueue(queue)) throw new QueueError(`bad size or alignment: ${text}`)
  if (
    !memory.contains(queue.descriptorArea, descriptorAreaSize(queue.size)) ||
    !memory.contains(queue.driverArea, driverAreaSize(queue.size) - event) ||
    !memory.contains(queue.deviceArea, deviceAreaSize(queue.size) - event)
  ) {
    throw new QueueError(`outside guest memory: ${text}`)
  }
}

/** Takes zeroed memory for a queue of `size` descriptors. Throws FsError ENOMEM, and has taken nothing then. */
export function allocateQueue(dma: DmaMemory, size: number): QueueAddresses {
  const taken: number[] = []
  const take = (length: number, align: number): number => {
    const address = dma.allocate(length, align)
    taken.push(address)
    return address
  }
  try {
    const descriptorArea = take(descriptorAreaSize(size), 16)
    const driverArea = take(driverAreaSize(size), 2)
    return { size, descriptorArea, driverArea, deviceArea: take(deviceAreaSize(size), 4) }
  } catch (error) {
    for (const address of taken) dma.free(address)
    throw error
  }
}

export function freeQueue(dma: DmaMemory, queue: QueueAddresses): void {
  dma.free(queue.descriptorArea)
  dma.free(queue.driverArea)
  dma.free(queue.deviceArea)
}

/**
 * Whether moving an index from `oldIndex` to `newIndex` passed `event`, all modulo 2^16: the other side asked to be
 * told when the entry at `event` is written. 2.7.7.2 and 2.7.10, in the form for a batch.
 */
export function needEvent(event: number, newIndex: number, oldIndex: number): boolean {
  return ((newIndex - event - 1) & 0xffff) < ((newIndex - oldIndex) & 0xffff)
}

import { FsError } from '../../lib/errno.js'
import type { DmaMemory } from '../bus/dma-memory.js'
import type { Mmio } from '../bus/mmio.js'
import type { SharedMemoryRegion } from './device.js'
import { DriverQueue } from './driver-queue.js'
import { FeatureSet, VIRTIO_F_VERSION_1 } from './features.js'
import {
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW,
  VIRTIO_MMIO_QUEUE_DRIVER_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_QUEUE_SIZE,
  VIRTIO_MMIO_QUEUE_SIZE_MAX,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_SHM_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VERSION,
  VIRTIO_MMIO_VERSION_2,
} from './mmio-offsets.js'
import { allocateQueue, freeQueue, type QueueAddresses } from './ring.js'
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
} from './status.js'

/** Larger rings than this only cost memory: a driver has few requests under way. */
const QUEUE_SIZE_DEFAULT = 256

export interface VirtioMmioTransportOptions {
  /** Called between two polls of a register that the device has to change: pass time, or let the device run. */
  relax?: (attempt: number) => void
  /** Polls before the device is given up. */
  attempts?: number
}

/**
 * The driver's end of the registers. The order of initialisation is that of virtio 1.2, 3.1.1: {@link negotiate} (reset,
 * ACKNOWLEDGE, DRIVER, features, FEATURES_OK, read it back), {@link createQueue}, {@link driverOk}. Status bits are only
 * ever added (2.1.1).
 */
export class VirtioMmioTransport {
  readonly #mmio: Mmio
  readonly #relax: (attempt: number) => void
  readonly #attempts: number
  #features = new FeatureSet()

  constructor(mmio: Mmio, options: VirtioMmioTransportOptions = {}) {
    this.#mmio = mmio
    this.#relax = options.relax ?? (() => {})
    this.#attempts = options.attempts ?? 10_000
  }

  /** The features negotiated last. */
  get features(): FeatureSet {
    return this.#features
  }

  get status(): number {
    return this.#mmio.read32(VIRTIO_MMIO_STATUS)
  }

  /** The device is broken until {@link reset}; nothing under way may be relied on to complete (2.1.1). */
  get needsReset(): boolean {
    return (this.status & VIRTIO_CONFIG_S_NEEDS_RESET) !== 0
  }

  /** The device id. Throws FsError ENODEV when there is no virtio-mmio device of version 2, or it is a placeholder. */
  probe(): number {
    const magic = this.#mmio.read32(VIRTIO_MMIO_MAGIC_VALUE)
    if (magic !== VIRTIO_MMIO_MAGIC)
      throw new FsError('ENODEV', `virtio-mmio: magic is 0x${magic.toString(16)}`)
    const version = this.#mmio.read32(VIRTIO_MMIO_VERSION)
    if (version !== VIRTIO_MMIO_VERSION_2) throw new FsError('ENODEV', `virtio-mmio: version ${version}`)
    const id = this.#mmio.read32(VIRTIO_MMIO_DEVICE_ID)
    if (id === 0) throw new FsError('ENODEV', 'virtio-mmio: no device')
    return id
  }

  /** Resets the device and waits until it has let go of all queues. Throws FsError ETIMEDOUT. */
  reset(): void {
    this.#mmio.write32(VIRTIO_MMIO_STATUS, 0)
    this.#poll('the device to reset', () => this.status === 0)
    this.#features = new FeatureSet()
  }

  /**
   * Resets the device and agrees on the features: those `wanted` that are offered, and VERSION_1. When that fails it
   * sets FAILED and throws FsError ENODEV.
   */
  negotiate(wanted: FeatureSet): FeatureSet {
    this.reset()
    this.#addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE)
    this.#addStatus(VIRTIO_CONFIG_S_DRIVER)
    const features = this.#offered().and(wanted.with(VIRTIO_F_VERSION_1))
    if (!features.has(VIRTIO_F_VERSION_1)) return this.#refuse('is a legacy device')
    this.#mmio.write32(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0)
    this.#mmio.write32(VIRTIO_MMIO_DRIVER_FEATURES, features.low)
    this.#mmio.write32(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1)
    this.#mmio.write32(VIRTIO_MMIO_DRIVER_FEATURES, features.high)
    this.#addStatus(VIRTIO_CONFIG_S_FEATURES_OK)
    if ((this.status & VIRTIO_CONFIG_S_FEATURES_OK) === 0) return this.#refuse(`refuses ${features}`)
    this.#features = features
    return features
  }

  /** The largest Queue Size of queue `index`, 0 when there is no such queue. */
  queueSizeMax(index: number): number {
    this.#mmio.write32(VIRTIO_MMIO_QUEUE_SEL, index)
    return this.#mmio.read32(VIRTIO_MMIO_QUEUE_SIZE_MAX)
  }

  /**
   * Allocates queue `index` from `dma` and hands it to the device. `size` is a power of two, by default the largest up
   * to 256. Throws FsError ENODEV when there is no such queue, ENOMEM, or EIO when the device refuses it.
   */
  createQueue<T>(index: number, dma: DmaMemory, size?: number): DriverQueue<T> {
    const sizeMax = this.queueSizeMax(index)
    if (sizeMax === 0) throw new FsError('ENODEV', `virtio-mmio: no queue ${index}`)
    const queue = allocateQueue(dma, size ?? Math.min(sizeMax, QUEUE_SIZE_DEFAULT))
    try {
      this.setQueue(index, queue)
    } catch (error) {
      freeQueue(dma, queue)
      throw error
    }
    const notify = (): void => this.notify(index)
    return new DriverQueue<T>({ memory: dma.memory, queue, features: this.#features, notify, dma })
  }

  /** Tells the device where queue `index` is. Throws FsError EIO when it does not take it. 4.2.3.2. */
  setQueue(index: number, queue: QueueAddresses): void {
    this.#mmio.write32(VIRTIO_MMIO_QUEUE_SEL, index)
    if (this.#mmio.read32(VIRTIO_MMIO_QUEUE_READY) !== 0)
      throw new FsError('EIO', `virtio-mmio: queue ${index} is in use`)
    this.#mmio.write32(VIRTIO_MMIO_QUEUE_SIZE, queue.size)
    this.#write64(VIRTIO_MMIO_QUEUE_DESC_LOW, queue.descriptorArea)
    this.#write64(VIRTIO_MMIO_QUEUE_DRIVER_LOW, queue.driverArea)
    this.#write64(VIRTIO_MMIO_QUEUE_DEVICE_LOW, queue.deviceArea)
    this.#mmio.write32(VIRTIO_MMIO_QUEUE_READY, 1)
    if (this.#mmio.read32(VIRTIO_MMIO_QUEUE_READY) !== 1)
      throw new FsError('EIO', `virtio-mmio: queue ${index} of ${queue.size} refused`)
  }

  /** Takes queue `index` from the device and waits until it has let go. Throws FsError ETIMEDOUT. */
  disableQueue(index: number): void {
    this.#mmio.write32(VIRTIO_MMIO_QUEUE_SEL, index)
    this.#mmio.write32(VIRTIO_MMIO_QUEUE_READY, 0)
    this.#poll(`queue ${index} to stop`, () => this.#mmio.read32(VIRTIO_MMIO_QUEUE_READY) === 0)
  }

  driverOk(): void {
    this.#addStatus(VIRTIO_CONFIG_S_DRIVER_OK)
  }

  /** The driver gives the device up. */
  fail(): void {
    this.#addStatus(VIRTIO_CONFIG_S_FAILED)
  }

  notify(index: number): void {
    this.#mmio.write32(VIRTIO_MMIO_QUEUE_NOTIFY, index)
  }

  /** The reasons for the interrupt (VIRTIO_INT_VRING, VIRTIO_INT_CONFIG), acknowledged before they are acted on. */
  acknowledgeInterrupt(): number {
    const reasons = this.#mmio.read32(VIRTIO_MMIO_INTERRUPT_STATUS)
    if (reasons !== 0) this.#mmio.write32(VIRTIO_MMIO_INTERRUPT_ACK, reasons)
    return reasons
  }

  readConfig32(offset: number): number {
    return this.#mmio.read32(VIRTIO_MMIO_CONFIG + offset)
  }

  /** Two reads are not one: repeated until no change of the configuration came between them (2.5.1). Below 2^53. */
  readConfig64(offset: number): number {
    let value = 0
    this.#poll('a stable configuration', () => {
      const before = this.#mmio.read32(VIRTIO_MMIO_CONFIG_GENERATION)
      value = this.readConfig32(offset) + this.readConfig32(offset + 4) * 0x1_0000_0000
      return this.#mmio.read32(VIRTIO_MMIO_CONFIG_GENERATION) === before
    })
    return value
  }

  /** Shared memory region `id`, if the device has it. */
  sharedMemory(id: number): SharedMemoryRegion | undefined {
    this.#mmio.write32(VIRTIO_MMIO_SHM_SEL, id)
    const lengthLow = this.#mmio.read32(VIRTIO_MMIO_SHM_LEN_LOW)
    const lengthHigh = this.#mmio.read32(VIRTIO_MMIO_SHM_LEN_LOW + 4)
    if (lengthLow === 0xffff_ffff && lengthHigh === 0xffff_ffff) return undefined
    return {
      id,
      base: this.#read64(VIRTIO_MMIO_SHM_BASE_LOW),
      length: lengthLow + lengthHigh * 0x1_0000_0000,
    }
  }

  #offered(): FeatureSet {
    this.#mmio.write32(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0)
    const low = this.#mmio.read32(VIRTIO_MMIO_DEVICE_FEATURES)
    this.#mmio.write32(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1)
    return new FeatureSet(low, this.#mmio.read32(VIRTIO_MMIO_DEVICE_FEATURES))
  }

  #refuse(why: string): never {
    this.fail()
    throw new FsError('ENODEV', `virtio-mmio: the device ${why}`)
  }

  #addStatus(bit: number): void {
    this.#mmio.write32(VIRTIO_MMIO_STATUS, this.status | bit)
  }

  #read64(lowOffset: number): number {
    return this.#mmio.read32(lowOffset) + this.#mmio.read32(lowOffset + 4) * 0x1_0000_0000
  }

  #write64(lowOffset: number, value: number): void {
    this.#mmio.write32(lowOffset, value >>> 0)
    this.#mmio.write32(lowOffset + 4, Math.floor(value / 0x1_0000_0000))
  }

  #poll(what: string, done: () => boolean): void {
    for (let attempt = 0; attempt < this.#attempts; attempt++) {
      if (done()) return
      this.#relax(attempt)
    }
    throw new FsError('ETIMEDOUT', `virtio-mmio: waited in vain for ${what}`)
  }
}

import type { VirtioDeviceIdentity } from './device.js'
import {
  FeatureSet,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from './features.js'
import type { QueueAddresses } from './ring.js'
import { isValidQueueSize } from './ring.js'
import { VIRTIO_CONFIG_S_DRIVER_OK } from './status.js'

/** Word indices of the state that a device has once. */
const Word = {
  status: 0,
  interruptStatus: 1,
  configSequence: 2,
  notified: 3,
  deviceId: 4,
  vendorId: 5,
  deviceFeaturesLow: 6,
  deviceFeaturesHigh: 7,
  driverFeaturesLow: 8,
  driverFeaturesHigh: 9,
  deviceFeaturesSel: 10,
  driverFeaturesSel: 11,
  queueSel: 12,
  sharedMemorySel: 13,
  queueCount: 14,
  configSize: 15,
} as const
export type StateWord = keyof typeof Word

/** Word indices of the state of one queue, relative to its first. */
const QueueWord = {
  sizeMax: 0,
  size: 1,
  /** See {@link QUEUE_READY}. */
  ready: 2,
  descriptorLow: 3,
  descriptorHigh: 4,
  driverLow: 5,
  driverHigh: 6,
  deviceLow: 7,
  deviceHigh: 8,
} as const
export type QueueStateWord = keyof typeof QueueWord

const QUEUES_AT = 16
const QUEUE_WORDS = 10
const QUEUES_MAX = 16
const REGIONS_AT = QUEUES_AT + QUEUE_WORDS * QUEUES_MAX
const REGION_WORDS = 4
const REGIONS_MAX = 4
const CONFIG_AT = (REGIONS_AT + REGION_WORDS * REGIONS_MAX) * 4
const CONFIG_MAX = 256

/** The driver asked for a reset that the device has not made yet. Beside the eight bits that the driver sees. */
const STATUS_RESETTING = 0x100
const STATUS_BITS = 0xff

export const QUEUE_DISABLED = 0
export const QUEUE_READY = 1
/** The driver wrote 0 to QueueReady; the device has not let go of the queue yet. */
export const QUEUE_STOPPING = 2

/** What both halves implement; a device must not offer bits that nobody honours (virtio 1.2, 2.2.2). */
const DEVICE_BITS = new FeatureSet(0x00ff_ffff, 0xfffc_0600)
const SUPPORTED = FeatureSet.of(
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_VERSION_1,
  VIRTIO_F_ACCESS_PLATFORM,
)

/**
 * The content of a virtio-mmio register file, in memory that two threads share.
 *
 * The vcpu's thread executes register accesses ({@link VirtioMmioRegisters}: what a hypervisor does on a trapped
 * exit), the device's thread acts on them ({@link VirtioMmioDevice}). Every word has one writer, but for these:
 *
 *   status       both set bits by atomic or; the vcpu stores 0 before DRIVER_OK, the device's thread after it
 *   interrupt    the device sets bits, the vcpu clears them, both atomically
 *   notified     the vcpu sets the bit of a queue, the device takes all bits at once
 *   queue ready  the vcpu goes 0 -> 1, and before DRIVER_OK 1 -> 0; then 1 -> 2, and the device 2 -> 0
 *   reset        before DRIVER_OK the vcpu clears everything at once; after it the vcpu sets RESETTING and then writes
 *                nothing, and the device's thread clears everything when it has let go of the queues, status last
 */
export class VirtioMmioState {
  static readonly SIZE = CONFIG_AT + CONFIG_MAX
  readonly memory: SharedArrayBuffer
  /** The device-specific configuration, as long as the device has one. */
  readonly config: Uint8Array
  readonly queueCount: number
  readonly #words: Int32Array

  /** Over memory that {@link create} has filled, perhaps in another thread. */
  constructor(memory: SharedArrayBuffer) {
    if (memory.byteLength !== VirtioMmioState.SIZE)
      throw new RangeError(`virtio-mmio state of ${memory.byteLength} bytes, has ${VirtioMmioState.SIZE}`)
    this.memory = memory
    this.#words = new Int32Array(memory)
    this.queueCount = this.get('queueCount')
    this.config = new Uint8Array(memory, CONFIG_AT, this.get('configSize'))
  }

  /** The state of a device after power on. Throws RangeError for an identity that the registers cannot show. */
  static create(identity: VirtioDeviceIdentity): VirtioMmioState {
    const regions = identity.sharedMemory ?? []
    checkIdentity(identity)
    const words = new Int32Array(new SharedArrayBuffer(VirtioMmioState.SIZE))
    const features = identity.features.with(VIRTIO_F_VERSION_1)
    words[Word.deviceId] = identity.deviceId
    words[Word.vendorId] = identity.vendorId ?? 0
    words[Word.deviceFeaturesLow] = features.low
    words[Word.deviceFeaturesHigh] = features.high
    words[Word.queueCount] = identity.queueSizeMax.length
    words[Word.configSize] = identity.config.length
    for (const [index, sizeMax] of identity.queueSizeMax.entries()) {
      words[QUEUES_AT + index * QUEUE_WORDS + QueueWord.sizeMax] = sizeMax
      words[QUEUES_AT + index * QUEUE_WORDS + QueueWord.size] = sizeMax
    }
    // The region of an id is kept at that place; length 0 says that there is none.
    for (const region of regions) {
      const at = REGIONS_AT + region.id * REGION_WORDS
      words[at] = region.length >>> 0
      words[at + 1] = high(region.length)
      words[at + 2] = region.base >>> 0
      words[at + 3] = high(region.base)
    }
    const state = new VirtioMmioState(words.buffer)
    state.config.set(identity.config)
    return state
  }

  get(word: StateWord): number {
    return Atomics.load(this.#words, Word[word]) >>> 0
  }

  set(word: StateWord, value: number): void {
    Atomics.store(this.#words, Word[word], value)
  }

  /** A word of queue `index`, which must exist. */
  getQueue(index: number, word: QueueStateWord): number {
    return Atomics.load(this.#words, QUEUES_AT + index * QUEUE_WORDS + QueueWord[word]) >>> 0
  }

  setQueue(index: number, word: QueueStateWord, value: number): void {
    Atomics.store(this.#words, QUEUES_AT + index * QUEUE_WORDS + QueueWord[word], value)
  }

  queueAddresses(index: number): QueueAddresses {
    const wide = (lowWord: QueueStateWord, highWord: QueueStateWord): number =>
      this.getQueue(index, highWord) * 0x1_0000_0000 + this.getQueue(index, lowWord)
    return {
      size: this.getQueue(index, 'size'),
      descriptorArea: wide('descriptorLow', 'descriptorHigh'),
      driverArea: wide('driverLow', 'driverHigh'),
      deviceArea: wide('deviceLow', 'deviceHigh'),
    }
  }

  /** The eight status bits. */
  get status(): number {
    return this.get('status') & STATUS_BITS
  }

  setStatusBits(bits: number): void {
    Atomics.or(this.#words, Word.status, bits & STATUS_BITS)
  }

  get resetRequested(): boolean {
    return (this.get('status') & STATUS_RESETTING) !== 0
  }

  /**
   * Asks the device's thread for a reset. False when the device holds nothing, as it does before DRIVER_OK: then the
   * caller completes the reset itself. (Status may read 0 there, and 0 must not be read while a reset is pending.)
   */
  requestReset(): boolean {
    for (;;) {
      const before = Atomics.load(this.#words, Word.status)
      if ((before & VIRTIO_CONFIG_S_DRIVER_OK) === 0) return false
      if (Atomics.compareExchange(this.#words, Word.status, before, before | STATUS_RESETTING) === before)
        return true
    }
  }

  /** Nobody uses a queue any more: everything goes back to the state after power on, at last the status. */
  completeReset(): void {
    for (let index = 0; index < this.queueCount; index++) {
      for (const word of Object.keys(QueueWord) as QueueStateWord[])
        if (word !== 'sizeMax') this.setQueue(index, word, 0)
      this.setQueue(index, 'size', this.getQueue(index, 'sizeMax'))
    }
    this.set('driverFeaturesLow', 0)
    this.set('driverFeaturesHigh', 0)
    this.set('notified', 0)
    this.set('interruptStatus', 0)
    this.set('status', 0)
  }

  get offeredFeatures(): FeatureSet {
    return new FeatureSet(this.get('deviceFeaturesLow'), this.get('deviceFeaturesHigh'))
  }

  get acceptedFeatures(): FeatureSet {
    return new FeatureSet(this.get('driverFeaturesLow'), this.get('driverFeaturesHigh'))
  }

  setInterruptBits(bits: number): void {
    Atomics.or(this.#words, Word.interruptStatus, bits)
  }

  clearInterruptBits(bits: number): void {
    Atomics.and(this.#words, Word.interruptStatus, ~bits)
  }

  setNotified(queueIndex: number): void {
    Atomics.or(this.#words, Word.notified, 1 << queueIndex)
  }

  /** The queues notified since the last call, bit per queue. */
  takeNotified(): number {
    return Atomics.exchange(this.#words, Word.notified, 0)
  }

  /** Stores into the configuration. The sequence is odd meanwhile, so that a reader in the other thread waits. */
  changeConfig(offset: number, bytes: Uint8Array): void {
    if (!(offset >= 0 && offset + bytes.length <= this.config.length))
      throw new RangeError(`configuration ${offset}+${bytes.length}, has ${this.config.length} bytes`)
    Atomics.add(this.#words, Word.configSequence, 1)
    this.config.set(bytes, offset)
    Atomics.add(this.#words, Word.configSequence, 1)
  }

  /** How often the configuration changed. Waits out a change under way: a few stores of the other thread. */
  configGeneration(): number {
    for (;;) {
      const sequence = this.get('configSequence')
      if ((sequence & 1) === 0) return sequence >>> 1
    }
  }

  /** Word 0..3 (length low, high, base low, high) of shared memory region `id`; all ones if there is none (2.10). */
  sharedMemoryWord(id: number, word: number): number {
    const at = REGIONS_AT + id * REGION_WORDS
    if (id >= REGIONS_MAX || (this.#words[at] === 0 && this.#words[at + 1] === 0)) return 0xffff_ffff
    return this.#words[at + word]! >>> 0
  }
}

const high = (value: number): number => Math.floor(value / 0x1_0000_0000)

function checkIdentity(identity: VirtioDeviceIdentity): void {
  const unsupported = identity.features.minus(SUPPORTED).minus(DEVICE_BITS)
  if (!unsupported.isEmpty) throw new RangeError(`features that are not implemented: ${unsupported}`)
  if (identity.queueSizeMax.length > QUEUES_MAX)
    throw new RangeError(`${identity.queueSizeMax.length} queues, at most ${QUEUES_MAX}`)
  for (const size of identity.queueSizeMax)
    if (!isValidQueueSize(size)) throw new RangeError(`queue size ${size} is no power of two up to 32768`)
  if (identity.config.length > CONFIG_MAX)
    throw new RangeError(`configuration of ${identity.config.length} bytes, at most ${CONFIG_MAX}`)
  for (const { id, length } of identity.sharedMemory ?? []) {
    if (!(Number.isInteger(id) && id >= 0 && id < REGIONS_MAX)) throw new RangeError(`shared memory id ${id}`)
    if (!(length > 0)) throw new RangeError(`shared memory region ${id} of ${length} bytes`)
  }
}

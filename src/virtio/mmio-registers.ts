import createLog from 'debug'
import type { Doorbell } from '../bus/doorbell.js'
import type { Mmio } from '../bus/mmio.js'
import { VIRTIO_F_VERSION_1 } from './features.js'
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
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW,
  VIRTIO_MMIO_QUEUE_DRIVER_HIGH,
  VIRTIO_MMIO_QUEUE_DRIVER_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_QUEUE_SIZE,
  VIRTIO_MMIO_QUEUE_SIZE_MAX,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_SHM_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
  VIRTIO_MMIO_VERSION_2,
} from './mmio-offsets.js'
import {
  QUEUE_DISABLED,
  QUEUE_READY,
  QUEUE_STOPPING,
  type QueueStateWord,
  type StateWord,
  type VirtioMmioState,
} from './mmio-state.js'
import { isValidQueue } from './ring.js'
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
} from './status.js'

const log = createLog('fakedax:virtio')

/** The bits that a driver may set. NEEDS_RESET is the device's own. */
const DRIVER_STATUS_BITS =
  VIRTIO_CONFIG_S_ACKNOWLEDGE |
  VIRTIO_CONFIG_S_DRIVER |
  VIRTIO_CONFIG_S_FEATURES_OK |
  VIRTIO_CONFIG_S_DRIVER_OK |
  VIRTIO_CONFIG_S_FAILED

/** Registers that only say what others are about. */
const SELECTORS: ReadonlyMap<number, StateWord> = new Map([
  [VIRTIO_MMIO_DEVICE_FEATURES_SEL, 'deviceFeaturesSel'],
  [VIRTIO_MMIO_DRIVER_FEATURES_SEL, 'driverFeaturesSel'],
  [VIRTIO_MMIO_QUEUE_SEL, 'queueSel'],
  [VIRTIO_MMIO_SHM_SEL, 'sharedMemorySel'],
])

/** Where the writes go that set up the selected queue. */
const QUEUE_SETUP: ReadonlyMap<number, QueueStateWord> = new Map([
  [VIRTIO_MMIO_QUEUE_SIZE, 'size'],
  [VIRTIO_MMIO_QUEUE_DESC_LOW, 'descriptorLow'],
  [VIRTIO_MMIO_QUEUE_DESC_HIGH, 'descriptorHigh'],
  [VIRTIO_MMIO_QUEUE_DRIVER_LOW, 'driverLow'],
  [VIRTIO_MMIO_QUEUE_DRIVER_HIGH, 'driverHigh'],
  [VIRTIO_MMIO_QUEUE_DEVICE_LOW, 'deviceLow'],
  [VIRTIO_MMIO_QUEUE_DEVICE_HIGH, 'deviceHigh'],
])

/**
 * The virtio-mmio register file as a driver reads and writes it. Runs in the thread of the vcpu that makes the
 * access and never waits for the device: what needs it is written down in the state, then the doorbell rings.
 *
 *   0                    -> ACKNOWLEDGE -> DRIVER   [#writeStatus]
 *   DRIVER               -> FEATURES_OK             [#writeStatus, unless the features are refused]
 *   FEATURES_OK          -> DRIVER_OK               [#writeStatus; the device's thread activates]
 *   any                  -> FAILED                  [#writeStatus]
 *   any                  -> NEEDS_RESET             [VirtioMmioDevice.needsReset]
 *   before DRIVER_OK, by writing 0  -> 0            [#writeStatus]
 *   after it, by writing 0  -> resetting -> 0       [#writeStatus; VirtioMmioDevice.process]
 *
 * Between the write of 0 and the device's answer the status still reads as before, and other writes are dropped;
 * a driver takes the reset as complete when it reads 0 (2.4.2).
 */
export class VirtioMmioRegisters implements Mmio {
  readonly #state: VirtioMmioState
  readonly #doorbell: Doorbell

  constructor(state: VirtioMmioState, doorbell: Doorbell) {
    this.#state = state
    this.#doorbell = doorbell
  }

  /** Registers that can only be written, and those that do not exist, read as 0. */
  read32(offset: number): number {
    const state = this.#state
    if (offset >= VIRTIO_MMIO_CONFIG) return this.#readConfig(offset - VIRTIO_MMIO_CONFIG)
    switch (offset) {
      case VIRTIO_MMIO_MAGIC_VALUE:
        return VIRTIO_MMIO_MAGIC
      case VIRTIO_MMIO_VERSION:
        return VIRTIO_MMIO_VERSION_2
      case VIRTIO_MMIO_DEVICE_ID:
        return state.get('deviceId')
      case VIRTIO_MMIO_VENDOR_ID:
        return state.get('vendorId')
      case VIRTIO_MMIO_DEVICE_FEATURES:
        return this.#readFeatures()
      case VIRTIO_MMIO_QUEUE_SIZE_MAX:
        return this.#readQueue('sizeMax')
      case VIRTIO_MMIO_QUEUE_READY:
        return this.#readQueue('ready') === QUEUE_DISABLED ? 0 : 1
      case VIRTIO_MMIO_INTERRUPT_STATUS:
        return state.get('interruptStatus')
      case VIRTIO_MMIO_STATUS:
        return state.status
      case VIRTIO_MMIO_SHM_LEN_LOW:
      case VIRTIO_MMIO_SHM_LEN_HIGH:
      case VIRTIO_MMIO_SHM_BASE_LOW:
      case VIRTIO_MMIO_SHM_BASE_HIGH:
        return state.sharedMemoryWord(state.get('sharedMemorySel'), (offset - VIRTIO_MMIO_SHM_LEN_LOW) >>> 2)
      case VIRTIO_MMIO_CONFIG_GENERATION:
        return state.configGeneration()
      default:
        log('read of register 0x%s', offset.toString(16))
        return 0
    }
  }

  write32(offset: number, value: number): void {
    const state = this.#state
    if (state.resetRequested && !(offset === VIRTIO_MMIO_STATUS && value === 0)) {
      log('write of 0x%s while resetting', offset.toString(16))
      return
    }
    switch (offset) {
      case VIRTIO_MMIO_QUEUE_NOTIFY:
        this.#notify(value)
        break
      case VIRTIO_MMIO_INTERRUPT_ACK:
        state.clearInterruptBits(value)
        break
      case VIRTIO_MMIO_STATUS:
        this.#writeStatus(value)
        break
      case VIRTIO_MMIO_DRIVER_FEATURES:
        this.#writeFeatures(value)
        break
      case VIRTIO_MMIO_QUEUE_READY:
        this.#writeQueueReady(value)
        break
      default:
        this.#writeOther(offset, value)
    }
  }

  #writeStatus(value: number): void {
    const state = this.#state
    if (value === 0) {
      if (state.requestReset()) this.#doorbell.ring()
      else state.completeReset()
      return
    }
    const before = state.status
    // A driver "MUST NOT clear a device status bit" (2.1.1): missing bits stay, as the state only ever adds some.
    let bits = value & DRIVER_STATUS_BITS & ~before
    if ((bits & VIRTIO_CONFIG_S_FEATURES_OK) !== 0 && !this.#featuresAcceptable())
      bits &= ~VIRTIO_CONFIG_S_FEATURES_OK
    if ((bits & VIRTIO_CONFIG_S_DRIVER_OK) !== 0 && ((before | bits) & VIRTIO_CONFIG_S_FEATURES_OK) === 0) {
      log('DRIVER_OK without FEATURES_OK')
      bits &= ~VIRTIO_CONFIG_S_DRIVER_OK
    }
    state.setStatusBits(bits)
    if ((bits & VIRTIO_CONFIG_S_DRIVER_OK) !== 0) this.#doorbell.ring()
  }

  /** A subset of the offered ones (2.2.2), and not a legacy driver (6.1). */
  #featuresAcceptable(): boolean {
    const accepted = this.#state.acceptedFeatures
    const acceptable = accepted.isSubsetOf(this.#state.offeredFeatures) && accepted.has(VIRTIO_F_VERSION_1)
    if (!acceptable) log('features refused: %s', accepted)
    return acceptable
  }

  #readFeatures(): number {
    const word = this.#state.get('deviceFeaturesSel')
    if (word > 1) return 0
    return this.#state.get(word === 0 ? 'deviceFeaturesLow' : 'deviceFeaturesHigh')
  }

  #writeFeatures(value: number): void {
    const word = this.#state.get('driverFeaturesSel')
    if (word > 1 || (this.#state.status & VIRTIO_CONFIG_S_FEATURES_OK) !== 0) return
    this.#state.set(word === 0 ? 'driverFeaturesLow' : 'driverFeaturesHigh', value)
  }

  #readQueue(word: QueueStateWord): number {
    const index = this.#state.get('queueSel')
    return index < this.#state.queueCount ? this.#state.getQueue(index, word) : 0
  }

  #writeOther(offset: number, value: number): void {
    const state = this.#state
    const selector = SELECTORS.get(offset)
    const setup = QUEUE_SETUP.get(offset)
    const index = state.get('queueSel')
    if (selector !== undefined) {
      state.set(selector, value)
    } else if (
      setup !== undefined &&
      index < state.queueCount &&
      this.#readQueue('ready') === QUEUE_DISABLED
    ) {
      // Only while the queue is not in use (4.2.3.2).
      state.setQueue(index, setup, value)
    } else {
      log('write of 0x%s to register 0x%s', value.toString(16), offset.toString(16))
    }
  }

  #writeQueueReady(value: number): void {
    const state = this.#state
    const index = state.get('queueSel')
    if (index >= state.queueCount) return
    const live = (state.status & VIRTIO_CONFIG_S_DRIVER_OK) !== 0
    const ready = state.getQueue(index, 'ready')
    if (value === 1 && ready === QUEUE_DISABLED) {
      const queue = state.queueAddresses(index)
      const acceptable = !live && isValidQueue(queue) && queue.size <= state.getQueue(index, 'sizeMax')
      if (acceptable) state.setQueue(index, 'ready', QUEUE_READY)
      else log('queue %d refused: %o', index, queue)
    } else if (value === 0 && ready === QUEUE_READY) {
      state.setQueue(index, 'ready', live ? QUEUE_STOPPING : QUEUE_DISABLED)
      if (live) this.#doorbell.ring()
    }
  }

  #notify(index: number): void {
    // A queue that does not exist: noise of the driver, as a spurious notification is (2.7.10.2).
    if (index >= this.#state.queueCount) return
    this.#state.setNotified(index)
    this.#doorbell.ring()
  }

  #readConfig(at: number): number {
    const { config } = this.#state
    if (at % 4 !== 0) {
      log('read of configuration at %d', at)
      return 0
    }
    let value = 0
    for (let byte = 3; byte >= 0; byte--) value = value * 0x100 + (config[at + byte] ?? 0)
    return value
  }
}

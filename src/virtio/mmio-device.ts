import createLog from 'debug'
import { BusError, type GuestMemory } from '../bus/guest-memory.js'
import type { InterruptLine } from '../bus/interrupt-line.js'
import type { DeviceTransport, VirtioDevice } from './device.js'
import { DeviceQueue } from './device-queue.js'
import { QUEUE_DISABLED, QUEUE_READY, QUEUE_STOPPING, type VirtioMmioState } from './mmio-state.js'
import { QueueError } from './ring.js'
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_INT_CONFIG,
  VIRTIO_INT_VRING,
} from './status.js'

const log = createLog('fakedax:virtio')

export interface VirtioMmioDeviceOptions {
  state: VirtioMmioState
  device: VirtioDevice
  memory: GuestMemory
  interrupt: InterruptLine
}

/**
 * The device's end of the registers, in the device's thread. Whoever answers the doorbell calls {@link process};
 * all that happened since the last call stands in the state, so rings may join, come late or come for nothing.
 */
export class VirtioMmioDevice implements DeviceTransport {
  readonly #state: VirtioMmioState
  readonly #device: VirtioDevice
  readonly #memory: GuestMemory
  readonly #interrupt: InterruptLine
  #queues: (DeviceQueue | undefined)[] | undefined
  #processing = false
  #again = false

  constructor(options: VirtioMmioDeviceOptions) {
    this.#state = options.state
    this.#device = options.device
    this.#memory = options.memory
    this.#interrupt = options.interrupt
  }

  /** The device was activated and not reset since. */
  get active(): boolean {
    return this.#queues !== undefined
  }

  /**
   * Does what the driver's register writes ask for: reset, activation, stopping a queue, notifications. A call from
   * within (the device interrupts, the driver's handler rings again) is done after the one under way.
   */
  process(): void {
    this.#again = true
    if (this.#processing) return
    this.#processing = true
    try {
      while (this.#again) {
        this.#again = false
        this.#processOnce()
      }
    } finally {
      this.#processing = false
    }
  }

  notifyUsed(): void {
    if (!this.active) return
    this.#state.setInterruptBits(VIRTIO_INT_VRING)
    this.#interrupt.raise()
  }

  needsReset(): void {
    this.#state.setStatusBits(VIRTIO_CONFIG_S_NEEDS_RESET)
    this.#notifyConfig()
  }

  updateConfig(offset: number, bytes: Uint8Array): void {
    this.#state.changeConfig(offset, bytes)
    this.#notifyConfig()
  }

  #processOnce(): void {
    const state = this.#state
    // Taken before the status is read: a notification seen here was made under that status or an earlier one.
    const notified = state.takeNotified()
    if (state.resetRequested) {
      this.#reset()
      return
    }
    const { status } = state
    if ((status & VIRTIO_CONFIG_S_DRIVER_OK) === 0) return
    this.#stopQueues()
    if ((status & VIRTIO_CONFIG_S_NEEDS_RESET) !== 0) return
    try {
      if (this.#queues === undefined) this.#activate()
      for (const [index, queue] of (this.#queues ?? []).entries())
        if ((notified & (1 << index)) !== 0 && queue !== undefined && !queue.stopped)
          this.#device.notify(index)
    } catch (error) {
      if (!(error instanceof QueueError || error instanceof BusError)) throw error
      log('device %d needs reset: %s', state.get('deviceId'), error.message)
      this.needsReset()
    }
  }

  #activate(): void {
    const state = this.#state
    const features = state.acceptedFeatures
    const queues = Array.from({ length: state.queueCount }, (_, index) =>
      state.getQueue(index, 'ready') === QUEUE_READY
        ? new DeviceQueue(this.#memory, state.queueAddresses(index), features)
        : undefined,
    )
    this.#queues = queues
    log('device %d active: %s', state.get('deviceId'), features)
    this.#device.activate({ features, queues, transport: this })
  }

  /** "The device MUST NOT access a virtqueue when QueueReady is zero" (4.2.2.1). */
  #stopQueues(): void {
    for (let index = 0; index < this.#state.queueCount; index++) {
      if (this.#state.getQueue(index, 'ready') !== QUEUE_STOPPING) continue
      this.#queues?.[index]?.stop()
      this.#state.setQueue(index, 'ready', QUEUE_DISABLED)
    }
  }

  #reset(): void {
    const queues = this.#queues
    this.#queues = undefined
    if (queues !== undefined) {
      for (const queue of queues) queue?.stop()
      this.#device.reset()
    }
    this.#state.completeReset()
  }

  /** Before DRIVER_OK a device "MUST NOT send notifications to the driver" (2.1.2). */
  #notifyConfig(): void {
    if ((this.#state.status & VIRTIO_CONFIG_S_DRIVER_OK) === 0) return
    this.#state.setInterruptBits(VIRTIO_INT_CONFIG)
    this.#interrupt.raise()
  }
}

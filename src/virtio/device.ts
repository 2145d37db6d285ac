import type { DeviceQueue } from './device-queue.js'
import type { FeatureSet } from './features.js'

/** A range of guest-physical memory that a device offers. virtio 1.2, 2.10 "Shared Memory Regions". */
export interface SharedMemoryRegion {
  /** 0..255. */
  id: number
  /** Guest-physical address. */
  base: number
  /** Bytes. */
  length: number
}

/** What a driver finds when it looks at a device: constant while the device lives, but for the configuration. */
export interface VirtioDeviceIdentity {
  deviceId: number
  vendorId?: number
  /** Offered; VERSION_1 is added to them. */
  features: FeatureSet
  /** By queue index: the largest Queue Size, a power of two. */
  queueSizeMax: readonly number[]
  /** The device-specific configuration at the start, little-endian. */
  config: Uint8Array
  sharedMemory?: readonly SharedMemoryRegion[]
}

/** What a device may ask of its transport. Used from the device's own thread only. */
export interface DeviceTransport {
  /** Sends a used buffer notification: after {@link DeviceQueue.needsInterrupt} said so. */
  notifyUsed(): void
  /** The device can go on only after a reset. Sends a configuration change notification (virtio 1.2, 2.1.2). */
  needsReset(): void
  /** Changes the configuration at `offset` and sends a configuration change notification. */
  updateConfig(offset: number, bytes: Uint8Array): void
}

export interface DeviceActivation {
  /** As negotiated. */
  features: FeatureSet
  /** By index; `undefined` for a queue that the driver did not set up. */
  queues: readonly (DeviceQueue | undefined)[]
  transport: DeviceTransport
}

/**
 * A device without its registers. A QueueError or BusError thrown by {@link activate} or {@link notify} puts the
 * device into NEEDS_RESET; any other error is a fault of this program and passes through.
 */
export interface VirtioDevice {
  readonly identity: VirtioDeviceIdentity
  /** The driver is ready (DRIVER_OK). Buffers may already be available. */
  activate(activation: DeviceActivation): void
  /** The driver says that queue `queueIndex` has buffers. May be spurious (virtio 1.2, 2.7.10.2). */
  notify(queueIndex: number): void
  /** The driver resets the device. Its queues are stopped already; requests in flight are to be forgotten. */
  reset(): void
}

import type { DeviceActivation, VirtioDevice, VirtioDeviceIdentity } from '../../src/virtio/device.js'
import {
  FeatureSet,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from '../../src/virtio/features.js'

/** What {@link RecordingDevice} is, unless a test says otherwise. */
export const IDENTITY: VirtioDeviceIdentity = {
  deviceId: 27,
  vendorId: 0x1af4,
  features: FeatureSet.of(0, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1),
  queueSizeMax: [8, 4],
  config: Uint8Array.of(0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0),
  sharedMemory: [{ id: 0, base: 0x1_8000_0000, length: 0x20_0000 }],
}

/** A device that writes down what its transport asks of it, and answers every chain of queue 0 with 0xab. */
export class RecordingDevice implements VirtioDevice {
  readonly identity: VirtioDeviceIdentity
  readonly calls: string[] = []
  activation: DeviceActivation | undefined
  /** Thrown by the next notify. */
  failure: Error | undefined

  constructor(change: Partial<VirtioDeviceIdentity> = {}) {
    this.identity = { ...IDENTITY, ...change }
  }

  activate(activation: DeviceActivation): void {
    const queues = activation.queues.map((queue) => queue?.size ?? 0)
    this.calls.push(`activate ${queues} with ${activation.features}`)
    this.activation = activation
  }

  notify(queueIndex: number): void {
    this.calls.push(`notify ${queueIndex}`)
    if (this.failure !== undefined) throw this.failure
    const queue = this.activation?.queues[queueIndex]
    if (queue === undefined) return
    do {
      for (let chain = queue.pop(); chain !== undefined; chain = queue.pop())
        queue.addUsed(chain.head, chain.write(0, new Uint8Array(chain.writableLength).fill(0xab)))
    } while (queue.enableNotification())
    if (queue.needsInterrupt()) this.activation?.transport.notifyUsed()
  }

  reset(): void {
    this.calls.push('reset')
    this.activation = undefined
  }
}

import { workerData } from 'node:worker_threads'
import { GuestMemory } from '../../src/bus/guest-memory.js'
import type { DeviceActivation, VirtioDevice } from '../../src/virtio/device.js'
import { VirtioMmioDevice } from '../../src/virtio/mmio-device.js'
import { VirtioMmioState } from '../../src/virtio/mmio-state.js'
import { IDENTITY } from './recording-device.js'
import { SharedBell } from './shared-bell.js'

export interface IncrementDeviceData {
  state: SharedArrayBuffer
  ram: SharedArrayBuffer
  doorbell: SharedArrayBuffer
  interrupt: SharedArrayBuffer
  /** Not 0: the thread ends at the next ring. */
  stop: SharedArrayBuffer
}

/** Answers a le32 by its successor, out of order: the chains of one turn are handed back last first. */
class IncrementDevice implements VirtioDevice {
  readonly identity = IDENTITY
  #activation: DeviceActivation | undefined

  activate(activation: DeviceActivation): void {
    this.#activation = activation
  }

  notify(queueIndex: number): void {
    const queue = this.#activation?.queues[queueIndex]
    if (queue === undefined) return
    do {
      queue.disableNotification()
      const limit = queue.availableIndex()
      const done: number[] = []
      for (let chain = queue.pop(limit); chain !== undefined; chain = queue.pop(limit)) {
        chain.write32(0, chain.read32(0) + 1)
        done.push(chain.head)
      }
      for (const head of done.reverse()) queue.addUsed(head, 4)
      if (queue.needsInterrupt()) this.#activation?.transport.notifyUsed()
    } while (queue.enableNotification())
  }

  reset(): void {
    this.#activation = undefined
  }
}

const data = workerData as IncrementDeviceData
const memory = new GuestMemory({ start: 0x10000, size: data.ram.byteLength, memory: data.ram })
const interrupt = new SharedBell(data.interrupt)
const mmio = new VirtioMmioDevice({
  state: new VirtioMmioState(data.state),
  device: new IncrementDevice(),
  memory,
  interrupt,
})
const doorbell = new SharedBell(data.doorbell)
const stop = new Int32Array(data.stop)
while (Atomics.load(stop, 0) === 0) {
  mmio.process()
  doorbell.wait(60_000)
}

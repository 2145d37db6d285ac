import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { Prng } from '../../lib/prng.js'
import { DmaMemory } from '../../src/bus/dma-memory.js'
import { GuestMemory } from '../../src/bus/guest-memory.js'
import type { DriverQueue } from '../../src/virtio/driver-queue.js'
import { FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../../src/virtio/features.js'
import { VirtioMmioRegisters } from '../../src/virtio/mmio-registers.js'
import { VirtioMmioState } from '../../src/virtio/mmio-state.js'
import { VirtioMmioTransport } from '../../src/virtio/mmio-transport.js'
import type { IncrementDeviceData } from './increment-device-worker.js'
import { IDENTITY } from './recording-device.js'
import { SharedBell } from './shared-bell.js'

/** Long enough that only a lost wake-up reaches it. */
const LOST = 20_000

const doorbell = new SharedBell()
const interrupt = new SharedBell()
const state = VirtioMmioState.create(IDENTITY)
const memory = new GuestMemory({ start: 0x10000, size: 0x10000 })
const stop = new Int32Array(new SharedArrayBuffer(4))
const workerData: IncrementDeviceData = {
  state: state.memory,
  ram: memory.memory,
  doorbell: doorbell.memory,
  interrupt: interrupt.memory,
  stop: stop.buffer as SharedArrayBuffer,
}
const worker = new Worker(new URL('./increment-device-worker.js', import.meta.url), { workerData })
const pause = new Int32Array(new SharedArrayBuffer(4))
const transport = new VirtioMmioTransport(new VirtioMmioRegisters(state, doorbell), {
  relax: () => {
    Atomics.wait(pause, 0, 0, 1)
  },
})

t.before(() => once(worker, 'online'))
t.teardown(async () => {
  const ended = once(worker, 'exit')
  Atomics.store(stop, 0, 1)
  doorbell.ring()
  await ended
})

interface Slot {
  address: number
  value: number
}

/** Sends `total` requests in batches of random size and takes the answers as they come. */
class Load {
  wrong = 0
  answered = 0
  readonly #queue: DriverQueue<Slot>
  readonly #free: Slot[]
  readonly #prng: Prng

  constructor(queue: DriverQueue<Slot>, dma: DmaMemory, prng: Prng) {
    this.#queue = queue
    this.#prng = prng
    this.#free = Array.from({ length: queue.size }, () => ({ address: dma.allocate(16), value: 0 }))
  }

  submit(most: number): number {
    let sent = 0
    while (sent < most && this.#free.length > 0) {
      const slot = this.#free.at(-1)!
      slot.value = this.#prng.next()
      memory.store32(slot.address, slot.value)
      memory.store32(slot.address + 8, 0)
      const outs = [{ address: slot.address, length: 4 }]
      if (!this.#queue.add(outs, [{ address: slot.address + 8, length: 4 }], slot)) break
      this.#free.pop()
      sent++
    }
    this.#queue.kick()
    return sent
  }

  drain(): void {
    for (let used = this.#queue.getUsed(); used !== undefined; used = this.#queue.getUsed()) {
      const { token: slot, length } = used
      if (length !== 4 || memory.load32(slot.address + 8) !== (slot.value + 1) >>> 0) this.wrong++
      this.#free.push(slot)
      this.answered++
    }
  }

  /** False when an answer is never told of. */
  run(total: number): boolean {
    for (let sent = 0; this.answered < total; ) {
      sent += this.submit(Math.min(total - sent, 1 + this.#prng.below(4)))
      this.drain()
      if (sent < total && this.#queue.inFlight < this.#queue.size / 2) continue
      while (this.#queue.inFlight > 0 && !this.#queue.enableInterrupts()) {
        if (!interrupt.wait(LOST)) return false
        transport.acknowledgeInterrupt()
      }
      this.#queue.disableInterrupts()
      this.drain()
    }
    return true
  }
}

for (const features of [
  new FeatureSet(),
  FeatureSet.of(VIRTIO_F_EVENT_IDX),
  FeatureSet.of(VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC),
]) {
  t.test(`two threads, ${features} -> every request answered rightly, no wake-up lost`, async (t) => {
    const dma = new DmaMemory(memory)
    transport.negotiate(features)
    const queue = transport.createQueue<Slot>(0, dma)
    transport.driverOk()
    const load = new Load(queue, dma, new Prng(1))
    t.equal(load.run(20_000), true)
    t.match(load, { wrong: 0, answered: 20_000 })
    t.equal(transport.needsReset, false)
  })
}

t.test(
  'two threads: reset in the middle, many times -> memory is the driver`s again once status is 0',
  async (t) => {
    const prng = new Prng(2)
    let touched = 0
    for (let round = 0; round < 200; round++) {
      const dma = new DmaMemory(memory)
      transport.negotiate(FeatureSet.of(VIRTIO_F_EVENT_IDX))
      const queue = transport.createQueue<Slot>(0, dma)
      transport.driverOk()
      const load = new Load(queue, dma, prng)
      load.submit(8)
      for (let spin = prng.below(2000); spin > 0; spin--) Atomics.load(pause, 0)
      load.drain()
      transport.reset()
      queue.detachUnused()
      memory.bytes.fill(0x55)
      for (let spin = 500; spin > 0; spin--) Atomics.load(pause, 0)
      if (memory.bytes.some((byte) => byte !== 0x55)) touched++
    }
    t.equal(touched, 0)
    t.equal(transport.status, 0)
  },
)

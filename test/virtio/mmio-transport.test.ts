import t from 'tap'
import { DmaMemory } from '../../src/bus/dma-memory.js'
import { InlineDoorbell } from '../../src/bus/doorbell.js'
import { GuestMemory } from '../../src/bus/guest-memory.js'
import { InlineInterruptLine } from '../../src/bus/interrupt-line.js'
import type { Mmio } from '../../src/bus/mmio.js'
import { FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED } from '../../src/virtio/features.js'
import { VirtioMmioDevice } from '../../src/virtio/mmio-device.js'
import { VirtioMmioRegisters } from '../../src/virtio/mmio-registers.js'
import { VirtioMmioState } from '../../src/virtio/mmio-state.js'
import { VirtioMmioTransport } from '../../src/virtio/mmio-transport.js'
import { RecordingDevice } from './recording-device.js'

/** Registers that answer from a script and keep what was written. */
class ScriptedMmio implements Mmio {
  readonly written: [number, number][] = []
  readonly #answers: ReadonlyMap<number, (read: number) => number>
  readonly #reads = new Map<number, number>()

  constructor(answers: Record<number, number | ((read: number) => number)>) {
    this.#answers = new Map(
      Object.entries(answers).map(([offset, answer]) => [
        Number(offset),
        typeof answer === 'number' ? () => answer : answer,
      ]),
    )
  }

  read32(offset: number): number {
    const read = this.#reads.get(offset) ?? 0
    this.#reads.set(offset, read + 1)
    return this.#answers.get(offset)?.(read) ?? 0
  }

  write32(offset: number, value: number): void {
    this.written.push([offset, value])
  }
}

/** Driver and device in one thread. */
function makeMachine(device = new RecordingDevice()): {
  device: RecordingDevice
  bell: InlineDoorbell
  mmio: VirtioMmioDevice
  transport: VirtioMmioTransport
  interrupt: InlineInterruptLine
  dma: DmaMemory
} {
  const memory = new GuestMemory({ start: 0x10000, size: 0x10000 })
  const state = VirtioMmioState.create(device.identity)
  const bell = new InlineDoorbell()
  const interrupt = new InlineInterruptLine()
  const mmio = new VirtioMmioDevice({ state, device, memory, interrupt })
  bell.handler = () => mmio.process()
  const transport = new VirtioMmioTransport(new VirtioMmioRegisters(state, bell), { attempts: 10 })
  return { device, bell, mmio, transport, interrupt, dma: new DmaMemory(memory) }
}

t.test('probe: wrong magic, version 1, no device -> ENODEV; else the id', async (t) => {
  const probe = (answers: Record<number, number>): number =>
    new VirtioMmioTransport(new ScriptedMmio(answers)).probe()
  const MAGIC = 0x74726976
  t.throws(() => probe({ 0: 0x76697274, 4: 2, 8: 27 }), { code: 'ENODEV' })
  t.throws(() => probe({ 0: MAGIC, 4: 1, 8: 27 }), { code: 'ENODEV' })
  t.throws(() => probe({ 0: MAGIC, 4: 2, 8: 0 }), { code: 'ENODEV' })
  t.equal(probe({ 0: MAGIC, 4: 2, 8: 27 }), 27)
})

t.test('negotiate: status writes in the order of 3.1.1, no bit ever cleared', async (t) => {
  const writes: number[] = []
  const device = new RecordingDevice()
  const state = VirtioMmioState.create(device.identity)
  const bell = new InlineDoorbell()
  bell.handler = () => {
    if (state.resetRequested) state.completeReset()
  }
  const inner = new VirtioMmioRegisters(state, bell)
  const mmio: Mmio = {
    read32: (offset) => inner.read32(offset),
    write32: (offset, value) => {
      if (offset === 0x070) writes.push(value)
      inner.write32(offset, value)
    },
  }
  const transport = new VirtioMmioTransport(mmio)
  const features = transport.negotiate(FeatureSet.of(VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED))
  transport.driverOk()
  t.same(writes, [0, 1, 3, 11, 15])
  t.same(features.bits(), [29, 32], 'wanted and offered, and VERSION_1')
  t.same(state.acceptedFeatures.bits(), [29, 32])
  t.ok(transport.features.equals(features))
})

t.test('negotiate: device does not keep FEATURES_OK, or is legacy -> FAILED and ENODEV', async (t) => {
  let status = 0
  const refusing = (high: number): Mmio & { writes: number[] } => {
    const writes: number[] = []
    let selector = 0
    status = 0
    return {
      writes,
      read32: (offset) => (offset === 0x070 ? status : offset === 0x010 && selector === 1 ? high : 0),
      write32: (offset, value) => {
        if (offset === 0x014) selector = value
        if (offset !== 0x070) return
        writes.push(value)
        status = value & ~8
      },
    }
  }
  const current = refusing(1)
  t.throws(() => new VirtioMmioTransport(current).negotiate(new FeatureSet()), { code: 'ENODEV' })
  t.same(current.writes, [0, 1, 3, 11, 131])
  const legacy = refusing(0)
  t.throws(() => new VirtioMmioTransport(legacy).negotiate(new FeatureSet()), { code: 'ENODEV' })
  t.same(legacy.writes, [0, 1, 3, 131], 'VERSION_1 is a must, FEATURES_OK not even tried')
})

t.test('reset: waits until status reads 0, relaxing in between; never -> ETIMEDOUT', async (t) => {
  const slow = new ScriptedMmio({ 112: (read) => (read < 3 ? 15 : 0) })
  const relaxed: number[] = []
  new VirtioMmioTransport(slow, { relax: (attempt) => relaxed.push(attempt) }).reset()
  t.same(slow.written, [[0x070, 0]])
  t.same(relaxed, [0, 1, 2])
  const dead = new VirtioMmioTransport(new ScriptedMmio({ 112: 15 }), { attempts: 5 })
  t.throws(() => dead.reset(), { code: 'ETIMEDOUT' })
})

t.test(
  'createQueue: no such queue, refused, no memory -> ENODEV, EIO, ENOMEM and nothing leaks',
  async (t) => {
    const { transport, dma } = makeMachine()
    transport.negotiate(new FeatureSet())
    t.throws(() => transport.createQueue(2, dma), { code: 'ENODEV' })
    t.throws(() => transport.createQueue(0, dma, 16), { code: 'EIO' })
    t.throws(() => transport.createQueue(0, dma, 3), { code: 'EIO' })
    t.equal(dma.allocated, 0)
    const small = new DmaMemory(dma.memory, 0x10000, 64)
    t.throws(() => transport.createQueue(0, small), { code: 'ENOMEM' })
    t.equal(small.allocated, 0)
    t.equal(transport.createQueue(0, dma).size, 8)
    t.throws(() => transport.createQueue(0, dma), { code: 'EIO' }, 'in use')
  },
)

t.test('machine: request, device, interrupt -> the response is there when kick returns', async (t) => {
  for (const wanted of [new FeatureSet(), FeatureSet.of(28), FeatureSet.of(29), FeatureSet.of(28, 29)]) {
    const { device, transport, interrupt, dma } = makeMachine()
    t.equal(transport.probe(), 27)
    transport.negotiate(wanted)
    const queue = transport.createQueue<string>(0, dma)
    const used: unknown[] = []
    interrupt.handler = () => {
      t.equal(transport.acknowledgeInterrupt(), 1)
      for (let next = queue.getUsed(); next !== undefined; next = queue.getUsed()) used.push(next)
    }
    transport.driverOk()
    const address = dma.allocate(16)
    queue.add([{ address, length: 4 }], [{ address: address + 8, length: 4 }], 'a')
    t.equal(queue.kick(), true)
    t.same(used, [{ token: 'a', length: 4 }])
    t.equal(dma.memory.load32(address + 8), 0xabababab)
    t.equal(transport.acknowledgeInterrupt(), 0)
    t.same(device.calls.slice(1), ['notify 0'])
  }
})

t.test('doorbell lost, then rung twice -> the request is answered, once', async (t) => {
  const { bell, mmio, transport, dma } = makeMachine()
  transport.negotiate(new FeatureSet())
  const queue = transport.createQueue<string>(0, dma)
  transport.driverOk()
  bell.handler = undefined
  const address = dma.allocate(16)
  queue.add([], [{ address, length: 4 }], 'a')
  queue.kick()
  t.equal(queue.getUsed(), undefined)
  mmio.process()
  mmio.process()
  t.equal(queue.getUsed()?.token, 'a')
  t.equal(queue.getUsed(), undefined)
})

t.test('reset with a request in flight -> taken back, new queue works', async (t) => {
  const { bell, mmio, transport, dma } = makeMachine()
  transport.negotiate(new FeatureSet())
  const queue = transport.createQueue<string>(0, dma)
  transport.driverOk()
  const address = dma.allocate(16)
  bell.handler = undefined
  queue.add([], [{ address, length: 4 }], 'lost')
  queue.kick()
  bell.handler = () => mmio.process()
  transport.reset()
  t.equal(transport.status, 0)
  t.same(queue.detachUnused(), ['lost'])
  t.equal(dma.memory.load32(address), 0, 'the device did not write after the reset')
  transport.negotiate(new FeatureSet())
  const second = transport.createQueue<string>(0, dma)
  transport.driverOk()
  second.add([], [{ address, length: 4 }], 'b')
  second.kick()
  t.equal(second.getUsed()?.token, 'b')
})

t.test('needsReset: set by the device -> seen, and gone after a reset', async (t) => {
  const { device, transport, interrupt } = makeMachine()
  transport.negotiate(new FeatureSet())
  transport.driverOk()
  t.equal(transport.needsReset, false)
  device.activation?.transport.needsReset()
  t.equal(transport.needsReset, true)
  t.equal(interrupt.raised, 1)
  t.equal(transport.acknowledgeInterrupt(), 2)
  transport.reset()
  t.equal(transport.needsReset, false)
})

t.test('disableQueue: live -> device lets go, and the driver waits for that', async (t) => {
  const { device, bell, transport, dma } = makeMachine()
  transport.negotiate(new FeatureSet())
  transport.createQueue(0, dma)
  transport.driverOk()
  bell.handler = undefined
  t.throws(() => transport.disableQueue(0), { code: 'ETIMEDOUT' })
  const other = makeMachine()
  other.transport.negotiate(new FeatureSet())
  other.transport.createQueue(0, other.dma)
  other.transport.driverOk()
  other.transport.disableQueue(0)
  t.equal(other.device.activation?.queues[0]?.stopped, true)
  t.equal(device.activation?.queues[0]?.stopped, false)
})

t.test('readConfig64: changed between the two reads -> read again (2.5.1)', async (t) => {
  const generations = [4, 5, 5, 5]
  const mmio = new ScriptedMmio({
    252: (read) => generations[read]!,
    264: (read) => (read === 0 ? 0xffff_ffff : 0),
    268: () => 1,
  })
  t.equal(new VirtioMmioTransport(mmio).readConfig64(8), 0x1_0000_0000)
  const restless = new ScriptedMmio({ 252: (read) => read })
  t.throws(() => new VirtioMmioTransport(restless, { attempts: 4 }).readConfig64(0), { code: 'ETIMEDOUT' })
})

t.test('configuration and shared memory -> as the device has them', async (t) => {
  const { transport } = makeMachine()
  t.equal(transport.readConfig64(0), 0x1_8000_0000)
  t.equal(transport.readConfig32(8), 0x20_0000)
  t.same(transport.sharedMemory(0), { id: 0, base: 0x1_8000_0000, length: 0x20_0000 })
  t.equal(transport.sharedMemory(1), undefined)
})

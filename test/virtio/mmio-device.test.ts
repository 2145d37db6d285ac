import t from 'tap'
import { BusError } from '../../src/bus/guest-memory.js'
import { InlineInterruptLine } from '../../src/bus/interrupt-line.js'
import { VirtioMmioDevice } from '../../src/virtio/mmio-device.js'
import { VirtioMmioRegisters } from '../../src/virtio/mmio-registers.js'
import { VirtioMmioState } from '../../src/virtio/mmio-state.js'
import { QueueError } from '../../src/virtio/ring.js'
import { RawRing } from './raw-ring.js'
import { RecordingDevice } from './recording-device.js'

/** A device behind registers that are written by hand; the bell rings only when the test calls `process`. */
function makeMachine(): {
  device: RecordingDevice
  ring: RawRing
  registers: VirtioMmioRegisters
  mmio: VirtioMmioDevice
  interrupt: InlineInterruptLine
  /** Up to DRIVER_OK, with queue 0. */
  start: () => void
} {
  const device = new RecordingDevice()
  const ring = new RawRing(8)
  const state = VirtioMmioState.create(device.identity)
  const registers = new VirtioMmioRegisters(state, { ring: () => {} })
  const interrupt = new InlineInterruptLine()
  const mmio = new VirtioMmioDevice({ state, device, memory: ring.memory, interrupt })
  const start = (): void => {
    registers.write32(0x070, 3)
    registers.write32(0x024, 1)
    registers.write32(0x020, 1)
    registers.write32(0x070, 11)
    registers.write32(0x030, 0)
    registers.write32(0x038, 8)
    registers.write32(0x080, ring.queue.descriptorArea)
    registers.write32(0x090, ring.queue.driverArea)
    registers.write32(0x0a0, ring.queue.deviceArea)
    registers.write32(0x044, 1)
    registers.write32(0x070, 15)
  }
  return { device, ring, registers, mmio, interrupt, start }
}

t.test('before DRIVER_OK: notified -> buffers are not consumed (2.1.2)', async (t) => {
  const { device, ring, registers, mmio, interrupt } = makeMachine()
  ring.makeAvailable(0)
  registers.write32(0x050, 0)
  mmio.process()
  t.same(device.calls, [])
  t.equal(ring.usedIdx, 0)
  mmio.notifyUsed()
  mmio.updateConfig(0, Uint8Array.of(1))
  t.equal(interrupt.raised, 0, 'nor is the driver')
})

t.test('DRIVER_OK and a notification in one ring -> activated, then notified', async (t) => {
  const { device, ring, registers, mmio, interrupt, start } = makeMachine()
  start()
  ring.setDescriptor(0, { flags: 2, len: 3 })
  ring.makeAvailable(0)
  registers.write32(0x050, 0)
  t.equal(mmio.active, false)
  mmio.process()
  t.equal(mmio.active, true)
  t.same(device.calls, ['activate 8,0 with VERSION_1', 'notify 0'])
  t.same(ring.usedElement(0), { id: 0, len: 3 })
  t.equal(registers.read32(0x060), 1)
  t.equal(interrupt.raised, 1)
})

t.test('rings joined, late, or for nothing -> each notification is seen once', async (t) => {
  const { device, registers, mmio, start } = makeMachine()
  start()
  mmio.process()
  mmio.process()
  registers.write32(0x050, 0)
  registers.write32(0x050, 0)
  mmio.process()
  mmio.process()
  t.same(device.calls, ['activate 8,0 with VERSION_1', 'notify 0'])
})

t.test('notification of a queue that was not set up -> ignored', async (t) => {
  const { device, registers, mmio, start } = makeMachine()
  start()
  registers.write32(0x050, 1)
  mmio.process()
  t.same(device.calls, ['activate 8,0 with VERSION_1'])
})

t.test(
  'reset: queues stopped before the device is told; all registers as after power on (4.2.2.1)',
  async (t) => {
    const { device, ring, registers, mmio, interrupt, start } = makeMachine()
    start()
    mmio.process()
    const queue = device.activation!.queues[0]!
    const { transport } = device.activation!
    ring.makeAvailable(0)
    queue.pop()
    transport.notifyUsed()
    registers.write32(0x050, 0)
    registers.write32(0x070, 0)
    mmio.process()
    t.equal(device.calls.at(-1), 'reset')
    t.equal(queue.stopped, true)
    t.equal(mmio.active, false)
    for (const offset of [0x070, 0x060, 0x044]) t.equal(registers.read32(offset), 0)
    queue.addUsed(0, 4)
    transport.notifyUsed()
    t.equal(ring.usedIdx, 0, 'a completion from before the reset leaves no trace')
    t.equal(interrupt.raised, 1)

    start()
    mmio.process()
    t.equal(device.calls.at(-1), 'activate 8,0 with VERSION_1', 'and works again')
  },
)

t.test(
  'queue outside guest memory at DRIVER_OK -> NEEDS_RESET with a configuration interrupt (2.1.2)',
  async (t) => {
    const { device, registers, mmio, interrupt, start } = makeMachine()
    registers.write32(0x084, 5)
    start()
    mmio.process()
    t.equal(registers.read32(0x070), 15 | 64)
    t.equal(registers.read32(0x060), 2)
    t.equal(interrupt.raised, 1)
    t.same(device.calls, [])
  },
)

t.test(
  'device throws QueueError or BusError -> NEEDS_RESET, deaf until reset; other errors pass',
  async (t) => {
    for (const failure of [new QueueError('broken'), new BusError('outside', 0, 4)]) {
      const { device, registers, mmio, start } = makeMachine()
      start()
      device.failure = failure
      registers.write32(0x050, 0)
      mmio.process()
      t.equal(registers.read32(0x070), 15 | 64)
      t.equal(registers.read32(0x060), 2)
      device.calls.length = 0
      registers.write32(0x050, 0)
      mmio.process()
      t.same(device.calls, [])
      registers.write32(0x070, 0)
      mmio.process()
      t.equal(registers.read32(0x070), 0)
      t.same(device.calls, ['reset'])
    }
    const { device, registers, mmio, start } = makeMachine()
    start()
    device.failure = new TypeError('our own fault')
    registers.write32(0x050, 0)
    t.throws(() => mmio.process(), { message: 'our own fault' })
  },
)

t.test('QueueReady 0 while live -> queue stopped, then reads 0; not notified any more', async (t) => {
  const { device, registers, mmio, start } = makeMachine()
  start()
  mmio.process()
  const queue = device.activation!.queues[0]!
  registers.write32(0x044, 0)
  registers.write32(0x050, 0)
  mmio.process()
  t.equal(registers.read32(0x044), 0)
  t.equal(queue.stopped, true)
  t.same(device.calls, ['activate 8,0 with VERSION_1'])
})

t.test('updateConfig: live -> new bytes, new generation, configuration interrupt', async (t) => {
  const { registers, mmio, interrupt, start } = makeMachine()
  start()
  mmio.process()
  const generation = registers.read32(0x0fc)
  mmio.updateConfig(4, Uint8Array.of(9))
  t.equal(registers.read32(0x104), 9)
  t.not(registers.read32(0x0fc), generation)
  t.equal(registers.read32(0x060), 2)
  t.equal(interrupt.raised, 1)
})

t.test(
  'process from within (interrupt handler kicks) -> after the one under way, nothing lost',
  async (t) => {
    const { device, ring, registers, mmio, interrupt, start } = makeMachine()
    start()
    ring.setDescriptor(0, { flags: 2 })
    ring.setDescriptor(1, { flags: 2 })
    interrupt.handler = () => {
      if (ring.availIdx > 1) return
      ring.makeAvailable(1)
      registers.write32(0x050, 0)
      mmio.process()
      device.calls.push('handler returns')
    }
    ring.makeAvailable(0)
    registers.write32(0x050, 0)
    mmio.process()
    t.same(device.calls, ['activate 8,0 with VERSION_1', 'notify 0', 'handler returns', 'notify 0'])
    t.equal(ring.usedIdx, 2)
  },
)

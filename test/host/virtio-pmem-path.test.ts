import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { DmaMemory } from '../../src/bus/dma-memory.js'
import { InlineDoorbell } from '../../src/bus/doorbell.js'
import { GuestMemory } from '../../src/bus/guest-memory.js'
import { InlineInterruptLine } from '../../src/bus/interrupt-line.js'
import { PmemDisk } from '../../src/guest/nvdimm/pmem-disk.js'
import { VirtioPmem } from '../../src/guest/nvdimm/virtio-pmem.js'
import { EmulatedCache } from '../../src/host/emulated-cache.js'
import { FaultInjection, type FaultInjectionOptions } from '../../src/host/fault-injection.js'
import { ImageFile } from '../../src/host/image-file.js'
import { VirtioPmemDevice } from '../../src/host/virtio-pmem-device.js'
import { VirtioMmioDevice } from '../../src/virtio/mmio-device.js'
import { VirtioMmioRegisters } from '../../src/virtio/mmio-registers.js'
import { VirtioMmioState } from '../../src/virtio/mmio-state.js'
import { VirtioMmioTransport } from '../../src/virtio/mmio-transport.js'
import { temporaryImage } from './temporary-image.js'

const START = 0x1_0000_0000

/** From the disk to the file: driver, wire, device and backend in one thread. */
function path(t: Test, image: string, faults: FaultInjectionOptions = {}) {
  const backend = new FaultInjection(EmulatedCache.open(ImageFile.open(image)), faults)
  t.teardown(() => backend.close())
  const { size } = backend.memory
  const pmem = new VirtioPmemDevice({
    start: START,
    size,
    sync: () => backend.sync(),
    sharedMemoryRegion: true,
  })
  const memory = new GuestMemory({ size: 1 << 16 })
  const state = VirtioMmioState.create(pmem.identity)
  const interrupt = new InlineInterruptLine()
  const doorbell = new InlineDoorbell()
  const host = new VirtioMmioDevice({ state, device: pmem, memory, interrupt })
  doorbell.handler = () => host.process()
  const region = backend.memory.region(START)
  const driver = VirtioPmem.probe({
    transport: new VirtioMmioTransport(new VirtioMmioRegisters(state, doorbell)),
    dma: new DmaMemory(memory),
    memoryAt: ({ start }) => (start === START ? region : undefined),
    now: () => 0,
  })
  interrupt.handler = () => driver.handleInterrupt()
  return { pmem, driver, disk: new PmemDisk(0, driver.ndRegion) }
}

t.test('path: a store and a flush -> the file has it; a store alone -> it has not', async (t) => {
  const image = temporaryImage(4)
  const { disk, pmem } = path(t, image)
  disk.write(100, Uint8Array.of(1))
  await disk.flush()
  disk.write(200, Uint8Array.of(2))
  t.same([readFileSync(image)[100], readFileSync(image)[200]], [1, 0])
  t.match(pmem.statistics, { requests: 1, syncs: 1 })
})

t.test('path: many flushes at once over a slow medium -> few syncs, all resolve', async (t) => {
  const { disk, pmem } = path(t, temporaryImage(4), { delay: () => new Promise(setImmediate) })
  const flushes = Array.from({ length: 200 }, (_, index) => {
    disk.write(index, Uint8Array.of(index))
    return disk.flush()
  })
  await Promise.all(flushes)
  t.equal(pmem.statistics.flushes, 200)
  t.ok(pmem.statistics.syncs < 10, `${pmem.statistics.syncs} syncs`)
  t.equal(disk.flushedSequence, 200)
})

t.test('path: the medium fails once -> EIO for that flush and all after it', async (t) => {
  const { disk } = path(t, temporaryImage(4), { faults: [{ at: 2, code: 'EIO' }] })
  await disk.flush()
  await t.rejects(disk.flush(), { code: 'EIO' })
  await t.rejects(disk.flush(), { code: 'EIO' })
})

import t from 'tap'
import { VirtioPmem } from '../../../src/guest/nvdimm/virtio-pmem.js'
import { FeatureSet } from '../../../src/virtio/features.js'
import { descriptorAreaSize, deviceAreaSize, driverAreaSize } from '../../../src/virtio/ring.js'
import { probe, ScriptedDevice, SIZE, START, scriptedMachine } from './scripted-device.js'

const EIO = 0xffff_ffff

/** What became of a promise by now. */
async function outcome(promise: Promise<void>): Promise<string> {
  const pending = new Promise<string>((resolve) => setImmediate(resolve, 'pending'))
  const settled = promise.then(
    () => 'resolved',
    (error: NodeJS.ErrnoException) => `${error.code}`,
  )
  return Promise.race([settled, pending])
}

async function outcomes(promises: readonly Promise<void>[]): Promise<string[]> {
  return Promise.all(promises.map(outcome))
}

t.test('probe: start and size of the configuration -> the region there, device live', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  t.equal(driver.ndRegion.region, machine.region)
  t.equal(driver.ndRegion.providerName, 'virtio-pmem')
  t.equal(machine.transport.status, 15)
})

t.test('probe: SHMEM_REGION negotiated -> region 0, not start and size', async (t) => {
  const device = new ScriptedDevice({
    features: FeatureSet.of(0),
    config: new Uint8Array(16),
    sharedMemory: [{ id: 0, base: START, length: SIZE }],
  })
  const machine = scriptedMachine(device)
  t.equal(probe(machine).ndRegion.region, machine.region)
  t.equal(device.features?.has(0), true)
})

t.test('probe: SHMEM_REGION negotiated but no region 0 -> ENXIO, and the device is given up', async (t) => {
  const machine = scriptedMachine(new ScriptedDevice({ features: FeatureSet.of(0) }))
  t.throws(() => VirtioPmem.probe(machine.options), { code: 'ENXIO' })
  t.equal(machine.transport.status & 128, 128)
  t.equal(machine.dma.allocated, 0)
})

t.test(
  'probe: another device, no memory there, no DMA memory -> refused, nothing is left taken',
  async (t) => {
    t.throws(() => probe(scriptedMachine(new ScriptedDevice({ deviceId: 2 }))), { code: 'ENODEV' })
    const empty = scriptedMachine(new ScriptedDevice({ config: new Uint8Array(16) }))
    t.throws(() => probe(empty), { code: 'ENXIO' })
    t.equal(empty.dma.allocated, 0)
    t.equal(empty.transport.status, 0)
    const poor = scriptedMachine()
    // Room for the rings of a queue of 8 and some bytes for alignment, but not for its four requests.
    const rings = descriptorAreaSize(8) + driverAreaSize(8) + deviceAreaSize(8)
    const taken = poor.dma.memory.size - Math.ceil((rings + 8) / 16) * 16
    poor.dma.allocate(taken)
    t.throws(() => probe(poor), { code: 'ENOMEM' })
    t.equal(poor.dma.allocated, taken)
    t.equal(poor.transport.status, 0)
  },
)

t.test('flush: ret 0 in 4 bytes -> resolves, only then', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flush = driver.flush()
  t.equal(await outcome(flush), 'pending')
  machine.device.answer(0)
  t.equal(await outcome(flush), 'resolved')
  t.match(driver.statistics, { flushes: 1, failures: 0 })
})

t.test('flush: the device answers within the kick -> resolves', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  machine.device.autoRet = 0
  for (let count = 0; count < 100; count++) await driver.flush()
  t.equal(driver.statistics.flushes, 100)
})

t.test('flush: any ret but 0 -> EIO, and the next flush is its own', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  for (const ret of [EIO, 1, 0x0100_0000]) {
    const flush = driver.flush()
    machine.device.answer(ret)
    t.equal(await outcome(flush), 'EIO')
  }
  machine.device.autoRet = 0
  t.equal(await outcome(driver.flush()), 'resolved')
})

t.test('flush: used length below 4 -> EIO, even over an old success', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  machine.device.autoRet = 0
  await driver.flush()
  machine.device.autoRet = undefined
  for (const length of [0, 3]) {
    const flush = driver.flush()
    machine.device.answer(0, length)
    t.equal(await outcome(flush), 'EIO')
  }
})

t.test('flush: 4 bytes claimed but none written -> EIO, the response was poisoned', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  machine.device.autoRet = 0
  await driver.flush()
  machine.device.autoRet = undefined
  const flush = driver.flush()
  const chain = machine.device.chains[0]
  if (chain !== undefined) chain.write32 = () => {}
  machine.device.answer(0, 4)
  t.equal(await outcome(flush), 'EIO')
})

t.test('sharing: a flush while one is under way -> a request of its own', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flushes = [driver.flush(), driver.flush()]
  t.equal(machine.device.chains.length, 2)
  machine.device.answer(0)
  t.same(await outcomes(flushes), ['resolved', 'pending'])
  machine.device.answer(0)
  t.same(await outcomes(flushes), ['resolved', 'resolved'])
})

t.test('order: the device answers the second first -> each waiter has its own answer', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flushes = [driver.flush(), driver.flush()]
  machine.device.answer(0, 4, 1)
  t.same(await outcomes(flushes), ['pending', 'resolved'])
  machine.device.answer(EIO)
  t.same(await outcomes(flushes), ['EIO', 'resolved'])
})

t.test('descriptors: more flushes than fit -> the rest wait their turn, all are answered', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flushes = Array.from({ length: 7 }, () => driver.flush())
  t.equal(machine.device.chains.length, 4, 'a queue of 8 holds 4')
  t.equal(driver.statistics.waits, 3)
  machine.device.answer(0)
  t.equal(machine.device.chains.length, 4, 'the next has taken its place')
  while (machine.device.chains.length > 0) machine.device.answer(0)
  t.same(
    await outcomes(flushes),
    Array.from({ length: 7 }, () => 'resolved'),
  )
})

t.test('interrupt: spurious ones -> nothing happens', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  driver.handleInterrupt()
  const flush = driver.flush()
  driver.handleInterrupt()
  t.equal(await outcome(flush), 'pending')
})

t.test('timeout: past the deadline -> all waiters fail, and every later flush', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  t.equal(driver.deadline, undefined)
  const first = driver.flush()
  machine.clock.now = 600
  const second = driver.flush()
  t.equal(driver.deadline, 1000)
  driver.tick(999)
  t.same(await outcomes([first, second]), ['pending', 'pending'])
  driver.tick(1000)
  t.same(await outcomes([first, second]), ['EIO', 'EIO'])
  t.equal(driver.broken, true)
  t.equal(driver.deadline, undefined)
  t.equal(await outcome(driver.flush()), 'EIO')
})

t.test('timeout: the answer comes after it -> stays EIO, the device stays broken', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flush = driver.flush()
  driver.tick(1000)
  machine.device.answer(0)
  t.equal(await outcome(flush), 'EIO')
  t.equal(await outcome(driver.flush()), 'EIO')
})

t.test('timeout: a flush that waits for a descriptor -> fails too', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flushes = Array.from({ length: 5 }, () => driver.flush())
  driver.tick(1000)
  t.same(
    await outcomes(flushes),
    Array.from({ length: 5 }, () => 'EIO'),
  )
})

t.test(
  'NEEDS_RESET: while flushes wait -> all fail; noticed by the next flush without an interrupt',
  async (t) => {
    const machine = scriptedMachine()
    const driver = probe(machine)
    const flushes = [driver.flush(), driver.flush()]
    machine.device.needReset()
    t.same(await outcomes(flushes), ['EIO', 'EIO'])
    const silent = scriptedMachine()
    const other = probe(silent)
    silent.interrupt.handler = undefined
    silent.device.needReset()
    t.equal(await outcome(other.flush()), 'EIO')
    t.equal(other.broken, true)
  },
)

t.test('hostile ring: a length beyond the response -> broken, waiters fail', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flush = driver.flush()
  machine.device.answer(0, 5)
  t.equal(await outcome(flush), 'EIO')
  t.equal(driver.broken, true)
})

t.test('freeze: under way -> EIO after the reset; restore -> flushes work', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flush = driver.flush()
  driver.freeze()
  t.equal(machine.transport.status, 0)
  t.equal(machine.dma.allocated, 0)
  t.same(await outcomes([flush, driver.flush()]), ['EIO', 'EIO'])
  driver.restore()
  machine.device.autoRet = 0
  t.equal(await outcome(driver.flush()), 'resolved')
})

t.test('restore: not frozen -> EBUSY; the region is another one -> ENXIO, still frozen', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  t.throws(() => driver.restore(), { code: 'EBUSY' })
  driver.freeze()
  machine.transport.readConfig64 = () => 4096
  t.throws(() => driver.restore(), { code: 'ENXIO' })
  t.equal(machine.dma.allocated, 0)
  t.equal(await outcome(driver.flush()), 'EIO')
})

t.test('remove: broken or live -> device reset, memory given back, flush is EIO', async (t) => {
  const machine = scriptedMachine()
  const driver = probe(machine)
  const flush = driver.flush()
  driver.tick(1000)
  t.ok(machine.dma.allocated > 0, 'the device still has the buffers')
  driver.remove()
  t.equal(machine.dma.allocated, 0)
  t.equal(machine.transport.status, 0)
  t.same(await outcomes([flush, driver.flush()]), ['EIO', 'EIO'])
  driver.remove()
})

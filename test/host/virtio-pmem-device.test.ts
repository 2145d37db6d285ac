import t from 'tap'
import { Completion } from '../../lib/completion.js'
import { type SyncStep, VirtioPmemDevice } from '../../src/host/virtio-pmem-device.js'
import { FeatureSet } from '../../src/virtio/features.js'
import { VirtioPmemConfig } from '../../src/virtio/pmem.js'
import { FLUSH, RequestRing } from './request-ring.js'

const EIO = 0xffff_ffff

function device(sync: SyncStep, readOnly = false): VirtioPmemDevice {
  return new VirtioPmemDevice({ start: 0x1_0000_0000, size: 0x2_0000_0000, sync, readOnly })
}

/** A driver's reset and activation, over `ring`. */
function activate(device: VirtioPmemDevice, ring: RequestRing): void {
  device.activate({ features: new FeatureSet(), queues: [ring.queue], transport: ring })
}

/** A device active on a ring, whose syncs end when the test says so. */
function held(): { device: VirtioPmemDevice; ring: RequestRing; syncs: Completion<number>[] } {
  const syncs: Completion<number>[] = []
  const ring = new RequestRing()
  const made = device(() => {
    const sync = new Completion<number>()
    syncs.push(sync)
    return sync.promise
  })
  activate(made, ring)
  return { device: made, ring, syncs }
}

/** Ends a sync and lets the device see it. */
async function end(sync: Completion<number> | undefined, result: number): Promise<void> {
  sync?.complete(result)
  await new Promise(setImmediate)
}

t.test('identity: 64-bit start and size in the configuration, one queue', async (t) => {
  const { identity } = device(() => 0)
  const view = new DataView(identity.config.buffer)
  t.equal(identity.deviceId, 27)
  t.equal(VirtioPmemConfig.start.get(view, 0), 0x1_0000_0000)
  t.equal(VirtioPmemConfig.size.get(view, 0), 0x2_0000_0000)
  t.equal(identity.queueSizeMax.length, 1)
  t.equal(identity.features.has(0), false)
})

t.test('identity: shared memory region -> feature bit 0, and the region with id 0', async (t) => {
  const { identity } = new VirtioPmemDevice({
    start: 4096,
    size: 8192,
    sync: () => 0,
    sharedMemoryRegion: true,
  })
  t.equal(identity.features.has(0), true)
  t.same(identity.sharedMemory, [{ id: 0, base: 4096, length: 8192 }])
})

t.test('flush: sync succeeds -> ret 0 in 4 bytes, and one notification', async (t) => {
  const ring = new RequestRing()
  const pmem = device(() => 0)
  activate(pmem, ring)
  const head = ring.add(FLUSH)
  pmem.notify(0)
  t.same(ring.used(), [{ head, length: 4, ret: 0 }])
  t.equal(ring.notified, 1)
})

t.test('flush: available before DRIVER_OK -> served by the activation', async (t) => {
  const ring = new RequestRing()
  ring.add(FLUSH)
  activate(
    device(() => 0),
    ring,
  )
  t.equal(ring.used().length, 1)
})

t.test('coalescing: three requests before the sync begins -> one sync, one notification', async (t) => {
  const ring = new RequestRing()
  const pmem = device(() => 0)
  activate(pmem, ring)
  for (let count = 0; count < 3; count++) ring.add(FLUSH)
  pmem.notify(0)
  t.equal(ring.used().length, 3)
  t.equal(ring.notified, 1)
  t.match(pmem.statistics, { requests: 3, flushes: 3, syncs: 1 })
})

t.test(
  'exactly before: B made available while sync A runs -> not answered by A, but by a second',
  async (t) => {
    const { device, ring, syncs } = held()
    const a = ring.add(FLUSH)
    device.notify(0)
    const b = ring.add(FLUSH)
    device.notify(0)
    t.equal(syncs.length, 1, 'one at a time')
    await end(syncs[0], 0)
    t.same(
      ring.used().map(({ head }) => head),
      [a],
    )
    t.equal(syncs.length, 2)
    await end(syncs[1], 0)
    t.same(
      ring.used().map(({ head }) => head),
      [a, b],
    )
  },
)

t.test('exactly before: B made available by what a blocking sync does meanwhile -> two syncs', async (t) => {
  const ring = new RequestRing()
  const coveredAt: number[] = []
  const pmem = device(() => {
    coveredAt.push(ring.used().length)
    if (coveredAt.length === 1) ring.add(FLUSH)
    return 0
  })
  activate(pmem, ring)
  ring.add(FLUSH)
  pmem.notify(0)
  t.same(coveredAt, [0, 1], 'the second began after the first was answered')
  t.equal(ring.used().length, 2)
})

t.test('lost notification: B without a kick while sync A runs -> served after it all the same', async (t) => {
  const { device, ring, syncs } = held()
  ring.add(FLUSH)
  device.notify(0)
  ring.add(FLUSH)
  await end(syncs[0], 0)
  await end(syncs[1], 0)
  t.equal(ring.used().length, 2)
})

t.test('spurious notification: empty ring, other queue -> nothing happens', async (t) => {
  const ring = new RequestRing()
  const pmem = device(() => 0)
  activate(pmem, ring)
  pmem.notify(0)
  pmem.notify(1)
  pmem.notify(0)
  t.same(ring.used(), [])
  t.same([ring.notified, ring.resets, pmem.statistics.syncs], [0, 0, 0])
})

t.test('failure: sync fails -> ret -1 for its requests and all later, without a further sync', async (t) => {
  const results = [0, -28, 0]
  const ring = new RequestRing()
  const pmem = device(() => results.shift() ?? 0)
  activate(pmem, ring)
  for (let count = 0; count < 4; count++) {
    ring.add(FLUSH)
    pmem.notify(0)
  }
  t.same(
    ring.used().map(({ ret, length }) => [ret, length]),
    [
      [0, 4],
      [EIO, 4],
      [EIO, 4],
      [EIO, 4],
    ],
  )
  t.equal(pmem.failed, true)
  t.match(pmem.statistics, { syncs: 2, failures: 1 })
})

t.test('failure: the driver resets -> still failing, until the image is opened anew', async (t) => {
  const pmem = device(() => -5)
  const first = new RequestRing()
  activate(pmem, first)
  first.add(FLUSH)
  pmem.notify(0)
  t.throws(() => pmem.reopen(() => 0), { code: 'EBUSY' })
  first.queue.stop()
  pmem.reset()
  const second = new RequestRing()
  second.add(FLUSH)
  activate(pmem, second)
  t.equal(second.used()[0]?.ret, EIO)
  second.queue.stop()
  pmem.reset()
  pmem.reopen(() => 0)
  const third = new RequestRing()
  third.add(FLUSH)
  activate(pmem, third)
  t.equal(third.used()[0]?.ret, 0)
})

t.test('failure: a sync that throws or rejects -> ret -1, latched', async (t) => {
  for (const sync of [
    () => {
      throw new Error('gone')
    },
    () => Promise.reject(new Error('gone')),
  ]) {
    const ring = new RequestRing()
    const pmem = device(sync)
    activate(pmem, ring)
    ring.add(FLUSH)
    pmem.notify(0)
    await new Promise(setImmediate)
    t.equal(ring.used()[0]?.ret, EIO)
    t.equal(pmem.failed, true)
  }
})

t.test(
  'request: unknown type -> ret -1; no request -> length 0 and no ret; neither costs a sync',
  async (t) => {
    const ring = new RequestRing()
    const pmem = device(() => 0)
    activate(pmem, ring)
    ring.add([Uint8Array.of(9, 0, 0, 0), 4])
    ring.add([4])
    pmem.notify(0)
    t.match(ring.used(), [
      { length: 4, ret: EIO },
      { length: 0, ret: 0x5a5a_5a5a },
    ])
    t.match(pmem.statistics, { requests: 2, refused: 2, syncs: 0 })
    t.equal(pmem.failed, false)
  },
)

t.test('hostile chain: the writable part first -> length 0, and the flush after it is served', async (t) => {
  const ring = new RequestRing()
  const pmem = device(() => 0)
  activate(pmem, ring)
  ring.add([4, new Uint8Array(4)])
  ring.add(FLUSH)
  pmem.notify(0)
  t.match(ring.used(), [{ length: 0 }, { length: 4, ret: 0 }])
})

t.test(
  'hostile ring: a head outside the table -> QueueError for the transport, no request answered',
  async (t) => {
    const ring = new RequestRing()
    const pmem = device(() => 0)
    activate(pmem, ring)
    ring.publish(4000)
    t.throws(() => pmem.notify(0), { code: 'EPROTO' })
    t.same(ring.used(), [])
  },
)

t.test('hostile ring: broken while a sync runs -> NEEDS_RESET after it', async (t) => {
  const { device, ring, syncs } = held()
  ring.add(FLUSH)
  device.notify(0)
  ring.publish(4000)
  await end(syncs[0], 0)
  t.equal(ring.used().length, 1)
  t.equal(ring.resets, 1)
})

t.test(
  'reset: while a sync runs -> its requests are not answered, and the next driver waits for it',
  async (t) => {
    const { device, ring, syncs } = held()
    ring.add(FLUSH)
    device.notify(0)
    ring.queue.stop()
    device.reset()
    const next = new RequestRing()
    next.add(FLUSH)
    activate(device, next)
    t.equal(syncs.length, 1)
    await end(syncs[0], 0)
    t.equal(syncs.length, 2)
    await end(syncs[1], 0)
    t.same(ring.used(), [])
    t.equal(next.used()[0]?.ret, 0)
  },
)

t.test('reset: the sync under way fails -> the next driver sees it', async (t) => {
  const { device, ring, syncs } = held()
  ring.add(FLUSH)
  device.notify(0)
  ring.queue.stop()
  device.reset()
  await end(syncs[0], -5)
  const next = new RequestRing()
  next.add(FLUSH)
  activate(device, next)
  t.equal(next.used()[0]?.ret, EIO)
})

t.test('read-only: flush -> ret 0 without a sync', async (t) => {
  const ring = new RequestRing()
  const pmem = device(() => -5, true)
  activate(pmem, ring)
  ring.add(FLUSH)
  pmem.notify(0)
  t.equal(ring.used()[0]?.ret, 0)
  t.equal(pmem.statistics.syncs, 0)
})

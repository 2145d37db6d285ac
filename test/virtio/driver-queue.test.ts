import t from 'tap'
import { DmaMemory } from '../../src/bus/dma-memory.js'
import { DriverQueue, type DriverQueue as Queue } from '../../src/virtio/driver-queue.js'
import { FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../../src/virtio/features.js'
import { RawRing } from './raw-ring.js'

const NONE = new FeatureSet()
const EVENT = FeatureSet.of(VIRTIO_F_EVENT_IDX)
const { BUFFERS } = RawRing

interface Fixture {
  ring: RawRing
  queue: Queue<string>
  dma: DmaMemory
  notified: () => number
}

function makeQueue(features = NONE, size = 8, dmaSize = 0x1000): Fixture {
  const ring = new RawRing(size)
  const dma = new DmaMemory(ring.memory, BUFFERS, dmaSize)
  let count = 0
  const notify = (): void => {
    count++
  }
  const queue = new DriverQueue<string>({ memory: ring.memory, queue: ring.queue, features, notify, dma })
  return { ring, queue, dma, notified: () => count }
}

const out = (length = 4): { address: number; length: number } => ({ address: BUFFERS, length })
const in_ = (length = 4): { address: number; length: number } => ({ address: BUFFERS + 64, length })

t.test(
  'add: readable then writable ranges -> linked descriptors, head in the ring, then the index (2.7.13)',
  async (t) => {
    const { ring, queue, notified } = makeQueue()
    t.equal(queue.add([out(3), out(5)], [in_(7)], 'a'), true)
    t.equal(ring.availIdx, 1)
    const first = ring.descriptor(ring.availElement(0))
    const second = ring.descriptor(first.next)
    const third = ring.descriptor(second.next)
    t.match(first, { addr: BUFFERS, len: 3, flags: 1 })
    t.match(second, { addr: BUFFERS, len: 5, flags: 1 })
    t.match(third, { addr: BUFFERS + 64, len: 7, flags: 2, next: 0 })
    t.equal(queue.freeDescriptors, 5)
    t.equal(queue.inFlight, 1)
    t.equal(notified(), 0, 'published, not notified')
  },
)

t.test('add: table full -> false, nothing published; after a used chain -> true', async (t) => {
  const { ring, queue } = makeQueue()
  for (const token of ['a', 'b', 'c', 'd']) t.equal(queue.add([out()], [in_()], token), true)
  t.equal(queue.add([out()], [], 'e'), false)
  t.equal(ring.availIdx, 4)
  ring.makeUsed(ring.availElement(2), 4)
  t.same(queue.getUsed(), { token: 'c', length: 4 })
  t.equal(queue.add([out()], [in_()], 'e'), true)
  t.equal(queue.freeDescriptors, 0)
})

t.test('add: no range, more than the queue, outside RAM -> refused', async (t) => {
  const { ring, queue } = makeQueue()
  t.throws(() => queue.add([], [], 'a'), RangeError)
  t.throws(() => queue.add(new Array(9).fill(out()), [], 'a'), RangeError)
  t.throws(() => queue.add([{ address: 0, length: 4 }], [], 'a'), { name: 'BusError' })
  t.throws(() => queue.add([out()], [{ address: BUFFERS, length: 0x1_0000 }], 'a'), { name: 'BusError' })
  t.equal(ring.availIdx, 0)
  t.equal(queue.freeDescriptors, 8)
})

t.test('kick: without EVENT_IDX -> unless NO_NOTIFY; nothing added -> no', async (t) => {
  const { ring, queue, notified } = makeQueue()
  t.equal(queue.kick(), false)
  queue.add([out()], [], 'a')
  t.equal(queue.kick(), true)
  t.equal(queue.kick(), false, 'once')
  ring.usedFlags = 1
  queue.add([out()], [], 'b')
  t.equal(queue.kick(), false)
  t.equal(notified(), 1)
})

t.test('kick: with EVENT_IDX -> when the batch passed avail_event, flags ignored (2.7.10.1)', async (t) => {
  const { ring, queue, notified } = makeQueue(EVENT)
  ring.usedFlags = 1
  ring.availEvent = 0
  queue.add([out()], [], 'a')
  t.equal(queue.kick(), true)
  queue.add([out()], [], 'b')
  t.equal(queue.kick(), false, 'event 0 was passed before')
  ring.availEvent = 3
  queue.add([out()], [], 'c')
  t.equal(queue.kick(), false)
  queue.add([out()], [], 'd')
  queue.add([out()], [], 'e')
  t.equal(queue.kick(), true, 'indices 3 and 4 in one batch')
  t.equal(notified(), 2)
})

t.test(
  'kick: device and interrupt handler run within notify -> the used chain is there at once',
  async (t) => {
    const ring = new RawRing(8)
    const seen: unknown[] = []
    const queue: Queue<string> = new DriverQueue<string>({
      memory: ring.memory,
      queue: ring.queue,
      features: NONE,
      notify: () => {
        ring.makeUsed(ring.availElement(0), 0)
        seen.push(queue.getUsed())
      },
    })
    queue.add([out()], [], 'a')
    queue.kick()
    t.same(seen, [{ token: 'a', length: 0 }])
  },
)

t.test('getUsed: any order -> tokens by id, then nothing', async (t) => {
  const { ring, queue } = makeQueue()
  queue.add([out()], [in_(10)], 'a')
  queue.add([out()], [in_(10)], 'b')
  ring.makeUsed(ring.availElement(1), 10)
  ring.makeUsed(ring.availElement(0), 0)
  t.same(queue.getUsed(), { token: 'b', length: 10 })
  t.same(queue.getUsed(), { token: 'a', length: 0 })
  t.equal(queue.getUsed(), undefined)
  t.equal(queue.freeDescriptors, 8)
})

t.test(
  'getUsed: id not in flight, outside, inside a chain, used twice -> QueueError, queue broken',
  async (t) => {
    const hostile: ((ring: RawRing) => void)[] = [
      (ring) => ring.makeUsed(5, 0),
      (ring) => ring.makeUsed(8, 0),
      (ring) => ring.makeUsed(0xffff_ffff, 0),
      (ring) => ring.makeUsed(ring.descriptor(ring.availElement(0)).next, 0),
      (ring) => {
        ring.usedIdx = 2
      },
      (ring) => {
        ring.usedIdx = 0xffff
      },
      (ring) => ring.makeUsed(ring.availElement(0), 5),
    ]
    for (const [at, act] of hostile.entries()) {
      const { ring, queue } = makeQueue()
      queue.add([out()], [in_(4)], 'a')
      act(ring)
      t.throws(() => queue.getUsed(), { name: 'QueueError', code: 'EPROTO' }, `case ${at}`)
      t.equal(queue.broken, true)
      t.throws(() => queue.getUsed(), { name: 'QueueError' })
      t.throws(() => queue.add([out()], [], 'b'), { name: 'QueueError' })
      t.same(queue.detachUnused(), ['a'], 'the waiter is not lost')
    }
    const { ring, queue } = makeQueue()
    queue.add([out()], [], 'a')
    queue.add([out()], [], 'b')
    ring.makeUsed(0, 0)
    ring.makeUsed(0, 0)
    t.equal(queue.getUsed()?.token, 'a')
    t.throws(() => queue.getUsed(), { name: 'QueueError' })
  },
)

t.test('descriptor table scribbled on by the device -> chains are freed all the same', async (t) => {
  const { ring, queue } = makeQueue()
  queue.add([out(), out()], [in_()], 'a')
  const head = ring.availElement(0)
  for (let index = 0; index < 8; index++)
    ring.setDescriptor(index, { addr: 1, len: 1, flags: 7, next: 0xffff })
  ring.makeUsed(head, 0)
  t.equal(queue.getUsed()?.token, 'a')
  t.equal(queue.freeDescriptors, 8)
  queue.add(new Array(8).fill(out()), [], 'b')
  t.equal(queue.freeDescriptors, 0, 'all eight can still be linked')
})

t.test('interrupts: without EVENT_IDX -> the flag, and a second look (2.7.7)', async (t) => {
  const { ring, queue } = makeQueue()
  queue.add([out()], [], 'a')
  queue.disableInterrupts()
  t.equal(ring.availFlags, 1)
  t.equal(queue.enableInterrupts(), false)
  t.equal(ring.availFlags, 0)
  ring.makeUsed(ring.availElement(0), 0)
  t.equal(queue.enableInterrupts(), true)
})

t.test(
  'interrupts: with EVENT_IDX -> used_event follows while enabled, flags stay 0 (2.7.7.1)',
  async (t) => {
    const { ring, queue } = makeQueue(EVENT)
    for (const token of ['a', 'b', 'c']) queue.add([out()], [], token)
    ring.makeUsed(0, 0)
    queue.getUsed()
    t.equal(ring.usedEvent, 1)
    queue.disableInterrupts()
    ring.makeUsed(1, 0)
    queue.getUsed()
    t.equal(ring.usedEvent, 1)
    t.equal(ring.availFlags, 0)
    ring.makeUsed(2, 0)
    t.equal(queue.enableInterrupts(), true)
    t.equal(ring.usedEvent, 2)
  },
)

t.test('indirect: negotiated -> one descriptor and a table, given back when used', async (t) => {
  const { ring, queue, dma } = makeQueue(FeatureSet.of(VIRTIO_F_INDIRECT_DESC))
  queue.add([out(3)], [in_(7), in_(8)], 'a')
  t.equal(queue.freeDescriptors, 7)
  const head = ring.descriptor(ring.availElement(0))
  t.match(head, { len: 48, flags: 4, next: 0 })
  t.match(ring.descriptor(0, head.addr), { len: 3, flags: 1, next: 1 })
  t.match(ring.descriptor(1, head.addr), { len: 7, flags: 3, next: 2 })
  t.match(ring.descriptor(2, head.addr), { len: 8, flags: 2, next: 0 })
  t.equal(dma.allocated, 48)
  ring.makeUsed(ring.availElement(0), 15)
  t.same(queue.getUsed(), { token: 'a', length: 15 })
  t.equal(dma.allocated, 0)
  queue.add([out()], [], 'b')
  t.match(ring.descriptor(ring.availElement(1)), { len: 4, flags: 0 }, 'one range needs no table')
})

t.test('indirect: no DMA memory left -> direct descriptors', async (t) => {
  const { ring, queue } = makeQueue(FeatureSet.of(VIRTIO_F_INDIRECT_DESC), 8, 16)
  t.equal(queue.add([out()], [in_()], 'a'), true)
  t.equal(queue.freeDescriptors, 6)
  t.equal(ring.descriptor(ring.availElement(0)).flags, 1)
})

t.test('detachUnused: after a reset -> tokens in order of add, tables freed, queue at its end', async (t) => {
  const { ring, queue, dma } = makeQueue(FeatureSet.of(VIRTIO_F_INDIRECT_DESC))
  for (const token of ['a', 'b', 'c', 'd']) queue.add([out()], [in_()], token)
  ring.makeUsed(ring.availElement(1), 0)
  queue.getUsed()
  queue.add([out()], [in_()], 'e')
  t.same(queue.detachUnused(), ['a', 'c', 'd', 'e'])
  t.equal(dma.allocated, 0)
  t.equal(queue.inFlight, 0)
  t.equal(queue.freeDescriptors, 8)
  t.throws(() => queue.add([out()], [], 'f'), { name: 'QueueError' })
})

t.test('queue outside guest memory -> QueueError', async (t) => {
  const ring = new RawRing(8)
  const queue = { ...ring.queue, deviceArea: 0 }
  const make = (): unknown =>
    new DriverQueue({ memory: ring.memory, queue, features: NONE, notify: () => {} })
  t.throws(make, { name: 'QueueError' })
})

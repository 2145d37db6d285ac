import t from 'tap'
import { DeviceQueue } from '../../src/virtio/device-queue.js'
import { FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../../src/virtio/features.js'
import { RawRing } from './raw-ring.js'

const NONE = new FeatureSet()
const EVENT = FeatureSet.of(VIRTIO_F_EVENT_IDX)

/** A ring of 8 with one-descriptor chains at 0..7 and a device at `position`. */
function makeQueue(features = NONE, position = 0): { ring: RawRing; queue: DeviceQueue } {
  const ring = new RawRing(8)
  for (let index = 0; index < 8; index++) ring.setDescriptor(index, { flags: 2, len: 4 })
  ring.availIdx = position
  ring.usedIdx = position
  const queue = new DeviceQueue(ring.memory, ring.queue, features)
  queue.restore({ nextAvailable: position, nextUsed: position })
  return { ring, queue }
}

t.test('pop: what the driver made available -> in that order, then nothing', async (t) => {
  const { ring, queue } = makeQueue()
  t.equal(queue.pop(), undefined)
  ring.makeAvailable(3, 0, 7)
  t.same(
    [queue.pop(), queue.pop(), queue.pop(), queue.pop()].map((chain) => chain?.head),
    [3, 0, 7, undefined],
  )
  t.equal(queue.inFlight, 3)
})

t.test('pop with a limit: made available after the snapshot -> left for the next turn', async (t) => {
  const { ring, queue } = makeQueue()
  ring.makeAvailable(1, 2)
  const limit = queue.availableIndex()
  ring.makeAvailable(3)
  t.same([queue.pop(limit)?.head, queue.pop(limit)?.head, queue.pop(limit)?.head], [1, 2, undefined])
  t.equal(queue.pop()?.head, 3)
  t.throws(() => queue.pop(limit), { name: 'QueueError', head: undefined }, 'a limit that is already behind')
})

t.test('addUsed: any order -> element, length and index; slots wrap (2.7.8)', async (t) => {
  const { ring, queue } = makeQueue(NONE, 0xfffe)
  ring.makeAvailable(4, 5, 6)
  for (let popped = 0; popped < 3; popped++) queue.pop()
  queue.addUsed(6, 4)
  queue.addUsed(4, 0)
  queue.addUsed(5, 2)
  t.equal(ring.usedIdx, 1, '0xfffe + 3 modulo 2^16')
  t.same(ring.usedElement(6), { id: 6, len: 4 })
  t.same(ring.usedElement(7), { id: 4, len: 0 })
  t.same(ring.usedElement(0), { id: 5, len: 2 })
  t.equal(queue.inFlight, 0)
  t.match(queue, { nextAvailable: 1, nextUsed: 1 })
})

t.test('addUsed: not in flight, or twice -> RangeError and nothing published', async (t) => {
  const { ring, queue } = makeQueue()
  t.throws(() => queue.addUsed(0, 0), RangeError)
  ring.makeAvailable(0)
  queue.pop()
  queue.addUsed(0, 0)
  t.throws(() => queue.addUsed(0, 0), RangeError)
  t.throws(() => queue.addUsed(99, 0), RangeError)
  t.equal(ring.usedIdx, 1)
})

t.test('rings of the driver: the device writes only the used ring (2.7.5.1, 2.7.8)', async (t) => {
  const { ring, queue } = makeQueue(EVENT)
  ring.makeAvailable(1)
  const before = ring.memory.bytes.slice(0, 0x4000)
  const chain = queue.pop()
  queue.addUsed(chain!.head, 4)
  queue.needsInterrupt()
  queue.disableNotification()
  queue.enableNotification()
  t.same(ring.memory.bytes.slice(0, 0x4000), before)
})

t.test('available index ahead by more than the ring -> QueueError without head', async (t) => {
  for (const jump of [9, 100, 0xffff]) {
    const { ring, queue } = makeQueue()
    ring.availIdx = jump
    t.throws(() => queue.availableIndex(), { name: 'QueueError', head: undefined })
    t.throws(() => queue.pop(), { name: 'QueueError' })
    t.throws(() => queue.enableNotification(), { name: 'QueueError' })
  }
  const { ring, queue } = makeQueue()
  ring.makeAvailable(0, 1, 2, 3, 4, 5, 6, 7)
  t.equal(queue.availableIndex(), 8, 'a full ring is right')
})

t.test('bad chain -> QueueError with head, place consumed, may be handed back with length 0', async (t) => {
  const { ring, queue } = makeQueue()
  ring.setDescriptor(2, { flags: 1, next: 99 })
  ring.makeAvailable(2, 3)
  t.throws(() => queue.pop(), { name: 'QueueError', head: 2 })
  queue.addUsed(2, 0)
  t.equal(queue.pop()?.head, 3)
  t.same(ring.usedElement(0), { id: 2, len: 0 })
})

t.test('head outside the table, or in flight already -> QueueError without head', async (t) => {
  const { ring, queue } = makeQueue()
  ring.makeAvailable(8, 1, 1)
  t.throws(() => queue.pop(), { name: 'QueueError', head: undefined, message: /8/ })
  queue.pop()
  t.throws(() => queue.pop(), { name: 'QueueError', head: undefined, message: /in flight/ })
})

t.test(
  'needsInterrupt: without EVENT_IDX -> unless NO_INTERRUPT, and only for something new (2.7.7.2)',
  async (t) => {
    const { ring, queue } = makeQueue()
    ring.makeAvailable(0, 1)
    queue.pop()
    queue.pop()
    t.equal(queue.needsInterrupt(), false)
    queue.addUsed(0, 0)
    t.equal(queue.needsInterrupt(), true)
    t.equal(queue.needsInterrupt(), false)
    ring.availFlags = 1
    queue.addUsed(1, 0)
    t.equal(queue.needsInterrupt(), false)
  },
)

t.test(
  'needsInterrupt: with EVENT_IDX -> when the batch passed used_event, flags ignored (2.7.7.2)',
  async (t) => {
    const cases: [number, number, boolean][] = [
      [0, 0, true],
      [0, 1, true],
      [0, 2, false],
      [0, 0xffff, false],
      [0xffff, 0xffff, true],
      [0xffff, 0, true],
      [0xffff, 1, false],
    ]
    for (const [position, event, expected] of cases) {
      const { ring, queue } = makeQueue(EVENT, position)
      ring.availFlags = 1
      ring.usedEvent = event
      ring.makeAvailable(0, 1)
      for (let popped = 0; popped < 2; popped++) queue.addUsed(queue.pop()!.head, 0)
      t.equal(queue.needsInterrupt(), expected, `from ${position}, event ${event}`)
    }
  },
)

t.test('needsInterrupt: asked after more than 2^16 elements -> true', async (t) => {
  const { ring, queue } = makeQueue(EVENT)
  ring.usedEvent = 3
  for (let round = 0; round < 0x1_0000; round++) {
    ring.makeAvailable(0)
    queue.addUsed(queue.pop()!.head, 0)
  }
  t.equal(queue.needsInterrupt(), true)
})

t.test('notification: off and on without EVENT_IDX -> the flag, and a second look (2.7.10)', async (t) => {
  const { ring, queue } = makeQueue()
  queue.disableNotification()
  t.equal(ring.usedFlags, 1)
  t.equal(queue.enableNotification(), false)
  t.equal(ring.usedFlags, 0)
  ring.makeAvailable(0)
  t.equal(queue.enableNotification(), true, 'came before the driver could see the flag')
})

t.test(
  'notification: with EVENT_IDX -> avail_event is the next index, flags stay 0 (2.7.10.2)',
  async (t) => {
    const { ring, queue } = makeQueue(EVENT, 0xffff)
    ring.makeAvailable(0)
    queue.pop()
    queue.disableNotification()
    t.equal(ring.usedFlags, 0)
    t.equal(queue.enableNotification(), false)
    t.equal(ring.availEvent, 0)
    ring.makeAvailable(1)
    t.equal(queue.enableNotification(), true)
  },
)

t.test('stop: reset while chains are in flight -> the ring is not touched any more', async (t) => {
  const { ring, queue } = makeQueue(EVENT)
  ring.makeAvailable(0, 1)
  queue.pop()
  queue.stop()
  t.equal(queue.stopped, true)
  const before = ring.memory.bytes.slice()
  queue.addUsed(0, 4)
  queue.disableNotification()
  t.equal(queue.enableNotification(), false)
  t.equal(queue.pop(), undefined)
  t.equal(queue.needsInterrupt(), false)
  t.same(ring.memory.bytes, before)
})

t.test('restore: a position of another device -> goes on there; not with chains in flight', async (t) => {
  const { ring, queue } = makeQueue()
  ring.makeAvailable(0, 1)
  queue.addUsed(queue.pop()!.head, 0)
  const { nextAvailable, nextUsed } = queue
  const other = new DeviceQueue(ring.memory, ring.queue, NONE)
  other.restore({ nextAvailable, nextUsed })
  t.equal(other.pop()?.head, 1)
  other.addUsed(1, 0)
  t.equal(ring.usedIdx, 2)
  ring.makeAvailable(2)
  other.pop()
  t.throws(() => other.restore({ nextAvailable, nextUsed }), { name: 'QueueError' })
})

t.test('features: INDIRECT_DESC decides whether indirect tables are followed', async (t) => {
  for (const [features, works] of [
    [FeatureSet.of(VIRTIO_F_INDIRECT_DESC), true],
    [NONE, false],
  ] as const) {
    const { ring, queue } = makeQueue(features)
    ring.setDescriptor(0, { addr: RawRing.INDIRECT, len: 16, flags: 4 })
    ring.setDescriptor(0, { len: 9 }, RawRing.INDIRECT)
    ring.makeAvailable(0)
    if (works) t.equal(queue.pop()?.readableLength, 9)
    else t.throws(() => queue.pop(), { name: 'QueueError', head: 0 })
  }
})

import fc from 'fast-check'
import t from 'tap'
import { DmaMemory } from '../../src/bus/dma-memory.js'
import { GuestMemory } from '../../src/bus/guest-memory.js'
import {
  allocateQueue,
  checkQueueAddresses,
  descriptorAreaSize,
  deviceAreaSize,
  driverAreaSize,
  freeQueue,
  needEvent,
  type QueueAddresses,
  VirtqDesc,
} from '../../src/virtio/ring.js'

t.test('sizes: the table of 2.7 plus the event fields', async (t) => {
  t.equal(descriptorAreaSize(128), 16 * 128)
  t.equal(driverAreaSize(128), 6 + 2 * 128)
  t.equal(deviceAreaSize(128), 6 + 8 * 128)
})

t.test('virtq_desc: bytes by hand -> fields', async (t) => {
  const view = new DataView(Uint8Array.of(0x10, 0, 0, 0x80, 1, 0, 0, 0, 4, 0, 0, 1, 2, 0, 0xfe, 0xff).buffer)
  t.equal(VirtqDesc.addr.get(view, 0), 0x1_8000_0010)
  t.equal(VirtqDesc.len.get(view, 0), 0x0100_0004)
  t.equal(VirtqDesc.flags.get(view, 0), 2)
  t.equal(VirtqDesc.next.get(view, 0), 0xfffe)
})

t.test('checkQueueAddresses: size, alignment and range of 2.7 -> QueueError without head', async (t) => {
  const memory = new GuestMemory({ start: 0x1000, size: 0x4000 })
  const good: QueueAddresses = { size: 16, descriptorArea: 0x1000, driverArea: 0x2002, deviceArea: 0x3004 }
  checkQueueAddresses(memory, good)
  const bad: Partial<QueueAddresses>[] = [
    { size: 0 },
    { size: 3 },
    { size: 65536 },
    { size: 0.5 },
    { descriptorArea: 0x1008 },
    { driverArea: 0x2001 },
    { deviceArea: 0x3002 },
    { descriptorArea: 0 },
    { descriptorArea: 0x5000 },
    { driverArea: 0x5000 - 36 },
    { deviceArea: 0x5000 - 132 },
    { deviceArea: 2 ** 64 - 4 },
  ]
  for (const change of bad)
    t.throws(() => checkQueueAddresses(memory, { ...good, ...change }), {
      name: 'QueueError',
      code: 'EPROTO',
      head: undefined,
    })
  t.doesNotThrow(
    () => checkQueueAddresses(memory, { ...good, driverArea: 0x5000 - 36 }, false),
    'without EVENT_IDX there is no event field',
  )
})

t.test('allocateQueue: any size -> valid, and freeQueue gives all of it back', async (t) => {
  const dma = new DmaMemory(new GuestMemory({ start: 8, size: 0x10_0000 }))
  for (const size of [1, 2, 256, 32768]) {
    const queue = allocateQueue(dma, size)
    checkQueueAddresses(dma.memory, queue)
    freeQueue(dma, queue)
    t.equal(dma.allocated, 0, `size ${size}`)
  }
})

t.test('allocateQueue: room for some of its areas -> ENOMEM, and none is taken', async (t) => {
  // 16 descriptors are 256 bytes, their rings 38 and 134.
  for (const size of [200, 256, 292, 300, 420]) {
    const dma = new DmaMemory(new GuestMemory({ start: 16, size }))
    t.throws(() => allocateQueue(dma, 16), { code: 'ENOMEM' }, `${size} bytes`)
    t.equal(dma.allocated, 0)
  }
})

t.test('needEvent: any step -> true exactly when the entry at the event was written (2.7.7.2)', async (t) => {
  const u16 = fc.nat(0xffff)
  fc.assert(
    fc.property(u16, fc.nat(300), fc.integer({ min: -310, max: 310 }), (oldIndex, count, shift) => {
      const event = (oldIndex + shift) & 0xffff
      let written = false
      for (let step = 0; step < count; step++) if (((oldIndex + step) & 0xffff) === event) written = true
      return needEvent(event, (oldIndex + count) & 0xffff, oldIndex) === written
    }),
  )
  t.equal(needEvent(0xffff, 0, 0xffff), true, 'over the wrap')
  t.equal(needEvent(0, 0, 0xffff), false)
})

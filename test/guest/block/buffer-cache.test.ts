import t from 'tap'
import { BufferCache } from '../../../src/guest/block/buffer-cache.js'
import { RamDisk } from '../../ram-disk.js'

function newCache(blocks = 16): { disk: RamDisk; cache: BufferCache } {
  const disk = new RamDisk(Uint8Array.from({ length: blocks * 1024 }, (_, index) => index >>> 10))
  return { disk, cache: new BufferCache(disk, 1024) }
}

t.test('get: a clean head looks at the device, and is the same each time', async (t) => {
  const { disk, cache } = newCache()
  const head = cache.get(3)
  t.equal(head.bytes[head.at], 3)
  disk.write(3 * 1024, Uint8Array.of(0x77))
  t.equal(head.view.getUint8(head.at), 0x77)
  t.equal(cache.get(3), head)
  t.equal(disk.unflushed.length, 1)
})

t.test('get: past the device -> RangeError', async (t) => {
  const { cache } = newCache()
  for (const block of [-1, 16, Number.NaN]) t.throws(() => cache.get(block), RangeError)
})

t.test('a shadow: holds the content, hides its changes, is dropped with them', async (t) => {
  const { disk, cache } = newCache()
  const head = cache.get(3)
  head.verified = true
  cache.makeShadow(head)
  t.equal(cache.shadows, 1)
  t.equal(head.bytes[head.at + 1023], 3)
  head.bytes[head.at] = 0x55
  cache.makeShadow(head)
  t.equal(head.bytes[head.at], 0x55)
  t.equal(disk.bytes[3 * 1024], 3)
  cache.dropShadow(head)
  t.equal(cache.shadows, 0)
  t.equal(head.bytes[head.at], 3)
  t.equal(head.verified, false)
  cache.dropShadow(head)
  t.equal(cache.shadows, 0)
})

t.test('a fresh shadow: zeroes, also over one that is there and memory used before', async (t) => {
  const { cache } = newCache()
  const head = cache.get(3)
  cache.makeShadow(head)
  cache.makeShadow(head, true)
  t.ok(head.bytes.subarray(head.at, head.at + 1024).every((byte) => byte === 0))
  head.bytes.fill(0x99, head.at, head.at + 1024)
  cache.dropShadow(head)
  const other = cache.get(4)
  cache.makeShadow(other, true)
  t.ok(other.bytes.subarray(other.at, other.at + 1024).every((byte) => byte === 0))
})

t.test('trim: forgets clean heads when there are many, never one with a shadow', async (t) => {
  const { cache } = newCache(20000)
  const changed = cache.get(1)
  cache.makeShadow(changed)
  const clean = cache.get(2)
  cache.trim()
  t.equal(cache.get(2), clean, 'few: kept')
  for (let block = 0; block < 17000; block++) cache.get(block)
  cache.trim()
  t.not(cache.get(2), clean)
  t.equal(cache.get(1), changed)
})

import { readFileSync, truncateSync } from 'node:fs'
import t from 'tap'
import { ImageFile } from '../../src/host/image-file.js'
import { KernelCache } from '../../src/host/kernel-cache.js'
import { temporaryImage } from './temporary-image.js'

t.test('kernel cache: a store -> in the file at once, and durable after sync', async (t) => {
  const path = temporaryImage(4)
  const cache = KernelCache.open(ImageFile.open(path))
  t.teardown(() => cache.close())
  cache.memory.region(0).store(5000, Uint8Array.of(1, 2, 3))
  t.same([...readFileSync(path).subarray(4999, 5004)], [0, 1, 2, 3, 0])
  t.equal(cache.pagesDirty, 1)
  t.equal(cache.sync(), 0)
  t.equal(cache.pagesDirty, 0)
  t.same(cache.statistics, { syncs: 1, failures: 0, bytesWrittenBack: 4096 })
})

t.test('kernel cache: the file was truncated -> sync fails, nothing is touched', async (t) => {
  const path = temporaryImage(4)
  const cache = KernelCache.open(ImageFile.open(path))
  t.teardown(() => cache.close())
  cache.memory.region(0).store(0, Uint8Array.of(1))
  truncateSync(path, 4096)
  t.equal(cache.sync(), -5)
  t.equal(cache.pagesDirty, 1)
  t.equal(cache.statistics.failures, 1)
})

t.test('kernel cache: fdatasync fails -> its errno, and the pages stay dirty', async (t) => {
  const image = ImageFile.open(temporaryImage(4))
  const { memory } = KernelCache.open(image)
  const cache = new KernelCache(
    { checkLength: () => 0, datasync: () => -28, close: () => image.close() },
    memory,
  )
  t.teardown(() => cache.close())
  memory.region(0).zero(0, 3 * 4096)
  t.equal(cache.sync(), -28)
  t.equal(cache.pagesDirty, 3)
})

t.test('kernel cache: a read-only image -> stores are refused and sync has nothing to do', async (t) => {
  const cache = KernelCache.open(ImageFile.open(temporaryImage(1, 7), { readOnly: true }))
  t.teardown(() => cache.close())
  const region = cache.memory.region(0)
  t.equal(region.readOnly, true)
  t.throws(() => region.store(0, Uint8Array.of(1)), TypeError)
  t.equal(region.directAccess(0).bytes[0], 7)
  t.equal(cache.sync(), 0)
})

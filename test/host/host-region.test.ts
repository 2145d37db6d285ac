import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { EmulatedCache } from '../../src/host/emulated-cache.js'
import { HostMemory } from '../../src/host/host-memory.js'
import { ImageFile } from '../../src/host/image-file.js'
import { temporaryImage } from '../machine/temporary-image.js'

const SIZE = 1 << 20

t.test('store, zero: large and small, anywhere -> the bytes, and their pages dirty', async (t) => {
  const { image } = await temporaryImage(8 << 20)
  const file = ImageFile.open(image)
  const memory = HostMemory.map(file, { shared: false })
  t.teardown(() => {
    memory.unmap()
    file.close()
  })
  const region = memory.region(0)
  const model = new Uint8Array(SIZE).fill(7)
  region.store(0, model)
  const place = fc.record({ at: fc.nat(SIZE), length: fc.nat(200_000), fill: fc.nat(255) })
  fc.assert(
    fc.property(place, ({ at, length, fill }) => {
      const part = Math.min(length, SIZE - at)
      model.fill(fill, at, at + part)
      if (fill === 0) region.zero(at, part)
      else region.store(at, new Uint8Array(part).fill(fill))
    }),
    { numRuns: 60 },
  )
  const { bytes } = region.directAccess(0)
  t.equal(Buffer.compare(bytes.subarray(0, SIZE), model), 0)
  t.equal(memory.dirtyLog.count, SIZE / 4096)
})

t.test('a range outside, or a read-only region -> refused as by any region', async (t) => {
  const { image } = await temporaryImage(8 << 20)
  const file = ImageFile.open(image, { readOnly: true })
  const memory = HostMemory.map(file, { shared: true })
  t.teardown(() => {
    memory.unmap()
    file.close()
  })
  const region = memory.region(0)
  t.throws(() => region.store((8 << 20) - 4096, new Uint8Array(SIZE)), RangeError)
  t.throws(() => region.zero(-1, SIZE), RangeError)
  t.throws(() => region.store(0, new Uint8Array(SIZE)), TypeError)
})

t.test(
  'storeNew: whole pages without a copy -> in the file at once; the others, and all after a store, are not',
  async (t) => {
    const { image } = await temporaryImage(8 << 20)
    const file = ImageFile.open(image)
    const memory = HostMemory.map(file, { shared: false })
    const cache = new EmulatedCache(file, memory)
    t.teardown(() => cache.close())
    const region = memory.region(0)
    const old = new Uint8Array(readFileSync(image))
    region.store(20 * 4096, new Uint8Array(10).fill(1))
    region.storeNew(100, new Uint8Array(40 * 4096).fill(2))
    t.same(
      region.directAccess(0).bytes.slice(0, 41 * 4096 + 1),
      old.slice(0, 41 * 4096 + 1).fill(2, 100, 100 + 40 * 4096),
      'all is visible',
    )
    const onFile = new Uint8Array(readFileSync(image)).subarray(0, 42 * 4096)
    for (let page = 0; page < 42; page++) {
      const ahead = page >= 1 && page < 40 && page !== 20
      const at = page * 4096
      const wanted = ahead ? new Uint8Array(4096).fill(2) : old.subarray(at, at + 4096)
      t.equal(Buffer.compare(onFile.subarray(at, at + 4096), wanted), 0, `page ${page}`)
    }
    t.equal(memory.dirtyLog.count, 3, 'the two edges, and the page with a copy')
    t.equal(cache.pagesDirty, 41, 'no sync has covered any of them')
    const before = cache.statistics.bytesWrittenBack
    t.equal(cache.sync(), 0)
    t.equal(cache.statistics.bytesWrittenBack - before, 41 * 4096)
    region.store(5 * 4096, new Uint8Array(4096).fill(3))
    region.storeNew(0, new Uint8Array(16 * 4096).fill(4))
    t.equal(readFileSync(image)[5 * 4096], 2, 'a private copy would hide what the file has')
    t.equal(region.directAccess(0).bytes[5 * 4096], 4)
    t.equal(cache.sync(), 0)
    t.equal(readFileSync(image)[5 * 4096], 4)
  },
)

t.test(
  'storeNew: any mixture of stores, syncs and reclaims -> memory as the model has it, and the file after a sync',
  async (t) => {
    const { image } = await temporaryImage(8 << 20)
    const file = ImageFile.open(image)
    const memory = HostMemory.map(file, { shared: false, reclaimLimit: 0 })
    const cache = new EmulatedCache(file, memory)
    t.teardown(() => cache.close())
    const region = memory.region(0)
    const model = new Uint8Array(readFileSync(image)).slice(0, SIZE)
    const step = fc.record({
      at: fc.nat(SIZE),
      length: fc.nat(300_000),
      fill: fc.nat(255),
      what: fc.constantFrom('storeNew', 'storeNew', 'store', 'zero', 'sync', 'reclaim', 'writeBack', 'drop'),
    })
    const runs = fc.sample(fc.array(step, { minLength: 300, maxLength: 300 }), {
      numRuns: 1,
      ...(process.env['SEED'] ? { seed: Number(process.env['SEED']) } : {}),
    })
    for (const { at, length, fill, what } of runs.flat()) {
      const part = Math.min(length, SIZE - at)
      if (what === 'sync') cache.sync()
      else if (what === 'writeBack') cache.writeBack()
      else if (what === 'reclaim') memory.reclaim()
      else if (what === 'drop') memory.dropViews()
      else {
        model.fill(what === 'zero' ? 0 : fill, at, at + part)
        if (what === 'zero') region.zero(at, part)
        else region[what](at, new Uint8Array(part).fill(fill))
      }
      const shown = region.directAccess(0).bytes.subarray(0, SIZE)
      if (Buffer.compare(shown, model) !== 0) t.fail(`after ${what} at ${at}+${part}`)
    }
    t.equal(cache.sync(), 0)
    t.equal(Buffer.compare(readFileSync(image).subarray(0, SIZE), model), 0)
  },
)

import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import t from 'tap'
import { EmulatedCache } from '../../src/host/emulated-cache.js'
import { HostMemory } from '../../src/host/host-memory.js'
import { ImageFile } from '../../src/host/image-file.js'
import { KernelCache } from '../../src/host/kernel-cache.js'
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
  'any mixture of stores, discards, syncs and reclaims -> memory as the model has it, and the file after a sync',
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
      what: fc.constantFrom(
        ...([
          'storeNew',
          'storeNew',
          'store',
          'zero',
          'discard',
          'sync',
          'reclaim',
          'writeBack',
          'drop',
        ] as const),
      ),
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
      else if (what === 'discard') {
        region.discard(at, part)
        const first = Math.ceil(at / 4096) * 4096
        model.fill(0, first, Math.max(first, Math.floor((at + part) / 4096) * 4096))
      } else {
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

for (const open of [KernelCache.open, EmulatedCache.open]) {
  t.test(
    `discard, ${open === KernelCache.open ? 'kernel' : 'emulated'} cache -> a hole of the file, at once`,
    async (t) => {
      const { image } = await temporaryImage(8 << 20)
      const cache = open(ImageFile.open(image))
      t.teardown(() => cache.close())
      const { memory } = cache
      const region = memory.region(0)
      const blocks = (): number => statSync(image).blocks
      region.store(4 << 20, new Uint8Array(1 << 20).fill(1))
      t.equal(await cache.sync(), 0)
      const full = blocks()
      region.store((4 << 20) + 8192, new Uint8Array(4096).fill(2))
      const dirty = memory.dirtyLog.count
      region.discard((4 << 20) + 1, 1 << 19)
      t.equal(full - blocks(), ((1 << 19) - 4096) / 512, 'space came back')
      t.equal(memory.dirtyLog.count, dirty - 1, 'nothing is left to be written there')
      const seen = region.directAccess(4 << 20)
      const expected = new Uint8Array(1 << 20).fill(1)
      expected.fill(0, 4096, 1 << 19)
      t.equal(Buffer.compare(seen.bytes.subarray(seen.at, seen.at + (1 << 20)), expected), 0)
      region.store((4 << 20) + 8192, Uint8Array.of(3))
      expected[8192] = 3
      t.equal(await cache.sync(), 0)
      t.equal(Buffer.compare(readFileSync(image).subarray(4 << 20, 5 << 20), expected), 0)
      // One page was stored, and the host's own file system may keep one block more of extents.
      t.ok(full - blocks() >= ((1 << 19) - 3 * 4096) / 512, 'and does not go again but for what was stored')
    },
  )
}

t.test('discard while another thread writes back -> zeroes, in memory and in the file', async (t) => {
  const { image } = await temporaryImage(8 << 20)
  const file = ImageFile.open(image)
  const memory = HostMemory.map(file, { shared: false })
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('./write-back-worker.js', import.meta.url), {
    workerData: { image: file.handle, memory: memory.handle, stop: stop.buffer },
  })
  await once(worker, 'message')
  const region = memory.region(0)
  const { bytes } = region.directAccess(0)
  const page = new Uint8Array(32768).fill(7)
  let wrong = 0
  for (let turn = 0; turn < 4000; turn++) {
    const at = (4 << 20) + (turn % 64) * 32768
    region.store(at, page)
    region.discard(at, 32768)
    if (bytes[at] !== 0 || bytes[at + 32767] !== 0) wrong++
  }
  Atomics.store(stop, 0, 1)
  const [{ result, turns }] = await once(worker, 'message')
  t.equal(result, 0)
  t.ok(turns > 10, `${turns} write-backs`)
  t.equal(wrong, 0)
  memory.unmap()
  file.close()
  t.ok(
    readFileSync(image)
      .subarray(4 << 20, 6 << 20)
      .every((byte) => byte === 0),
  )
})

t.test(
  'a shared mapping, segments that nobody looked at: stored and zeroed by way of the file',
  async (t) => {
    const { image } = await temporaryImage(8 << 20)
    const before = readFileSync(image)
    const cache = KernelCache.open(ImageFile.open(image))
    t.teardown(() => cache.close())
    const region = cache.memory.region(0)
    const model = new Uint8Array(before)
    const seen: [number, number][] = []
    region.observer = { stored: (offset, length) => seen.push([offset, length]) }
    region.store(5000, Buffer.from('--bytes--'), 2, 7)
    model.set(Buffer.from('bytes'), 5000)
    region.zero(1 << 20, 1 << 20)
    model.fill(0, 1 << 20, 2 << 20)
    t.same(seen, [
      [5000, 5],
      [1 << 20, 1 << 20],
    ])
    t.equal(region.storeSequence, 2)
    t.throws(() => region.store((8 << 20) - 1, Uint8Array.of(1, 2)), RangeError)
    region.zero((1 << 20) + 5, 1 << 16)
    const { bytes } = region.directAccess(0)
    t.equal(Buffer.compare(bytes, model), 0, 'the mapping shows it')
    region.store(5000, Buffer.from('BYTES'))
    model.set(Buffer.from('BYTES'), 5000)
    t.equal(await cache.sync(), 0)
    t.equal(Buffer.compare(readFileSync(image), model), 0)
  },
)

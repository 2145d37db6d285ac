import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, truncateSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { EmulatedCache, type WrittenFile } from '../../src/host/emulated-cache.js'
import { HostMemory } from '../../src/host/host-memory.js'
import { ImageFile } from '../../src/host/image-file.js'
import { temporaryImage } from './temporary-image.js'

const PAGE = 4096

/** A cache over a real image, with what `faults` says in place of the image's own methods. */
function open(
  t: Test,
  path: string,
  faults: (image: ImageFile) => Partial<WrittenFile> = () => ({}),
): EmulatedCache {
  const image = ImageFile.open(path)
  const file: WrittenFile = {
    checkLength: () => image.checkLength(),
    write: (address, length, offset) => image.write(address, length, offset),
    datasync: () => image.datasync(),
    close: () => image.close(),
    ...faults(image),
  }
  const cache = new EmulatedCache(file, HostMemory.map(image, { shared: false }))
  t.teardown(() => cache.close())
  return cache
}

/** Resident private memory of this process, in bytes. */
function residentAnonymous(): number {
  return Number(/RssAnon:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
}

t.test('emulated cache: a store -> not in the file before sync, there after it', async (t) => {
  const path = temporaryImage(8)
  const cache = open(t, path)
  const region = cache.memory.region(0)
  region.store(PAGE - 1, Uint8Array.of(1, 2))
  region.store(5 * PAGE, Uint8Array.of(3))
  t.ok(readFileSync(path).equals(Buffer.alloc(8 * PAGE)))
  t.equal(cache.pagesDirty, 3)
  t.equal(cache.sync(), 0)
  const expected = Buffer.alloc(8 * PAGE)
  expected.set([1, 2], PAGE - 1)
  expected[5 * PAGE] = 3
  t.ok(readFileSync(path).equals(expected))
  t.equal(cache.pagesDirty, 0)
  t.same(cache.statistics, { syncs: 1, failures: 0, bytesWrittenBack: 3 * PAGE })
})

t.test('emulated cache: syncs -> fdatasync the first time, then only for something written', async (t) => {
  let synced = 0
  const datasync = (): number => {
    synced++
    return 0
  }
  const cache = open(t, temporaryImage(2), () => ({ datasync }))
  cache.sync()
  cache.sync()
  t.equal(synced, 1, 'what others wrote before is covered once')
  cache.memory.region(0).store(0, Uint8Array.of(1))
  cache.writeBack()
  cache.sync()
  cache.sync()
  t.equal(synced, 2)
})

t.test('emulated cache: the process is killed -> the file has exactly what was synced', async (t) => {
  const path = temporaryImage(4)
  const child = fileURLToPath(new URL('./store-and-die.js', import.meta.url))
  const { signal } = spawnSync(process.execPath, [child, path], { stdio: 'inherit' })
  t.equal(signal, 'SIGKILL')
  const expected = Buffer.alloc(4 * PAGE).fill(1, 0, 2 * PAGE)
  t.ok(readFileSync(path).equals(expected))
})

t.test('emulated cache: closed without sync -> the file has exactly what was synced', async (t) => {
  const path = temporaryImage(2)
  const cache = EmulatedCache.open(ImageFile.open(path))
  const region = cache.memory.region(0)
  region.store(0, Uint8Array.of(1))
  cache.sync()
  region.store(1, Uint8Array.of(2))
  cache.close()
  t.same([...readFileSync(path).subarray(0, 2)], [1, 0])
})

t.test('emulated cache: discardUnflushed -> memory and file show what was synced', async (t) => {
  const path = temporaryImage(4)
  const cache = open(t, path)
  const region = cache.memory.region(0)
  region.store(0, Uint8Array.of(1))
  cache.sync()
  region.store(0, Uint8Array.of(2))
  region.store(3 * PAGE, Uint8Array.of(2))
  cache.discardUnflushed()
  t.equal(region.directAccess(0).bytes[0], 1)
  t.equal(region.directAccess(0).bytes[3 * PAGE], 0)
  t.equal(cache.pagesDirty, 0)
})

t.test('emulated cache: writeBackAll -> every store is in the file', async (t) => {
  const path = temporaryImage(4)
  const cache = open(t, path)
  cache.memory.region(0).store(2 * PAGE, Uint8Array.of(9))
  t.equal(cache.writeBackAll(), 0)
  t.equal(readFileSync(path)[2 * PAGE], 9)
  t.equal(cache.statistics.syncs, 0)
})

t.test('emulated cache: a write fails, once -> all pages stay dirty, the next sync has them', async (t) => {
  const path = temporaryImage(8)
  const results = [PAGE, -28]
  const cache = open(t, path, (image) => ({
    write: (...call) => results.shift() ?? image.write(...call),
  }))
  const region = cache.memory.region(0)
  region.store(0, Uint8Array.of(1))
  region.store(4 * PAGE, Uint8Array.of(2))
  t.equal(cache.sync(), -28)
  t.equal(cache.pagesDirty, 2)
  t.equal(cache.memory.reclaim(), 0, 'nothing may be dropped')
  t.equal(cache.sync(), 0)
  t.equal(readFileSync(path)[0], 1)
  t.equal(readFileSync(path)[4 * PAGE], 2)
})

t.test('emulated cache: short writes -> the whole page arrives', async (t) => {
  const path = temporaryImage(1)
  const cache = open(t, path, (image) => ({
    write: (address, length, offset) => image.write(address, Math.min(length, 1000), offset),
  }))
  cache.memory.region(0).store(0, new Uint8Array(PAGE).fill(8))
  t.equal(cache.sync(), 0)
  t.ok(readFileSync(path).equals(Buffer.alloc(PAGE, 8)))
})

t.test('emulated cache: fdatasync fails -> also what earlier write-backs wrote is dirty again', async (t) => {
  const results = [0, -5]
  const cache = open(t, temporaryImage(8), () => ({ datasync: () => results.shift() ?? 0 }))
  const region = cache.memory.region(0)
  cache.sync()
  region.store(PAGE, Uint8Array.of(1))
  cache.writeBack()
  region.store(2 * PAGE, Uint8Array.of(1))
  t.equal(cache.pagesDirty, 1)
  t.equal(cache.sync(), -5)
  t.equal(cache.pagesDirty, 2)
  t.equal(cache.statistics.failures, 1)
})

t.test('emulated cache: the file was truncated -> sync fails, and the file is not grown again', async (t) => {
  const path = temporaryImage(4)
  const cache = open(t, path)
  cache.memory.region(0).store(3 * PAGE, Uint8Array.of(1))
  truncateSync(path, PAGE)
  t.equal(cache.sync(), -5)
  t.equal(cache.pagesDirty, 1)
  t.equal(readFileSync(path).length, PAGE)
})

type Step =
  | 'sync'
  | 'write-back'
  | 'reclaim'
  | 'write fails'
  | 'fdatasync fails'
  | { store: number; value: number }

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ store: fc.nat(15 * PAGE), value: fc.integer({ min: 1, max: 255 }) }),
  fc.constantFrom<Step>('sync', 'write-back', 'reclaim', 'write fails', 'fdatasync fails'),
)

/** Runs the steps on a cache and on plain bytes. False when they ever differ, or the file does after a last sync. */
function keepsEveryStore(steps: readonly Step[]): boolean {
  const path = temporaryImage(16)
  const image = ImageFile.open(path)
  let failing: Step = 'sync'
  const file: WrittenFile = {
    checkLength: () => 0,
    write: (...call) => (failing === 'write fails' ? -5 : image.write(...call)),
    datasync: () => (failing === 'fdatasync fails' ? -5 : 0),
    close: () => image.close(),
  }
  const cache = new EmulatedCache(file, HostMemory.map(image, { shared: false }))
  const region = cache.memory.region(0)
  const model = new Uint8Array(16 * PAGE)
  let same = true
  for (const step of [...steps, 'sync' as const]) {
    if (typeof step === 'object') {
      region.store(step.store, new Uint8Array(3).fill(step.value))
      model.fill(step.value, step.store, step.store + 3)
    } else if (step === 'write-back') {
      cache.writeBack()
    } else if (step === 'reclaim') {
      cache.memory.reclaim()
    } else {
      failing = step
      cache.sync()
    }
    same &&= Buffer.compare(region.directAccess(0).bytes, model) === 0
  }
  const kept = readFileSync(path).equals(model)
  cache.close()
  return same && kept
}

t.test('emulated cache: random stores, syncs, failures, reclaims -> no store is lost', async (t) => {
  const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }
  const property = fc.property(fc.array(anyStep, { maxLength: 40 }), keepsEveryStore)
  t.doesNotThrow(() => fc.assert(property, { numRuns: 60, ...seed }))
})

t.test('reclaim: pages dirty again or being written -> kept; all others -> dropped', async (t) => {
  const cache = open(t, temporaryImage(8), (image) => ({
    write: (...call) => {
      t.equal(cache.memory.reclaim(), 0, 'not while pages are on their way')
      return image.write(...call)
    },
  }))
  const region = cache.memory.region(0)
  region.store(0, new Uint8Array(4 * PAGE).fill(1))
  cache.sync()
  region.store(2 * PAGE, Uint8Array.of(2))
  t.equal(cache.memory.reclaim(), 3 * PAGE)
  t.equal(region.directAccess(0).bytes[2 * PAGE], 2)
  t.equal(region.directAccess(0).bytes[PAGE], 1)
  t.equal(cache.memory.reclaim(), 0, 'nothing is left to drop')
})

t.test('limits: an image overwritten as a whole -> resident memory stays bounded', async (t) => {
  const MiB = 1 << 20
  const limits = { writeBackLimit: 8 * MiB, reclaimLimit: 8 * MiB }
  const cache = EmulatedCache.open(ImageFile.open(temporaryImage((128 * MiB) / PAGE)), limits)
  t.teardown(() => cache.close())
  const region = cache.memory.region(0)
  const source = new Uint8Array(MiB).fill(1)
  const before = residentAnonymous()
  let most = 0
  for (let offset = 0; offset < region.size; offset += MiB) {
    region.store(offset, source)
    if (cache.writeBackDue) t.equal(cache.writeBack(), 0)
    if (cache.memory.reclaimDue) cache.memory.reclaim()
    most = Math.max(most, residentAnonymous() - before)
  }
  t.ok(most < 64 * MiB, `${Math.round(most / MiB)} MiB`)
  t.ok(cache.statistics.bytesWrittenBack > 100 * MiB)
})

t.test('two threads: one stores and reclaims, one writes back -> no store is lost', async (t) => {
  const path = temporaryImage(64)
  const image = ImageFile.open(path)
  const memory = HostMemory.map(image, { shared: false })
  const cache = new EmulatedCache(image, memory)
  t.teardown(() => cache.close())
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('./write-back-worker.js', import.meta.url), {
    workerData: { image: image.handle, memory: memory.handle, stop: stop.buffer },
  })
  await once(worker, 'message')
  const region = memory.region(0)
  const model = new Uint32Array((64 * PAGE) / 4)
  const seen = new Uint32Array(region.directAccess(0).bytes.buffer)
  let lost = 0
  for (let turn = 1; turn <= 60_000; turn++) {
    const word = ((turn * 2654435761) >>> 0) % model.length
    region.store(word * 4, new Uint8Array(Uint32Array.of(turn).buffer))
    model[word] = turn
    if (turn % 16 === 0) memory.reclaim()
    const other = ((turn * 40503) >>> 0) % model.length
    if (seen[other] !== model[other]) lost++
  }
  Atomics.store(stop, 0, 1)
  const [{ result, turns }] = await once(worker, 'message')
  t.equal(result, 0)
  t.ok(turns > 100, `${turns} write-backs`)
  t.equal(lost, 0)
  t.equal(cache.sync(), 0)
  t.ok(readFileSync(path).equals(Buffer.from(model.buffer)))
})

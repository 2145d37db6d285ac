import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { Completion } from '../../lib/completion.js'
import { EmulatedCache } from '../../src/host/emulated-cache.js'
import { FaultInjection, type FaultInjectionOptions } from '../../src/host/fault-injection.js'
import { ImageFile } from '../../src/host/image-file.js'
import { temporaryImage } from './temporary-image.js'

function open(t: Test, path: string, options: FaultInjectionOptions): FaultInjection {
  const backend = new FaultInjection(EmulatedCache.open(ImageFile.open(path)), options)
  t.teardown(() => backend.close())
  return backend
}

t.test('fault injection: the second sync -> fails once, with nothing written', async (t) => {
  const path = temporaryImage(1)
  const backend = open(t, path, { faults: [{ at: 2, code: 'ENOSPC' }] })
  t.equal(await backend.sync(), 0)
  backend.memory.region(0).store(0, Uint8Array.of(1))
  t.equal(await backend.sync(), -28)
  t.equal(readFileSync(path)[0], 0)
  t.equal(backend.pagesDirty, 1)
  t.equal(await backend.sync(), 0)
  t.equal(readFileSync(path)[0], 1)
  t.same(backend.statistics, { syncs: 3, failures: 1, bytesWrittenBack: 4096 })
})

t.test('fault injection: a sticky fault -> every later sync fails', async (t) => {
  const backend = open(t, temporaryImage(1), { faults: [{ at: 2, code: 'EIO', sticky: true }] })
  t.same([await backend.sync(), await backend.sync(), await backend.sync()], [0, -5, -5])
})

t.test('fault injection: a delay -> the sync begins when it is over', async (t) => {
  const path = temporaryImage(1)
  const held = new Completion()
  const backend = open(t, path, { delay: (sync) => (sync === 1 ? held.promise : undefined) })
  backend.memory.region(0).store(0, Uint8Array.of(1))
  const result = backend.sync()
  t.equal(readFileSync(path)[0], 0)
  held.complete()
  t.equal(await result, 0)
  t.equal(readFileSync(path)[0], 1)
})

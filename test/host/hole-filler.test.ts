import { closeSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { EmulatedCache } from '../../src/host/emulated-cache.js'
import { ImageFile } from '../../src/host/image-file.js'
import { KernelCache } from '../../src/host/kernel-cache.js'

const PAGE = 4096
const STRIDE = 262144

function sparse(size: number): string {
  const path = join(tmp.dirSync({ unsafeCleanup: true }).name, 'image')
  closeSync(openSync(path, 'w'))
  truncateSync(path, size)
  return path
}

const POLICIES = { kernel: KernelCache, emulated: EmulatedCache }

function openSparse(
  t: Test,
  policy: keyof typeof POLICIES,
  size = 16 * STRIDE,
): { path: string; cache: KernelCache | EmulatedCache } {
  const path = sparse(size)
  const cache = POLICIES[policy].open(ImageFile.open(path))
  t.teardown(() => cache.close())
  return { path, cache }
}

/** Bytes that the file has of the disk. */
const allocated = (path: string): number => statSync(path).blocks * 512

for (const policy of ['kernel', 'emulated'] as const) {
  t.test(
    `holes, host cache ${policy}: one page of a stride is stored -> its sync allocates the stride, as zeroes`,
    async (t) => {
      const { path, cache } = openSparse(t, policy)
      cache.memory.region(0).store(20 * PAGE, Uint8Array.of(1, 2, 3))
      t.equal(cache.sync(), 0)
      t.equal(allocated(path), STRIDE)
      const bytes = readFileSync(path)
      t.same([...bytes.subarray(20 * PAGE, 20 * PAGE + 4)], [1, 2, 3, 0])
      t.ok(
        bytes.every((byte, index) => byte === 0 || (index >= 20 * PAGE && index < 20 * PAGE + 3)),
        'nothing else has changed',
      )
    },
  )

  t.test(
    `holes, host cache ${policy}: sixty-four stores to a stride, each synced -> one allocation`,
    async (t) => {
      const { path, cache } = openSparse(t, policy)
      const region = cache.memory.region(0)
      for (let page = 0; page < STRIDE / PAGE; page++) {
        region.store(page * PAGE, Uint8Array.of(page + 1))
        t.equal(cache.sync(), 0)
        t.equal(allocated(path), STRIDE)
      }
      const bytes = readFileSync(path)
      for (let page = 0; page < STRIDE / PAGE; page++) t.equal(bytes[page * PAGE], page + 1)
    },
  )

  t.test(
    `holes, host cache ${policy}: more is stored than a journal would -> what was not stored stays a hole`,
    async (t) => {
      const { path, cache } = openSparse(t, policy, 64 * STRIDE)
      const region = cache.memory.region(0)
      for (let page = 0; page < 600; page += 2) region.store(page * PAGE, Uint8Array.of(1))
      t.equal(cache.sync(), 0)
      // And some blocks of its own for the tree of its extents.
      t.ok(allocated(path) < 310 * PAGE, `${allocated(path) / PAGE} pages`)
    },
  )

  t.test(
    `holes, host cache ${policy}: at the end of an image of no whole stride -> up to the end`,
    async (t) => {
      const { path, cache } = openSparse(t, policy, STRIDE + 3 * PAGE)
      cache.memory.region(0).store(STRIDE + PAGE, Uint8Array.of(9))
      t.equal(cache.sync(), 0)
      t.equal(allocated(path), 3 * PAGE)
      t.equal(statSync(path).size, STRIDE + 3 * PAGE)
    },
  )
}

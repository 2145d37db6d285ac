/** Sparse images of a terabyte: what mounting them costs depends on what is used, not on how large they are. */
import { execFile } from 'node:child_process'
import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import tmp from 'tmp'
import { HostMemory } from '../../src/host/host-memory.js'
import { ImageFile } from '../../src/host/image-file.js'
import { formatImage } from '../../src/machine/format-image.js'

const run = promisify(execFile)
const child = fileURLToPath(new URL('./mount-and-measure.js', import.meta.url))
const TIB = 2 ** 40

tmp.setGracefulCleanup()
t.setTimeout(120_000)

function sparseFile(size: number): string {
  const path = join(tmp.dirSync({ unsafeCleanup: true }).name, 'image')
  writeFileSync(path, '')
  truncateSync(path, size)
  return path
}

const makers = {
  mkfs: async (image: string) => {
    rmSync(image)
    await formatImage({ image, size: TIB })
  },
  'mkfs.ext4': async (image: string) => {
    await run('mkfs.ext4', ['-q', '-F', '-J', 'size=64', image])
  },
}

for (const [name, make] of Object.entries(makers)) {
  t.test(
    `1 TiB by ${name} -> mounted in less than a second and 200 MiB, fsyncs as fast as any`,
    async (t) => {
      const image = sparseFile(TIB)
      await make(image)
      const { stdout } = await run(process.execPath, [child, image])
      const { mount, fdatasync, rss, blocks } = JSON.parse(stdout)
      t.ok(blocks > 2 ** 27)
      t.ok(mount < 1000, `${mount} ms`)
      t.ok(fdatasync < 10, `${fdatasync} ms`)
      t.ok(rss < 200 << 20, `${rss} bytes`)
      t.ok(statSync(image).blocks < 400 << 11, 'the image is sparse still')
    },
  )
}

t.test('an image in several mappings: stores around their border, of both policies', async (t) => {
  const path = sparseFile(2 * TIB + 65536)
  for (const shared of [true, false]) {
    const file = ImageFile.open(path)
    const memory = HostMemory.map(file, { shared })
    const region = memory.region(0)
    const bytes = new Uint8Array(100_000).map((_, at) => (at % 250) + (shared ? 1 : 2))
    for (const place of [TIB, 2 * TIB]) {
      region.store(place - 50_000, bytes)
      const { bytes: seen, at } = region.directAccess(place - 1)
      t.equal(seen[at], bytes[49_999])
      const next = region.directAccess(place)
      t.equal(next.bytes[next.at], bytes[50_000])
      t.equal(next.address % 4096, 0)
    }
    t.equal(memory.dirtyLog.count, 52)
    t.same(memory.dirtyLog.take().slice(0, 2), [TIB / 4096 - 13, TIB / 4096 - 12])
    region.discard(TIB - 40_960, 81_920)
    const { bytes: gone, at } = region.directAccess(TIB - 1)
    t.equal(gone[at], 0)
    memory.unmap()
    file.close()
  }
})

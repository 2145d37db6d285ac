import { execFileSync } from 'node:child_process'
import { existsSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import tmp from 'tmp'
import { formatImage } from '../../src/machine/format-image.js'
import { InlineMachine } from '../../src/machine/inline-machine.js'
import { temporaryImage } from './temporary-image.js'

tmp.setGracefulCleanup()

function newImage(): string {
  return join(tmp.dirSync({ unsafeCleanup: true }).name, 'disk.img')
}

t.test('formatImage: a new file -> sparse, and clean to e2fsck', async (t) => {
  const image = newImage()
  const report = await formatImage({ image, size: 64 << 20, label: 'scratch' })
  t.match(report, { blockSize: 4096, blocksCount: 16384, label: 'scratch' })
  const stats = statSync(image)
  t.equal(stats.size, 64 << 20)
  t.ok(stats.blocks * 512 < 8 << 20, 'it takes little room')
  execFileSync('e2fsck', ['-fn', image], { stdio: 'pipe' })
})

t.test('formatImage: an existing file -> its size is taken, its content only by force', async (t) => {
  const image = newImage()
  writeFileSync(image, '')
  truncateSync(image, 16 << 20)
  await formatImage({ image })
  await t.rejects(formatImage({ image }), { code: 'EEXIST', message: /holds ext4 already; --force/ })
  await t.rejects(formatImage({ image, size: 8 << 20 }), { code: 'EEXIST', message: /--force cuts it/ })
  await t.rejects(formatImage({ image, size: 4 << 20, force: true }), { code: 'ENOSPC' })
  t.equal(statSync(image).size, 16 << 20, 'nothing was cut')
  t.equal((await formatImage({ image, size: 8 << 20, force: true })).blocksCount, 2048)
  t.equal(statSync(image).size, 8 << 20)
})

t.test('formatImage: no size, bad size, too small -> refused, and no file is left', async (t) => {
  const image = newImage()
  await t.rejects(formatImage({ image }), { code: 'ENOENT', message: /--size/ })
  await t.rejects(formatImage({ image, size: 5000 }), { code: 'EINVAL', message: /multiple of 4096/ })
  await t.rejects(formatImage({ image, size: 4096 }), { code: 'ENOSPC' })
  await t.rejects(formatImage({ image, size: 8 << 20, blockSize: 512 }), { code: 'EINVAL' })
  t.equal(existsSync(image), false)
})

t.test('formatImage: an image in use -> EBUSY even by force, whatever the size', async (t) => {
  const { image } = await temporaryImage()
  const machine = InlineMachine.boot({ image })
  await t.rejects(formatImage({ image, force: true }), { code: 'EBUSY' })
  await t.rejects(formatImage({ image, size: 8 << 20, force: true }), { code: 'EBUSY' })
  t.equal(statSync(image).size, 16 << 20)
  await machine.shutDown()
})

t.test(
  'an image too small for a journal -> ENOSPC, which says what is large enough, and no file',
  async (t) => {
    const image = newImage()
    await t.rejects(formatImage({ image, size: 4 << 20 }), {
      code: 'ENOSPC',
      message: /8M or more, or take blocks of 1024/,
    })
    t.equal(existsSync(image), false)
    const report = await formatImage({ image, size: 4 << 20, blockSize: 1024 })
    t.equal(report.journalBlocks, 1024)
  },
)

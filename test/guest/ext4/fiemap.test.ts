import t from 'tap'
import type { FiemapExtent } from '../../../src/guest/vfs/fiemap.js'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, mountExt4, ROOT_USER, ready, writeAll } from './mounted.js'

for (const blockSize of [1024, 4096]) {
  t.test(`FIEMAP, FIBMAP, blocks of ${blockSize}: as debugfs has the extents`, async (t) => {
    const disk = new RamDisk(mkfsExt4(32 << 20, ['-b', String(blockSize)]))
    const fs = await mountExt4(disk)
    const ino = fs.mknod(fs.root, bytesOf('a'), 0o100644, 0, ROOT_USER)
    for (let at = 0; at < 8; at++) await writeAll(fs, ino, at * 40_960, new Uint8Array(9000).fill(at + 1))
    await (await ready(fs)).fallocate(ino, 0, 500_000, 20_000)
    const all = fs.fiemap(ino)
    t.same(
      all.map(({ last }) => last),
      [...all.slice(1).map(() => false), true],
    )
    await fs.syncfs()
    await fs.unmount()
    t.equal(e2fsck(disk.bytes).status, 0)
    const told = debugfs(disk.bytes, 'ex -l a')
      .split('\n')
      .slice(1)
      .filter((line) => line.trim() !== '')
    const expected = told.map((line) => {
      const [first, end, physical] = [...line.split('/').slice(2).join(' ').matchAll(/\d+/g)]
        .slice(1)
        .map(Number) as [number, number, number]
      const unwritten = line.includes('Uninit')
      return {
        logical: first * blockSize,
        physical: physical * blockSize,
        length: (end - first + 1) * blockSize,
        unwritten,
      }
    })
    t.same(
      all.map(({ last: _, ...extent }) => extent),
      expected,
      told.join('\n'),
    )

    const again = await mountExt4(new RamDisk(disk.bytes))
    const file = again.lookup(again.root, bytesOf('a')) as number
    const [first, second] = all as [FiemapExtent, FiemapExtent]
    t.same(again.fiemap(file, second.logical - 1, 1), [], 'a hole')
    t.same(again.fiemap(file, second.logical, 1), [{ ...second, last: false }])
    const cut = again.fiemap(file, blockSize + 1, blockSize * 2)
    t.same(cut[0], {
      ...first,
      logical: blockSize,
      physical: first.physical + blockSize,
      length: first.length - blockSize,
    })
    t.equal(again.bmap(file, 1), first.physical / blockSize + 1)
    t.equal(again.bmap(file, first.length / blockSize), 0, 'a hole')
    t.equal(again.bmap(file, (all.at(-1)?.logical ?? 0) / blockSize), 0, 'unwritten')
    t.equal(again.bmap(file, 2 ** 40), 0)
    t.throws(() => again.fiemap(file, 0, 0), { code: 'EINVAL' })
    t.throws(() => again.fiemap(file, 2 ** 52, 1), { code: 'EFBIG' })
  })
}

t.test('the label: read, set, as dumpe2fs has it', async (t) => {
  const disk = new RamDisk(mkfsExt4(16 << 20, ['-L', 'sixteen-letters!']))
  const fs = await mountExt4(disk)
  t.same(fs.getLabel(), bytesOf('sixteen-letters!'))
  fs.setLabel(bytesOf('new'))
  t.same(fs.getLabel(), bytesOf('new'))
  t.throws(() => fs.setLabel(new Uint8Array(17).fill(65)), { code: 'EINVAL' })
  await fs.unmount()
  t.equal(e2fsck(disk.bytes).status, 0)
  t.match(debugfs(disk.bytes, 'stats'), /volume name: +new\n/)
})

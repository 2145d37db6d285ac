import t from 'tap'
import type { Ext4 } from '../../../src/guest/ext4/ext4.js'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, debugfsWrite, mkfsExt4 } from './image.js'
import { faultsOf, ownFaultsOf } from './judges.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, list, mountExt4, ROOT_USER, readAll, ready, writeAll } from './mounted.js'

const SIZE = 16 << 20
/** As mkfs.ext3 has them. */
const EXT3 =
  '^extent,^64bit,^flex_bg,^huge_file,^dir_nlink,^extra_isize,^metadata_csum,^uninit_bg,has_journal,filetype,dir_index'
const IMAGE = mkfsExt4(SIZE, ['-b', '1024', '-O', EXT3])
const BLOCK = 1024
const POINTERS = BLOCK / 4
/** First logical blocks beneath the pointers to one, two and three levels of blocks of pointers. */
const SINGLE = 12
const DOUBLE = SINGLE + POINTERS
const TRIPLE = DOUBLE + POINTERS ** 2
const END = TRIPLE + POINTERS ** 3
const skip = noKernelMount() ?? false

async function create(fs: Ext4, name: string): Promise<number> {
  return (await ready(fs)).mknod(fs.root, bytesOf(name), 0o100644, 0, ROOT_USER)
}

const block = (fill: number, count = 1) => new Uint8Array(count * BLOCK).fill(fill)
const find = (fs: Ext4, name: string, dir = fs.root) => fs.lookup(dir, bytesOf(name)) as number
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
/** Blocks held, those of pointers too. */
const held = (fs: Ext4, ino: number) => (fs.getattr(ino).blocks * 512) / BLOCK

for (const [name, options] of [
  ['ext3, blocks of 1 KiB', ['-b', '1024', '-O', EXT3]],
  ['ext3, blocks of 4 KiB', ['-b', '4096', '-O', EXT3]],
  ['ext4 without extents', ['-b', '1024', '-O', '^extent,^64bit']],
] as const) {
  t.test(`${name}: files of the kernel -> read, changed, and read by the kernel`, { skip }, async (t) => {
    const script = `
      for n in 100 20000 700000; do yes $n | head -c $n > f$n; done
      truncate -s 80000000 sparse; printf tail >> sparse
      mkdir d; for n in $(seq 400); do echo $n > d/a-name-of-some-length-$n; done
      ln -s $(printf %0200d 5) slow; ln -s short fast`
    const made = onKernel(mkfsExt4(SIZE, options), script).image
    t.same(ownFaultsOf(made), [])
    const disk = new RamDisk(made)
    const fs = await mountExt4(disk)
    for (const n of [100, 20000, 700000]) {
      t.equal(text(readAll(fs, find(fs, `f${n}`))), `${n}\n`.repeat(n).slice(0, n), `file of ${n}`)
    }
    t.equal(text(readAll(fs, find(fs, 'sparse'), 79_999_990, 14)), `${'\0'.repeat(10)}tail`)
    t.equal(text(fs.readlink(find(fs, 'slow'))), `${'0'.repeat(199)}5`)
    const d = find(fs, 'd')
    t.equal(list(fs, d).size, 400)
    await writeAll(fs, find(fs, 'f20000'), 10_000, block(65, 300))
    await writeAll(fs, find(fs, 'sparse'), 40_000_000, block(66, 5))
    await (await ready(fs)).setattr(find(fs, 'f700000'), { size: 300_001 })
    await (await ready(fs)).fallocate(find(fs, 'f700000'), 3, 9_000, 90_000)
    for (let n = 0; n < 300; n++) (await ready(fs)).unlink(d, bytesOf(`a-name-of-some-length-${n + 1}`))
    const own = await create(fs, 'own')
    await writeAll(fs, own, 0, block(67, 500))
    ;(await ready(fs)).symlink(fs.root, bytesOf('link'), block(68).subarray(0, 300), ROOT_USER)
    const wanted = ['f20000', 'f700000', 'own'].map((file) => text(readAll(fs, find(fs, file)))).join('')
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
    const look = `cat f20000 f700000 own; readlink link; ls d | wc -l; tail -c +40000001 sparse | head -c 3
      rm f20000 f700000 sparse; rm -r d; echo more >> own`
    const seen = onKernel(disk.bytes, look)
    t.ok(seen.output === `${wanted}${'D'.repeat(300)}\n100\nBBB`, 'as the kernel reads it')
    t.same(faultsOf(seen.image), [])
  })
}

t.test(
  'blocks at the borders of the levels -> each read back; the blocks of pointers come and go',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const { blocksFree } = fs.statfs()
    const ino = await create(fs, 'f')
    const places = [0, SINGLE - 1, SINGLE, DOUBLE - 1, DOUBLE, DOUBLE + POINTERS, TRIPLE - 1, TRIPLE, END - 1]
    for (const [index, logical] of places.entries()) {
      await writeAll(fs, ino, logical * BLOCK, block(index + 1))
    }
    // One; one and three of two levels; one and two times two of three levels.
    t.equal(held(fs, ino), places.length + 1 + (1 + 3) + (1 + 2 * 2))
    for (const [index, logical] of places.entries()) {
      t.equal(readAll(fs, ino, logical * BLOCK, BLOCK)[77], index + 1, `block ${logical}`)
      if (logical + 1 < END && !places.includes(logical + 1))
        t.equal(fs.seek(ino, logical * BLOCK, 'hole'), (logical + 1) * BLOCK)
    }
    t.equal(fs.seek(ino, (DOUBLE + POINTERS + 1) * BLOCK, 'data'), (TRIPLE - 1) * BLOCK)
    t.equal(fs.getattr(ino).size, END * BLOCK)
    await ready(fs)
    t.throws(() => fs.write(ino, END * BLOCK, block(1), 0, BLOCK, false), { code: 'EFBIG' })
    await fs.fsync(ino, false)
    t.same(
      faultsOf(disk.bytes).filter((fault) => !fault.includes('recovery')),
      [],
    )
    await (await ready(fs)).fallocate(ino, 3, SINGLE * BLOCK, (TRIPLE - SINGLE) * BLOCK)
    t.equal(held(fs, ino), 4 + 5, 'two levels are gone')
    await (await ready(fs)).setattr(ino, { size: BLOCK })
    t.equal(held(fs, ino), 1)
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
    const again = await mountExt4(disk)
    ;(await ready(again)).unlink(again.root, bytesOf('f'))
    t.equal(again.statfs().blocksFree, blocksFree)
    await again.unmount()
    t.same(faultsOf(disk.bytes), [])
  },
)

t.test('what an indirect map cannot say -> EOPNOTSUPP, and nothing is changed', async (t) => {
  const fs = await mountExt4(new RamDisk(IMAGE))
  const ino = await create(fs, 'f')
  await writeAll(fs, ino, 0, block(1, 4))
  await ready(fs)
  for (const mode of [0, 1, 0x10, 0x11, 8, 0x20])
    t.throws(() => fs.fallocate(ino, mode, BLOCK, BLOCK), { code: 'EOPNOTSUPP' }, `mode ${mode}`)
  t.equal(text(readAll(fs, ino)), text(block(1, 4)))
})

t.test('files of ext3 in what became ext4 -> both kinds side by side', { skip }, async (t) => {
  const made = onKernel(IMAGE, 'yes old | head -c 50000 > old; mkdir d; touch d/x').image
  const disk = new RamDisk(debugfsWrite(made, 'feature extent'))
  const fs = await mountExt4(disk)
  await writeAll(fs, find(fs, 'old'), 40_000, block(65, 30))
  await writeAll(fs, await create(fs, 'new'), 0, block(66, 30))
  for (let n = 0; n < 100; n++)
    (await ready(fs)).mknod(find(fs, 'd'), bytesOf(`name-${n}-${'x'.repeat(60)}`), 0o100644, 0, ROOT_USER)
  const wanted = text(readAll(fs, find(fs, 'old')))
  await fs.unmount()
  t.same(faultsOf(disk.bytes), [])
  t.match(debugfs(disk.bytes, 'stat old'), /IND/)
  t.match(debugfs(disk.bytes, 'stat new'), /EXTENTS/)
  const seen = onKernel(disk.bytes, 'cat old new; ls d | wc -l; rm -r old new d')
  t.equal(seen.output, `${wanted}${text(block(66, 30))}101\n`)
  t.same(faultsOf(seen.image), [])
})

t.test(
  'a disk full of indirect blocks -> ENOSPC, all comes back; and pointers that lead outside are told',
  async (t) => {
    const disk = new RamDisk(mkfsExt4(SIZE, ['-b', '1024', '-m', '0', '-O', EXT3]))
    const fs = await mountExt4(disk)
    const { blocksFree } = fs.statfs()
    const ino = await create(fs, 'f')
    await t.rejects(writeAll(fs, ino, 0, block(1, 20_000)), { code: 'ENOSPC' })
    t.ok(fs.statfs().blocksFree < 3)
    await (await ready(fs)).setattr(ino, { size: 20 * BLOCK })
    t.equal(fs.statfs().blocksFree, blocksFree - 21)
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
    t.match(
      ownFaultsOf(debugfsWrite(disk.bytes, `sif f size ${END * BLOCK + 1}`)).join(),
      /i_size is \d+, expected/,
    )
    const damaged = await mountExt4(
      new RamDisk(debugfsWrite(disk.bytes, 'sif f block[IND] 999999')),
      undefined,
      {
        errors: 'continue',
      },
    )
    t.equal(readAll(damaged, find(damaged, 'f'), 0, BLOCK)[0], 1)
    t.throws(() => readAll(damaged, find(damaged, 'f')), { code: 'EUCLEAN', message: /999999/ })
  },
)

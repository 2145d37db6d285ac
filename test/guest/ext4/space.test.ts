import t from 'tap'
import { FsError } from '../../../lib/errno.js'
import type { Ext4 } from '../../../src/guest/ext4/ext4.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, mountExt4, ROOT_USER, ready, writeAll } from './mounted.js'

const chunk = new Uint8Array(64 * 1024).fill(1)

/** Writes a file until the disk is full. Returns its inode and the bytes that found room. */
async function fill(fs: Ext4, name: string): Promise<{ ino: number; size: number }> {
  const ino = (await ready(fs)).mknod(fs.root, bytesOf(name), 0o100644, 0, ROOT_USER)
  try {
    for (let offset = 0; ; offset += chunk.length) await writeAll(fs, ino, offset, chunk)
  } catch (error) {
    if (!(error instanceof FsError && error.code === 'ENOSPC')) throw error
  }
  return { ino, size: fs.getattr(ino).size }
}

t.test('a full disk: ENOSPC, every block is used, and all come back with the file', async (t) => {
  const disk = new RamDisk(mkfsExt4(16 << 20, ['-b', '1024', '-m', '0']))
  const fs = await mountExt4(disk)
  const free = fs.statfs().blocksFree
  for (let round = 0; round < 5; round++) {
    const { size } = await fill(fs, 'full')
    t.equal(fs.statfs().blocksFree, 0, 'blocks left')
    t.ok(size > (free - 100) * 1024, 'all but the blocks of the extent tree hold data')
    ;(await ready(fs)).unlink(fs.root, bytesOf('full'))
    t.equal(fs.statfs().blocksFree, free, 'blocks back')
  }
  await fs.unmount()
  const judged = e2fsck(disk.bytes)
  t.equal(judged.status, 0, judged.output)
})

t.test('reserved blocks: the others stop before them, root does not', async (t) => {
  const disk = new RamDisk(mkfsExt4(16 << 20, ['-b', '1024', '-m', '10']))
  const fs = await mountExt4(disk)
  const { blocksFree, blocksAvailable } = fs.statfs()
  fs.setCaller(1000, 1000)
  await fill(fs, 'mine')
  t.equal(fs.statfs().blocksAvailable, 0)
  t.equal(fs.statfs().blocksFree, blocksFree - blocksAvailable, 'the reserve is untouched')
  fs.setCaller(0, 0)
  await fill(fs, 'of root')
  t.equal(fs.statfs().blocksFree, 0)
  await fs.unmount()
  const judged = e2fsck(disk.bytes)
  t.equal(judged.status, 0, judged.output)
})

t.test('no inode left: ENOSPC, nothing remains of the attempt', async (t) => {
  const disk = new RamDisk(mkfsExt4(8 << 20, ['-b', '1024', '-N', '64']))
  const fs = await mountExt4(disk)
  const { filesFree } = fs.statfs()
  for (let n = 0; n < filesFree; n++)
    (await ready(fs)).mknod(fs.root, bytesOf(`f${n}`), 0o100644, 0, ROOT_USER)
  await ready(fs)
  t.throws(() => fs.mknod(fs.root, bytesOf('one more'), 0o100644, 0, ROOT_USER), { code: 'ENOSPC' })
  t.throws(() => fs.mkdir(fs.root, bytesOf('one more'), 0o755, ROOT_USER), { code: 'ENOSPC' })
  t.equal(fs.lookup(fs.root, bytesOf('one more')), undefined)
  await fs.unmount()
  const judged = e2fsck(disk.bytes)
  t.equal(judged.status, 0, judged.output)
})

t.test(
  'a full disk: mkdir, symlink and long names -> ENOSPC, and e2fsck finds nothing half done',
  async (t) => {
    const disk = new RamDisk(mkfsExt4(8 << 20, ['-b', '1024', '-m', '0']))
    const fs = await mountExt4(disk)
    await fill(fs, 'full')
    const refused: string[] = []
    for (let n = 0; n < 200; n++) {
      await ready(fs)
      for (const make of [
        () => fs.mkdir(fs.root, bytesOf(`directory ${n}`), 0o755, ROOT_USER),
        () => fs.symlink(fs.root, bytesOf(`link ${n}`), new Uint8Array(200).fill(97), ROOT_USER),
        () => fs.mknod(fs.root, bytesOf(`${n}`.padStart(255, 'x')), 0o100644, 0, ROOT_USER),
      ]) {
        try {
          make()
        } catch (error) {
          if (!(error instanceof FsError)) throw error
          refused.push(error.code)
        }
      }
    }
    t.ok(refused.length > 400, `${refused.length} refused`)
    t.ok(refused.every((code) => code === 'ENOSPC'))
    await fs.unmount()
    const judged = e2fsck(disk.bytes)
    t.equal(judged.status, 0, judged.output)
  },
)

t.test('sizes: past the last logical block -> EFBIG, up to it a sparse file', async (t) => {
  const disk = new RamDisk(mkfsExt4(8 << 20, ['-b', '4096']))
  const fs = await mountExt4(disk)
  const ino = (await ready(fs)).mknod(fs.root, bytesOf('sparse'), 0o100644, 0, ROOT_USER)
  const limit = 0xffffffff * 4096
  await ready(fs)
  t.throws(() => fs.write(ino, limit, chunk, 0, 1, false), { code: 'EFBIG' })
  t.equal(fs.write(ino, limit - 10, chunk, 0, 100, false), 10, 'cut at the limit')
  t.throws(() => fs.setattr(ino, { size: limit + 1 }), { code: 'EFBIG' })
  t.equal(fs.getattr(ino).size, limit)
  t.equal(fs.seek(ino, 0, 'data'), limit - 4096)
  t.equal(fs.seek(ino, 0, 'hole'), 0)
  t.throws(() => fs.seek(ino, limit, 'data'), { code: 'ENXIO' })
  await fs.unmount()
  const judged = e2fsck(disk.bytes)
  t.equal(judged.status, 0, judged.output)
})

t.test(
  'a file of many fragments on a small journal: truncated and freed in several transactions',
  async (t) => {
    const disk = new RamDisk(mkfsExt4(64 << 20, ['-b', '1024', '-J', 'size=1']))
    const fs = await mountExt4(disk)
    const free = fs.statfs().blocksFree
    const ino = (await ready(fs)).mknod(fs.root, bytesOf('fragments'), 0o100644, 0, ROOT_USER)
    for (let n = 0; n < 12_000; n++) await writeAll(fs, ino, n * 2048, new Uint8Array(100).fill(n))
    const commits = fs.journalCounters!.commits
    await ready(fs)
    await fs.setattr(ino, { size: 1_000_000 })
    t.equal(fs.getattr(ino).size, 1_000_000)
    ;(await ready(fs)).unlink(fs.root, bytesOf('fragments'))
    await fs.unmount()
    t.ok(fs.journalCounters!.commits > commits, 'more than one transaction')
    const again = await mountExt4(disk)
    t.equal(again.statfs().blocksFree, free)
    t.equal(again.report.orphans, 0)
    await again.unmount()
    const judged = e2fsck(disk.bytes)
    t.equal(judged.status, 0, judged.output)
  },
)

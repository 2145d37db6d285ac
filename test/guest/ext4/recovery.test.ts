import t from 'tap'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, list, mountExt4, ROOT_USER, readAll, ready, TestClock, writeAll } from './mounted.js'

for (const [name, options] of [
  ['orphan list', ['-b', '1024']],
  ['orphan file', ['-b', '4096', '-O', 'orphan_file']],
] as const) {
  const image = mkfsExt4(16 << 20, [...options])

  t.test(
    `a power failure with a deleted file held open, ${name} -> it is freed at the next mount`,
    async (t) => {
      const disk = new RamDisk(image)
      const fs = await mountExt4(disk)
      const free = fs.statfs()
      for (const file of ['a', 'b', 'c']) {
        const ino = (await ready(fs)).mknod(fs.root, bytesOf(file), 0o100644, 0, ROOT_USER)
        fs.retain(ino)
        await writeAll(fs, ino, 0, new Uint8Array(50_000).fill(1))
        ;(await ready(fs)).unlink(fs.root, bytesOf(file))
      }
      await fs.syncfs()
      const after = new RamDisk(disk.durable())
      const again = await mountExt4(after)
      t.equal(again.report.orphans, 3)
      t.same(again.statfs(), free)
      // And once more, before anything was written home: what the first recovery committed must be sound.
      const third = await mountExt4(new RamDisk(after.durable()))
      t.equal(third.report.orphans, 0)
      t.same(third.statfs(), free)
      await again.unmount()
      const judged = e2fsck(after.bytes)
      t.equal(judged.status, 0, judged.output)
    },
  )

  t.test(
    `a crash between two steps of a truncation, ${name} -> it is finished at the next mount`,
    async (t) => {
      // Small groups: freeing the file touches more bitmaps than fit in a transaction.
      const features = ['-O', `^resize_inode${options[3] === undefined ? '' : `,${options[3]}`}`]
      const disk = new RamDisk(mkfsExt4(96 << 20, ['-b', '1024', '-g', '256', '-J', 'size=1', ...features]))
      const fs = await mountExt4(disk)
      const ino = (await ready(fs)).mknod(fs.root, bytesOf('file'), 0o100644, 0, ROOT_USER)
      const chunk = new Uint8Array(1 << 20).fill(1)
      for (let n = 0; n < 80; n++) await writeAll(fs, ino, n << 20, chunk)
      await fs.syncfs()
      const commits = fs.journalCounters!.commits
      let between: RamDisk | undefined
      disk.beforeFlushed = () => {
        if (fs.journalCounters!.commits === commits + 1) between ??= new RamDisk(disk.durable())
      }
      await ready(fs)
      await fs.setattr(ino, { size: 5000 })
      await fs.syncfs()
      t.ok(between, 'it took more than one transaction')
      const again = await mountExt4(between as RamDisk)
      t.equal(again.report.orphans, 1)
      t.equal(again.getattr(ino).size, 5000)
      t.equal(again.getattr(ino).blocks, fs.getattr(ino).blocks)
      await again.unmount()
      const judged = e2fsck((between as RamDisk).bytes)
      t.equal(judged.status, 0, judged.output)
    },
  )
}

t.test('a file whose growth was lost with the power -> grown again, it shows zeroes there', async (t) => {
  for (const grow of ['truncate', 'write', 'fallocate']) {
    const disk = new RamDisk(mkfsExt4(16 << 20, ['-b', '4096']))
    const fs = await mountExt4(disk)
    const ino = (await ready(fs)).mknod(fs.root, bytesOf('file'), 0o100644, 0, ROOT_USER)
    await writeAll(fs, ino, 0, new Uint8Array(1000).fill(1))
    await fs.syncfs()
    await writeAll(fs, ino, 1000, new Uint8Array(500).fill(2))
    // The data reached the medium, the commit did not.
    const again = await mountExt4(new RamDisk(disk.bytes))
    t.equal(again.getattr(ino).size, 1000)
    await ready(again)
    if (grow === 'truncate') await again.setattr(ino, { size: 3000 })
    else if (grow === 'write') await writeAll(again, ino, 2999, new Uint8Array(1))
    else await again.fallocate(ino, 0, 2000, 1000)
    t.ok(
      readAll(again, ino, 1000).every((byte) => byte === 0),
      grow,
    )
    t.equal(again.getattr(ino).size, 3000)
  }
})

t.test('a clean image -> nothing to recover; a dirty one -> twice recovered is as once', async (t) => {
  const clock = new TestClock()
  const disk = new RamDisk(mkfsExt4(16 << 20, ['-b', '4096']))
  const fs = await mountExt4(disk, clock)
  t.equal(fs.report.recovery, undefined)
  for (let n = 0; n < 100; n++) (await ready(fs)).mkdir(fs.root, bytesOf(`d${n}`), 0o755, ROOT_USER)
  await fs.syncfs()
  const names = list(fs, fs.root)
  const once = new RamDisk(disk.durable())
  const first = await mountExt4(once, clock)
  t.equal(first.report.recovery?.transactions, 2, "the mount's, and that of the directories")
  t.same(list(first, first.root), names)
  const second = await mountExt4(new RamDisk(once.bytes), clock)
  t.equal(second.report.recovery, undefined)
  t.same(list(second, second.root), names)
})

t.test('a read-only device with a dirty journal -> refused, unless noload', async (t) => {
  const disk = new RamDisk(mkfsExt4(16 << 20, ['-b', '4096']))
  const fs = await mountExt4(disk)
  ;(await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
  await fs.syncfs()
  const after = new RamDisk(disk.durable())
  after.readOnly = true
  await t.rejects(mountExt4(after, new TestClock(), { readOnly: true }), { code: 'EROFS' })
  const bare = await mountExt4(after, new TestClock(), { readOnly: true, noload: true })
  t.equal(bare.readOnly, true)
  t.equal(bare.lookup(bare.root, bytesOf('d')), undefined)
})

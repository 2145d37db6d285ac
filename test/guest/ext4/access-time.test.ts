import t from 'tap'
import type { Behaviour } from '../../../src/guest/ext4/mount-options.js'
import { RamDisk } from '../../ram-disk.js'
import { mkfsExt4 } from './image.js'
import { bytesOf, mountExt4, ROOT_USER, ready, TestClock, writeAll } from './mounted.js'

const IMAGE = mkfsExt4(16 << 20, ['-b', '4096', '-J', 'size=4'])
const SMALL_INODES = mkfsExt4(16 << 20, ['-b', '4096', '-J', 'size=4', '-I', '128'])
const DAY = 24 * 60 * 60 * 1000
const FS_NOATIME_FL = 0x80

/** A file, a directory and a symlink, made one second ago. */
async function setUp(behaviour: Partial<Behaviour> = {}, image = IMAGE) {
  const clock = new TestClock()
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk, clock, { behaviour })
  const ino = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ROOT_USER)
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
  const link = (await ready(fs)).symlink(fs.root, bytesOf('l'), bytesOf('f'), ROOT_USER)
  fs.retain(ino)
  clock.ms += 1000
  return { clock, disk, fs, ino, dir, link }
}

t.test('relatime: old times -> now; then not again until a change, or a day has gone', async (t) => {
  const { clock, fs, ino, dir, link } = await setUp()
  for (const each of [ino, dir, link]) {
    t.equal(fs.touchAtime(each), true)
    t.same(fs.getattr(each).atime, clock.now())
    t.match(fs.getattr(each), { mtime: { sec: clock.now().sec - 1 }, ctime: { sec: clock.now().sec - 1 } })
  }
  clock.ms += 5000
  t.equal(fs.touchAtime(ino), false)
  await writeAll(fs, ino, 0, bytesOf('x'))
  clock.ms += 5000
  t.equal(fs.touchAtime(ino), true, 'mtime is newer')
  clock.ms += 1000
  ;(await ready(fs)).setattr(ino, { mode: 0o600 })
  clock.ms += 1000
  t.equal(fs.touchAtime(ino), true, 'ctime is newer')
  clock.ms += DAY - 1000
  t.equal(fs.touchAtime(ino), false)
  clock.ms += 1000
  t.equal(fs.touchAtime(ino), true, 'a day old')
})

t.test('relatime: within one tick of the clock -> no change', async (t) => {
  const { clock, fs, ino } = await setUp()
  await writeAll(fs, ino, 0, bytesOf('x'))
  t.equal(fs.touchAtime(ino), true, 'mtime is as new as can be, atime older')
  t.equal(fs.touchAtime(ino), false)
  clock.ms += 4
  t.equal(fs.touchAtime(ino), true, 'mtime is not older than atime')
})

t.test('strictatime: each access at a time of its own', async (t) => {
  const { clock, fs, ino } = await setUp({ atime: 'strictatime' })
  for (let round = 0; round < 3; round++) {
    clock.ms += 4
    t.equal(fs.touchAtime(ino), true)
    t.equal(fs.touchAtime(ino), false)
    t.same(fs.getattr(ino).atime, clock.now())
  }
})

t.test('noatime, nodiratime, the flag NOATIME, read-only -> never', async (t) => {
  const none = await setUp({ atime: 'noatime' })
  t.same(
    [none.ino, none.dir, none.link].map((ino) => none.fs.touchAtime(ino)),
    [false, false, false],
  )
  const files = await setUp({ nodiratime: true, atime: 'strictatime' })
  t.same(
    [files.ino, files.dir, files.link].map((ino) => files.fs.touchAtime(ino)),
    [true, false, true],
  )
  const flagged = await setUp({ atime: 'strictatime' })
  ;(await ready(flagged.fs)).setFileAttr(flagged.ino, { flags: 0x80000 | FS_NOATIME_FL, projectId: 0 })
  t.equal(flagged.fs.touchAtime(flagged.ino), false)

  await none.fs.unmount()
  const clock = new TestClock()
  clock.ms += 100 * DAY
  const readOnly = await mountExt4(none.disk, clock, { readOnly: true })
  t.equal(readOnly.touchAtime(none.ino), false)
})

t.test('inodes of whole seconds: no change within one', async (t) => {
  const { clock, fs, ino } = await setUp({ atime: 'strictatime' }, SMALL_INODES)
  t.equal(fs.touchAtime(ino), true)
  clock.ms += 100
  t.equal(fs.touchAtime(ino), false)
  clock.ms += 1000
  t.equal(fs.touchAtime(ino), true)
})

t.test('an access time is journaled, and waits for no FLUSH', async (t) => {
  const { clock, disk, fs, ino } = await setUp()
  await fs.syncfs()
  const { flushes } = disk
  t.equal(fs.touchAtime(ino), true)
  const atime = clock.now()
  t.equal(disk.flushes, flushes)
  clock.ms += 5000
  fs.tick(clock.ms)
  await fs.syncfs()
  const again = await mountExt4(new RamDisk(disk.bytes), clock)
  t.same(again.getattr(ino).atime, atime, 'recovered from the journal')
})

t.test('reading in a loop -> one transaction, by relatime', async (t) => {
  const { clock, fs, ino } = await setUp()
  await fs.syncfs()
  const commits = fs.journalCounters?.commits ?? 0
  for (let round = 0; round < 1000; round++) {
    clock.ms += 50
    fs.read(ino, 0, 4096)
    fs.touchAtime(ino)
    if (fs.deadline !== undefined && fs.deadline <= clock.ms) fs.tick(clock.ms)
    await null
  }
  await fs.syncfs()
  t.equal(fs.journalCounters?.commits, commits + 1)
})

t.test(
  'fsync after a read -> a commit when atime changed, as it does with Linux; fdatasync none',
  async (t) => {
    const { disk, fs, ino } = await setUp()
    await fs.fsync(ino, false)
    fs.touchAtime(ino)
    const { flushes } = disk
    await fs.fsync(ino, true)
    t.equal(disk.flushes, flushes)
    await fs.fsync(ino, false)
    t.equal(disk.flushes, flushes + 2)
  },
)

import t from 'tap'
import type { Behaviour } from '../../../src/guest/ext4/mount-options.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, mountExt4, ROOT_USER, ready, TestClock, writeAll } from './mounted.js'

const IMAGE = mkfsExt4(16 << 20, ['-b', '4096', '-J', 'size=4'])
const DAY = 24 * 60 * 60 * 1000
const LAZY: Partial<Behaviour> = { lazytime: true }

/** A file of one block that is durable, and a second ago. */
async function setUp(behaviour = LAZY) {
  const clock = new TestClock()
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk, clock, { behaviour })
  const ino = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ROOT_USER)
  fs.retain(ino)
  await writeAll(fs, ino, 0, new Uint8Array(4096))
  await fs.syncfs()
  clock.ms += 1000
  /** What a power failure would leave of the times. */
  const durable = async () => {
    const other = await mountExt4(new RamDisk(disk.bytes), new TestClock())
    const { atime, mtime, ctime } = other.getattr(ino)
    return { atime, mtime, ctime }
  }
  return { clock, disk, fs, ino, durable }
}

t.test('a read, an overwrite -> new times are seen, none is journaled', async (t) => {
  const { clock, fs, ino, durable } = await setUp()
  const before = await durable()
  const commits = fs.journalCounters?.commits
  t.equal(fs.touchAtime(ino), true)
  clock.ms += 1000
  await writeAll(fs, ino, 0, bytesOf('new'))
  const now = clock.now()
  t.match(fs.getattr(ino), { atime: { sec: now.sec - 1 }, mtime: now, ctime: now })
  clock.ms += 60_000
  fs.tick(clock.ms)
  t.same(await durable(), before)
  t.equal(fs.journalCounters?.commits, commits)
})

t.test('a write that appends -> times go with it', async (t) => {
  const { clock, fs, ino, durable } = await setUp()
  fs.touchAtime(ino)
  clock.ms += 1000
  await writeAll(fs, ino, 4096, bytesOf('more'))
  const seen = fs.getattr(ino)
  await fs.fsync(ino, true)
  t.match(await durable(), { atime: seen.atime, mtime: clock.now(), ctime: clock.now() })
})

const ENDS = {
  'the inode changes for another reason': async ({ fs, ino, clock }) => {
    ;(await ready(fs)).setattr(ino, { mode: 0o600, ctime: clock.now() })
    await fs.commit()
  },
  fsync: async ({ fs, ino }) => fs.fsync(ino, false),
  syncfs: async ({ fs }) => fs.syncfs(),
  'its last user goes': async ({ fs, ino }) => {
    fs.release(ino, 1)
    await fs.commit()
  },
  'a day goes by': async ({ fs, clock }) => {
    t.ok((fs.deadline ?? 0) <= clock.ms + DAY)
    clock.ms += DAY
    fs.tick(clock.ms)
    await fs.commit()
  },
  umount: async ({ fs }) => fs.unmount(),
} satisfies Record<string, (on: Awaited<ReturnType<typeof setUp>>) => Promise<void>>

for (const [end, happen] of Object.entries(ENDS)) {
  t.test(`times in memory: ${end} -> they are durable, and the image clean`, async (t) => {
    const on = await setUp()
    on.fs.touchAtime(on.ino)
    await writeAll(on.fs, on.ino, 0, bytesOf('new'))
    const { atime, mtime } = on.fs.getattr(on.ino)
    t.not((await on.durable()).atime.sec, atime.sec)
    await happen(on)
    t.match(await on.durable(), { atime, mtime })
    t.equal(on.fs.deadline, undefined, 'nothing waits any more')
    if (end !== 'umount') await on.fs.unmount()
    t.equal(e2fsck(on.disk.bytes).status, 0)
  })
}

t.test('fdatasync -> does not wait for times', async (t) => {
  const { disk, fs, ino, durable } = await setUp()
  const before = await durable()
  await writeAll(fs, ino, 0, bytesOf('new'))
  const { flushes } = disk
  await fs.fsync(ino, true)
  t.equal(disk.flushes, flushes + 1)
  t.same(await durable(), before)
})

t.test('an operation that fails after times were taken along -> they wait in memory as before', async (t) => {
  const { clock, fs, ino, durable } = await setUp()
  fs.touchAtime(ino)
  const { atime } = fs.getattr(ino)
  clock.ms += 1000
  const value = new Uint8Array(5000)
  await ready(fs)
  t.throws(() => fs.setxattr(ino, bytesOf('user.a'), value, 0), { code: 'ENOSPC' })
  t.same(fs.getattr(ino).atime, atime)
  await fs.fsync(ino, false)
  t.same((await durable()).atime, atime)
})

t.test('a file that is removed -> its times with it', async (t) => {
  const { disk, fs, ino } = await setUp()
  fs.touchAtime(ino)
  ;(await ready(fs)).unlink(fs.root, bytesOf('f'))
  fs.touchAtime(ino)
  fs.release(ino, 1)
  await fs.commit()
  t.equal(fs.deadline, undefined)
  await fs.unmount()
  t.equal(e2fsck(disk.bytes).status, 0)
})

t.test('many files -> all of them by one sync, whatever the journal holds', async (t) => {
  const { clock, disk, fs } = await setUp()
  const inos: number[] = []
  for (let index = 0; index < 3000; index++)
    inos.push((await ready(fs)).mknod(fs.root, bytesOf(`${index}`), 0o100644, 0, ROOT_USER))
  await fs.syncfs()
  clock.ms += 1000
  for (const ino of inos) fs.touchAtime(ino)
  await fs.syncfs()
  const again = await mountExt4(new RamDisk(disk.bytes), new TestClock())
  t.same(
    inos.filter((ino) => again.getattr(ino).atime.sec !== clock.now().sec),
    [],
  )
})

t.test(
  'without lazytime: no room in the journal -> a read waits for nothing, its time in memory',
  async (t) => {
    const { clock, disk, fs, ino } = await setUp({})
    disk.holdFlushes = true
    // Until the log is full: no commit can end.
    for (let index = 0; fs.ready() === undefined; index++)
      fs.mknod(fs.root, bytesOf(`filler ${index}`), 0o100644, 0, ROOT_USER)
    // An operation that was let in may still take a good deal of what room is left.
    for (let index = 0; index < 40; index++) fs.mkdir(fs.root, bytesOf(`d${index}`), 0o755, ROOT_USER)
    const { handles = 0 } = fs.journalCounters ?? {}
    clock.ms += 1000
    t.equal(fs.touchAtime(ino), true)
    t.same(fs.getattr(ino).atime, clock.now())
    t.equal(fs.journalCounters?.handles, handles)
    disk.holdFlushes = false
    disk.releaseFlush()
    await fs.syncfs()
    const again = await mountExt4(new RamDisk(disk.bytes), new TestClock())
    t.same(again.getattr(ino).atime, clock.now())
  },
)

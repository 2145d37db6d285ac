import t from 'tap'
import { RamDisk } from '../../ram-disk.js'
import { mkfsExt4 } from './image.js'
import { bytesOf, mountExt4, ROOT_USER, ready, TestClock, writeAll } from './mounted.js'

const image = mkfsExt4(16 << 20, ['-b', '4096'])
const block = new Uint8Array(4096).fill(7)

async function makeFile() {
  const clock = new TestClock()
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk, clock)
  const ino = (await ready(fs)).mknod(fs.root, bytesOf('file'), 0o100644, 0, ROOT_USER)
  fs.retain(ino)
  await writeAll(fs, ino, 0, new Uint8Array(65536))
  await fs.fsync(ino, false)
  const flushesOf = async (operation: () => Promise<void> | undefined) => {
    const before = disk.flushes
    await operation()
    return disk.flushes - before
  }
  return { clock, disk, fs, ino, flushesOf }
}

t.test('fsync: nothing is dirty -> no FLUSH, and no promise', async (t) => {
  const { disk, fs, ino } = await makeFile()
  const before = disk.flushes
  t.equal(fs.fsync(ino, false), undefined)
  t.equal(fs.fsync(ino, true), undefined)
  t.equal(disk.flushes, before)
})

t.test('fdatasync: of overwritten data -> one FLUSH', async (t) => {
  const { clock, fs, ino, flushesOf } = await makeFile()
  clock.ms += 1000
  await writeAll(fs, ino, 4096, block)
  t.equal(await flushesOf(() => fs.fsync(ino, true)), 1)
  t.equal(await flushesOf(() => fs.fsync(ino, true)), 0, 'and then none')
})

t.test('fsync: of overwritten data, whose mtime changed -> a commit, two FLUSHes', async (t) => {
  const { clock, fs, ino, flushesOf } = await makeFile()
  clock.ms += 1000
  await writeAll(fs, ino, 4096, block)
  t.equal(await flushesOf(() => fs.fsync(ino, false)), 2)
})

t.test('fsync: of overwritten data within one tick of the clock -> one FLUSH', async (t) => {
  const { fs, ino, flushesOf } = await makeFile()
  await writeAll(fs, ino, 4096, block)
  t.equal(await flushesOf(() => fs.fsync(ino, false)), 1)
})

t.test('fdatasync: of data that was appended -> a commit, two FLUSHes', async (t) => {
  const { fs, ino, flushesOf } = await makeFile()
  await writeAll(fs, ino, 65536, block)
  t.equal(await flushesOf(() => fs.fsync(ino, true)), 2)
})

t.test('fsync: of a new name by its directory -> two FLUSHes', async (t) => {
  const { fs, flushesOf } = await makeFile()
  await ready(fs)
  fs.mknod(fs.root, bytesOf('another'), 0o100644, 0, ROOT_USER)
  t.equal(await flushesOf(() => fs.fsync(fs.root, false)), 2)
})

t.test('fsync: of ten files at once -> one commit, two FLUSHes', async (t) => {
  const { fs, flushesOf } = await makeFile()
  const inos: number[] = []
  for (let n = 0; n < 10; n++) {
    await ready(fs)
    inos.push(fs.mknod(fs.root, bytesOf(`f${n}`), 0o100644, 0, ROOT_USER))
  }
  const flushes = await flushesOf(() =>
    Promise.all(inos.map((ino) => fs.fsync(ino, false))).then(() => undefined),
  )
  t.equal(flushes, 2)
})

t.test(
  'fsync: data stored while the commit that it waits for is past its first FLUSH -> flushed too',
  async (t) => {
    const { clock, disk, fs, ino } = await makeFile()
    clock.ms += 1000
    await writeAll(fs, ino, 0, block)
    disk.holdFlushes = true
    const first = fs.fsync(ino, false)
    await Promise.resolve()
    await writeAll(fs, ino, 8192, block)
    const stored = disk.storeSequence
    const second = fs.fsync(ino, false)
    disk.holdFlushes = false
    while (disk.heldFlushes > 0) disk.releaseFlush()
    await Promise.all([first, second])
    t.ok(disk.flushedSequence >= stored, 'the store is durable')
  },
)

t.test('syncfs: metadata and data -> two FLUSHes; nothing -> none', async (t) => {
  const { clock, fs, ino, flushesOf } = await makeFile()
  clock.ms += 1000
  await writeAll(fs, ino, 0, block)
  t.equal(await flushesOf(() => fs.syncfs()), 2)
  t.equal(await flushesOf(() => fs.syncfs()), 0)
})

t.test('commit interval: five seconds after a change -> committed without being asked', async (t) => {
  const { clock, disk, fs } = await makeFile()
  await ready(fs)
  fs.mknod(fs.root, bytesOf('later'), 0o100644, 0, ROOT_USER)
  t.equal(fs.deadline, clock.ms + 5000)
  const before = disk.flushes
  clock.ms += 4999
  fs.tick(clock.ms)
  t.equal(disk.flushes, before, 'not yet')
  clock.ms += 1
  fs.tick(clock.ms)
  await fs.syncfs()
  t.equal(disk.flushes, before + 2)
})

t.test('a FLUSH fails -> EIO, read-only from then on, and no later fsync succeeds', async (t) => {
  const { clock, disk, fs, ino } = await makeFile()
  clock.ms += 1000
  await writeAll(fs, ino, 0, block)
  disk.failFlush = new Error('the host failed')
  await t.rejects(async () => fs.fsync(ino, false), { code: 'EIO' })
  t.equal(fs.readOnly, true)
  t.throws(() => fs.ready(), { code: 'EROFS' })
  await t.rejects(async () => fs.fsync(ino, false), { code: 'EIO' }, 'the second')
  await t.rejects(async () => fs.fsync(ino, true), { code: 'EIO' }, 'the third')
  await t.rejects(async () => fs.syncfs(), { code: 'EIO' })
  await t.rejects(fs.unmount(), { code: 'EIO' })
})

t.test('nobarrier: fsync -> commits, and never a FLUSH', async (t) => {
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk, new TestClock(), { barrier: false })
  const before = fs.journalCounters?.commits ?? Number.NaN
  const ino = (await ready(fs)).mknod(fs.root, bytesOf('file'), 0o100644, 0, ROOT_USER)
  await writeAll(fs, ino, 0, block)
  await fs.fsync(ino, false)
  await writeAll(fs, ino, 0, block)
  await fs.fsync(ino, true)
  t.equal(disk.flushes, 0)
  t.equal(fs.journalCounters?.commits, before + 1)
})

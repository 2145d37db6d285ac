import t from 'tap'
import { FsError } from '../../../lib/errno.js'
import type { ShutdownMode } from '../../../src/guest/vfs/file-system.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, list, mountExt4, ROOT_USER, readAll, ready, TestClock, writeAll } from './mounted.js'

const empty = mkfsExt4(16 << 20, ['-b', '1024'])

/** `synced` is durable, `late` is not; then the file system is shut down. */
async function shutDownAfter(mode: ShutdownMode) {
  const disk = new RamDisk(empty)
  const clock = new TestClock()
  const fs = await mountExt4(disk, clock)
  const make = async (name: string): Promise<number> => {
    const ino = (await ready(fs)).mknod(fs.root, bytesOf(name), 0o100644, 0, ROOT_USER)
    await writeAll(fs, ino, 0, bytesOf(`content of ${name}`))
    return ino
  }
  const synced = await make('synced')
  await fs.syncfs()
  await make('late')
  const flushes = disk.flushes
  await fs.shutDown(mode)
  return { disk, fs, clock, synced, flushes: disk.flushes - flushes }
}

const modes = [
  { mode: 'default', late: true, flushes: 2 },
  { mode: 'logflush', late: true, flushes: 2 },
  { mode: 'nologflush', late: false, flushes: 0 },
] as const

for (const { mode, late, flushes } of modes) {
  t.test(
    `shutdown ${mode}: ${late ? 'all is' : 'only what was synced is'} there after the next mount`,
    async (t) => {
      const { disk, fs, clock, ...seen } = await shutDownAfter(mode)
      t.equal(seen.flushes, flushes)
      const stores = disk.storeSequence
      clock.ms += 60_000
      fs.tick(clock.ms)
      t.equal(fs.deadline, undefined, 'nothing is due any more')
      await fs.unmount()
      t.equal(disk.storeSequence, stores, 'nothing is stored after it')
      const again = await mountExt4(new RamDisk(disk.bytes), clock)
      t.ok(again.report.recovery, 'the next mount recovers')
      t.same(
        [...list(again, again.root).keys()].sort(),
        late ? ['late', 'lost+found', 'synced'] : ['lost+found', 'synced'],
      )
      const ino = again.lookup(again.root, bytesOf(late ? 'late' : 'synced')) as number
      t.same(readAll(again, ino), bytesOf(`content of ${late ? 'late' : 'synced'}`))
      await again.unmount()
      const after = new RamDisk(disk.bytes)
      await (await mountExt4(after, clock)).unmount()
      const judged = e2fsck(after.bytes)
      t.equal(judged.status, 0, `${judged.output} (and no error is on record)`)
    },
  )
}

t.test('after a shutdown: EIO for all but the attributes of the root and statfs', async (t) => {
  const { fs, synced } = await shutDownAfter('nologflush')
  const { root } = fs
  const name = bytesOf('x')
  const codeOf = async (call: () => unknown): Promise<string> => {
    try {
      await call()
      return 'done'
    } catch (error) {
      return (error as FsError).code
    }
  }
  for (const call of [
    () => fs.ready(),
    () => fs.lookup(root, name),
    () => fs.getattr(synced),
    () => fs.readdir(root, 0n, () => true),
    () => fs.read(synced, 0, 10),
    () => fs.write(synced, 0, name, 0, 1, false),
    () => fs.setattr(synced, { mode: 0o600 }),
    () => fs.mkdir(root, name, 0o755, ROOT_USER),
    () => fs.unlink(root, bytesOf('synced')),
    () => fs.fallocate(synced, 0, 0, 10),
    () => fs.getxattr(synced, bytesOf('user.a')),
    () => fs.fsync(synced, false),
    () => fs.syncfs(),
    () => fs.trim({ start: 0, length: 2 ** 40, least: 0 }),
    () => fs.getLabel(),
    () => fs.bmap(synced, 0),
  ])
    t.equal(await codeOf(call), 'EIO', String(call))
  t.equal(fs.getattr(root).ino, root)
  t.equal(fs.statfs().blockSize, 1024)
  await fs.shutDown('default')
  fs.retain(root)
  fs.release(root, 1)
})

t.test('a shutdown while a commit is under way: who waits for it learns EIO', async (t) => {
  const disk = new RamDisk(empty)
  const fs = await mountExt4(disk)
  fs.mknod(fs.root, bytesOf('a'), 0o100644, 0, ROOT_USER)
  disk.holdFlushes = true
  const sync = fs.syncfs() as Promise<void>
  await fs.shutDown('nologflush')
  const stores = disk.storeSequence
  await t.rejects(sync, { code: 'EIO' })
  disk.holdFlushes = false
  while (disk.heldFlushes > 0) disk.releaseFlush()
  for (let turn = 0; turn < 20; turn++) await null
  t.equal(disk.storeSequence, stores, 'no commit block')
  const again = await mountExt4(new RamDisk(disk.bytes))
  t.same([...list(again, again.root).keys()], ['lost+found'])
})

t.test('shutdown of a read-only mount -> EROFS', async (t) => {
  const fs = await mountExt4(new RamDisk(empty), undefined, { readOnly: true })
  await t.rejects(fs.shutDown('nologflush'), { code: 'EROFS' })
})

t.test('an aborted journal: nothing is due', async (t) => {
  const disk = new RamDisk(empty)
  const fs = await mountExt4(disk)
  fs.mknod(fs.root, bytesOf('a'), 0o100644, 0, ROOT_USER)
  disk.failFlush = new FsError('EIO')
  await t.rejects(fs.syncfs() as Promise<void>)
  t.equal(fs.deadline, undefined)
})

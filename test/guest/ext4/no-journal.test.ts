import t from 'tap'
import { SUPERBLOCK_OFFSET, SuperBlock, VALID_FS } from '../../../src/guest/ext4/superblock.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { repair } from './journaled-volume.js'
import { bytesOf, list, mountExt4, ROOT_USER, readAll, ready, writeAll } from './mounted.js'

const image = mkfsExt4(16 << 20, ['-b', '4096', '-O', '^has_journal'])

const stateOf = ({ buffer }: Uint8Array): number =>
  SuperBlock.s_state.get(new DataView(buffer), SUPERBLOCK_OFFSET)

t.test('no journal: mounted, used, unmounted -> not valid meanwhile, clean in the end', async (t) => {
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk)
  t.notOk(fs.readOnly)
  t.equal(stateOf(disk.durable()) & VALID_FS, 0, 'a crash from now on is e2fsck’s work')
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
  const file = (await ready(fs)).mknod(dir, bytesOf('f'), 0o100644, 0, ROOT_USER)
  await writeAll(fs, file, 0, new Uint8Array(100_000).fill(7))
  await fs.unmount()
  t.equal(stateOf(disk.durable()) & VALID_FS, VALID_FS)
  const judged = e2fsck(disk.durable())
  t.equal(judged.status, 0, judged.output)
})

t.test('no journal: FLUSHes -> one for an fsync with metadata, one for data, none for nothing', async (t) => {
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk)
  const file = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ROOT_USER)
  await writeAll(fs, file, 0, bytesOf('data'))
  let before = disk.flushes
  await fs.fsync(file, false)
  t.equal(disk.flushes - before, 1, 'created and written')
  t.equal(disk.unflushed.length, 0)
  before = disk.flushes
  await fs.fsync(file, false)
  await fs.syncfs()
  t.equal(disk.flushes - before, 0, 'nothing')
  await writeAll(fs, file, 0, bytesOf('DATA'))
  await fs.fsync(file, true)
  t.equal(disk.flushes - before, 1, 'overwritten')
  await fs.unmount()
})

t.test('no journal: nothing goes home before it must -> stores only at the commit interval', async (t) => {
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk)
  const before = disk.storeSequence
  ;(await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
  t.equal(disk.storeSequence, before)
  fs.tick(fs.deadline as number)
  t.ok(disk.storeSequence > before)
  await fs.unmount()
})

t.test('no journal: an operation that fails -> nothing of it remains', async (t) => {
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk)
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
  const big = (await ready(fs)).mknod(fs.root, bytesOf('big'), 0o100644, 0, ROOT_USER)
  await t.rejects(writeAll(fs, big, 0, new Uint8Array(20 << 20)), { code: 'ENOSPC' })
  await ready(fs)
  t.throws(() => fs.mkdir(dir, bytesOf('no room'), 0o755, ROOT_USER), { code: 'ENOSPC' })
  t.same([...list(fs, dir).keys()], [])
  fs.unlink(fs.root, bytesOf('big'))
  ;(await ready(fs)).mkdir(dir, bytesOf('room'), 0o755, ROOT_USER)
  await fs.unmount()
  const judged = e2fsck(disk.bytes)
  t.equal(judged.status, 0, judged.output)
})

t.test('no journal: a power failure -> e2fsck mends it, and what was fsynced is there', async (t) => {
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk)
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
  const kept = (await ready(fs)).mknod(dir, bytesOf('kept'), 0o100644, 0, ROOT_USER)
  const content = new Uint8Array(50_000).fill(0x6b)
  await writeAll(fs, kept, 0, content)
  await fs.fsync(kept, false)
  const open = (await ready(fs)).mknod(dir, bytesOf('open'), 0o100644, 0, ROOT_USER)
  fs.retain(open)
  await writeAll(fs, open, 0, content)
  ;(await ready(fs)).unlink(dir, bytesOf('open'))
  for (let n = 0; n < 20; n++) {
    const ino = (await ready(fs)).mknod(dir, bytesOf(`other ${n}`), 0o100644, 0, ROOT_USER)
    await writeAll(fs, ino, 0, new Uint8Array(5000).fill(n))
    if (n % 2 === 0) fs.unlink(dir, bytesOf(`other ${n}`))
  }
  disk.holdFlushes = true
  const syncing = fs.syncfs()
  const count = disk.unflushed.length
  t.ok(count > 40, 'data and metadata are on their way')
  const states = [() => true, () => false]
  for (let cut = 0; cut < count; cut += 6) states.push((_?: unknown, index = 0) => index < cut)
  for (let one = 40; one < count; one += 2) states.push((_?: unknown, index = 0) => index !== one)
  for (const [number, keep] of states.entries()) {
    const mended = repair(disk.crashImage(keep))
    t.ok(mended.status < 4, `state ${number}: ${mended.output}`)
    const again = await mountExt4(new RamDisk(mended.image))
    const found = again.lookup(again.lookup(again.root, bytesOf('d')) as number, bytesOf('kept'))
    t.ok(found !== undefined && Buffer.compare(readAll(again, found), content) === 0, `state ${number}: kept`)
    t.equal(again.lookup(again.lookup(again.root, bytesOf('d')) as number, bytesOf('open')), undefined)
  }
  disk.holdFlushes = false
  while (disk.heldFlushes > 0) disk.releaseFlush()
  await syncing
})

t.test('no journal: freed blocks -> not used again before the FLUSH that covers their freeing', async (t) => {
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk)
  const old = (await ready(fs)).mknod(fs.root, bytesOf('old'), 0o100644, 0, ROOT_USER)
  await writeAll(fs, old, 0, new Uint8Array(200_000).fill(1))
  await fs.syncfs()
  const place = disk
    .durable()
    .findIndex((_, at, all) => at % 4096 === 0 && all[at] === 1 && all[at + 4095] === 1)
  ;(await ready(fs)).unlink(fs.root, bytesOf('old'))
  const fresh = (await ready(fs)).mknod(fs.root, bytesOf('new'), 0o100644, 0, ROOT_USER)
  await writeAll(fs, fresh, 0, new Uint8Array(200_000).fill(2))
  t.equal(disk.bytes[place], 1, 'a crash may still bring the old file back')
  await fs.unmount()
})

t.test('no journal: a FLUSH that fails -> EIO, read-only, and no later fsync succeeds', async (t) => {
  const disk = new RamDisk(image)
  const fs = await mountExt4(disk)
  const file = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ROOT_USER)
  disk.failFlush = new Error('no more')
  await t.rejects(async () => fs.fsync(file, false), { code: 'EIO' })
  t.ok(fs.readOnly)
  await t.rejects(async () => fs.fsync(file, false), { code: 'EIO' })
  t.throws(() => fs.mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER), { code: 'EROFS' })
  await t.rejects(fs.unmount(), { code: 'EIO' })
})

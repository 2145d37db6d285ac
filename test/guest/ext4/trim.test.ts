import t from 'tap'
import { FsError } from '../../../lib/errno.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, mountExt4, ROOT_USER, readAll, ready, writeAll } from './mounted.js'

t.setTimeout(120_000)

const ALL = { start: 0, length: 2 ** 64, least: 0 }

/** Fills what is discarded with bytes that nobody wrote, and keeps the ranges. */
class TrimDisk extends RamDisk {
  readonly discardGranularity = 4096
  readonly discarded: [offset: number, length: number][] = []
  refuses = false

  discard(offset: number, length: number): void {
    if (this.refuses) throw new FsError('EOPNOTSUPP', 'no holes here')
    this.discarded.push([offset, length])
    this.bytes.fill(0xdb, offset, offset + length)
  }
}

const total = ({ discarded }: TrimDisk): number => discarded.reduce((sum, [, length]) => sum + length, 0)

for (const { blockSize, options } of [
  { blockSize: 1024, options: [] },
  { blockSize: 4096, options: [] },
  { blockSize: 1024, options: ['-O', 'bigalloc', '-C', '16384'] },
  { blockSize: 4096, options: ['-O', 'bigalloc', '-C', '65536'] },
]) {
  const name = [`blocks of ${blockSize}`, ...options].join(' ')
  t.test(`FITRIM, ${name}: exactly what is free -> nothing that is used`, async (t) => {
    const disk = new TrimDisk(mkfsExt4((64 << 20) - 20480, ['-b', String(blockSize), ...options]))
    const fs = await mountExt4(disk)
    const content = new Uint8Array(3_000_000).map((_, at) => at % 251)
    const [kept, gone] = ['kept', 'gone'].map((name) =>
      fs.mknod(fs.root, bytesOf(name), 0o100644, 0, ROOT_USER),
    )
    for (const ino of [kept, gone]) await writeAll(fs, ino as number, 0, content)
    ;(await ready(fs)).unlink(fs.root, bytesOf('gone'))
    const trimmed = await fs.trim(ALL)
    t.equal(trimmed.length, total(disk))
    const { blocksFree } = fs.statfs()
    t.ok(total(disk) <= blocksFree * blockSize, 'free blocks only')
    t.ok(total(disk) > blocksFree * blockSize - 40 * 4096, 'and all but the shortest runs')
    t.equal(Buffer.compare(readAll(fs, kept as number), content), 0)
    t.equal((await fs.trim(ALL)).length, 0, 'once is enough')
    const again = (await ready(fs)).mknod(fs.root, bytesOf('again'), 0o100644, 0, ROOT_USER)
    await writeAll(fs, again, 0, content)
    t.equal(Buffer.compare(readAll(fs, again), content), 0)
    ;(await ready(fs)).unlink(fs.root, bytesOf('again'))
    t.ok((await fs.trim(ALL)).length >= content.length, 'what was freed since')
    await fs.unmount()
    const judged = e2fsck(disk.bytes)
    t.equal(judged.status, 0, judged.output)
  })
}

t.test('FITRIM: what is taken meanwhile, or waits for its commit -> left alone', async (t) => {
  const disk = new TrimDisk(mkfsExt4(16 << 20, ['-b', '1024']))
  const fs = await mountExt4(disk)
  const ino = fs.mknod(fs.root, bytesOf('a'), 0o100644, 0, ROOT_USER)
  await writeAll(fs, ino, 0, new Uint8Array(100_000).fill(1))
  await fs.syncfs()
  disk.holdFlushes = true
  fs.unlink(fs.root, bytesOf('a'))
  const late = fs.mknod(fs.root, bytesOf('b'), 0o100644, 0, ROOT_USER)
  const trim = fs.trim(ALL)
  await null
  t.equal(disk.discarded.length, 0, 'the commit first')
  disk.holdFlushes = false
  while (disk.heldFlushes > 0) disk.releaseFlush()
  await writeAll(fs, late, 0, new Uint8Array(200_000).fill(2))
  await trim
  await writeAll(fs, late, 200_000, new Uint8Array(200_000).fill(2))
  t.ok(readAll(fs, late).every((byte) => byte === 2))
  await fs.unmount()
  t.equal(e2fsck(disk.bytes).status, 0)
})

t.test('FITRIM: its range and its least run', async (t) => {
  const disk = new TrimDisk(mkfsExt4(64 << 20, ['-b', '1024']))
  const fs = await mountExt4(disk)
  const code = async (range: typeof ALL): Promise<string> =>
    fs.trim(range).then(
      () => 'done',
      (error: FsError) => error.code,
    )
  t.equal(await code({ ...ALL, start: 64 << 20 }), 'EINVAL')
  t.equal(await code({ ...ALL, length: 1023 }), 'EINVAL')
  t.equal(await code({ ...ALL, least: 8193 * 1024 }), 'EINVAL')
  t.equal(await code({ start: 0, length: 1024, least: 0 }), 'done')
  t.equal(disk.discarded.length, 0, 'the first block alone')
  await fs.trim({ start: 30 << 20, length: 1 << 20, least: 0 })
  t.same(disk.discarded, [[30 << 20, 1 << 20]])
  await fs.trim({ ...ALL, least: 8_000_000 })
  const long = disk.discarded.slice(1)
  t.ok(long.every(([, length]) => length >= 8_000_000))
  t.equal((await fs.trim({ ...ALL, least: 4_000_000 })).least, 3907 * 1024)
  t.ok(disk.discarded.length > 1 + long.length, 'shorter ones were left')
  t.ok(disk.discarded.slice(1).every(([, length]) => length >= 4_000_000))
  disk.refuses = true
  t.equal(await code(ALL), 'EOPNOTSUPP')
  await fs.unmount()
  const plain = await mountExt4(new RamDisk(disk.bytes))
  await t.rejects(plain.trim(ALL), { code: 'EOPNOTSUPP' })
  const readOnly = await mountExt4(new TrimDisk(disk.bytes), undefined, { readOnly: true })
  await t.rejects(readOnly.trim(ALL), { code: 'EROFS' })
})

t.test('discard: what a commit freed -> given back when it is durable, and not before', async (t) => {
  const disk = new TrimDisk(mkfsExt4(16 << 20, ['-b', '4096']))
  const fs = await mountExt4(disk, undefined, { behaviour: { discard: true } })
  for (const name of ['a', 'b', 'c']) {
    const ino = (await ready(fs)).mknod(fs.root, bytesOf(name), 0o100644, 0, ROOT_USER)
    await writeAll(fs, ino, 0, new Uint8Array(40960).fill(1))
  }
  await fs.syncfs()
  t.same(disk.discarded, [])
  for (const name of ['a', 'b']) (await ready(fs)).unlink(fs.root, bytesOf(name))
  t.same(disk.discarded, [])
  await fs.syncfs()
  t.same(
    disk.discarded.map(([, length]) => length),
    [81920],
    'neighbours are joined',
  )
  disk.refuses = true
  ;(await ready(fs)).unlink(fs.root, bytesOf('c'))
  await fs.syncfs()
  disk.refuses = false
  await fs.unmount()
  t.equal(disk.discarded.length, 1, 'off once it was refused, and nobody suffers')
  t.equal(e2fsck(disk.bytes).status, 0)
})

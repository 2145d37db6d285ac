import t, { type Test } from 'tap'
import { mapBlock } from '../../../src/guest/ext4/file-blocks.js'
import { fsck } from '../../../src/guest/ext4/fsck/fsck.js'
import { DiskDqblk } from '../../../src/guest/ext4/quota-format.js'
import { Volume } from '../../../src/guest/ext4/volume.js'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { mountExt4, readAll, ready, TestClock, writeAll } from './mounted.js'
import { bytesOf, codeOf, MountedNames } from './mounted-names.js'
import { limited } from './quota-limits.js'

t.setTimeout(120_000)

const IMAGE = mkfsExt4(32 << 20, ['-b', '4096', '-O', 'quota,project'])
const PROJINHERIT = 0x20000000
const EXTENTS = 0x80000
const ALICE = { uid: 1000, gid: 100 }
const BOB = { uid: 1001, gid: 100 }
const GRACE = 604_800

/** `space inodes` by id, as debugfs reads the file. */
function usage(image: Uint8Array, type: 'user' | 'group' | 'project'): Record<string, string> {
  const rows = debugfs(image, `list_quota ${type}`).matchAll(
    /^\s*(\d+)\s+(\d+)\s+\d+\s+\d+\s+(\d+)\s+\d+\s+\d+/gm,
  )
  return Object.fromEntries([...rows].map(([, id, space, inodes]) => [id, `${space} ${inodes}`]))
}

function judge(t: Test, image: Uint8Array): void {
  const judged = e2fsck(image)
  t.equal(judged.status, 0, judged.output)
  const problems: string[] = []
  fsck(new RamDisk(image), { report: ({ message }) => problems.push(message) })
  t.same(problems, [], 'our checker')
}

/** Each block of a quota file is the header, of the tree, of entries, or unused: one of these, once. */
function blocksOnce(t: Test, disk: RamDisk, ino: number): number {
  const volume = new Volume(disk, new TestClock().now)
  const inode = volume.inodeCache.get(ino)
  const at = (number: number): DataView => {
    const byte = number * 1024
    const { head, offset } = {
      head: volume.cache.get(mapBlock(inode, Math.floor(byte / 4096))),
      offset: byte % 4096,
    }
    return new DataView(head.bytes.buffer, head.bytes.byteOffset + head.at + offset, 1024)
  }
  const seen: number[] = [0]
  const entries = new Set<number>()
  const walk = (number: number, level: number): void => {
    seen.push(number)
    for (let index = 0; index < 256; index++) {
      const next = at(number).getUint32(4 * index, true)
      if (next === 0) continue
      if (level === 3) entries.add(next)
      else walk(next, level + 1)
    }
  }
  walk(1, 0)
  const withRoom: number[] = []
  for (let next = at(0).getUint32(0x1c, true); next !== 0; next = at(next).getUint32(0, true)) {
    t.equal(at(next).getUint32(4, true), withRoom.at(-1) ?? 0, 'dqdh_prev_free')
    withRoom.push(next)
  }
  for (const number of entries) t.equal(withRoom.includes(number), at(number).getUint16(8, true) < 14)
  seen.push(...entries)
  for (let next = at(0).getUint32(0x18, true); next !== 0; next = at(next).getUint32(0, true)) seen.push(next)
  const count = at(0).getUint32(0x14, true)
  t.same(
    seen.sort((a, b) => a - b),
    Array.from({ length: count }, (_, number) => number),
  )
  return count
}

const ENFORCED = { behaviour: { quota: { user: true, group: true, project: true } } }

t.test('usage: of files, directories, attributes, links and their ends -> as e2fsck counts', async (t) => {
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk)
  t.notOk(fs.readOnly)
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('alice'), 0o755, ALICE)
  const file = (await ready(fs)).mknod(dir, bytesOf('file'), 0o100644, 0, ALICE)
  await writeAll(fs, file, 0, new Uint8Array(100_000).fill(1))
  ;(await ready(fs)).setxattr(file, bytesOf('user.a'), new Uint8Array(1000).fill(2), 0)
  fs.symlink(dir, bytesOf('long'), bytesOf('x'.repeat(200)), BOB)
  fs.link(file, dir, bytesOf('second'))
  const gone = (await ready(fs)).mknod(dir, bytesOf('gone'), 0o100644, 0, BOB)
  await writeAll(fs, gone, 0, new Uint8Array(50_000).fill(1))
  ;(await ready(fs)).unlink(dir, bytesOf('gone'))
  await ready(fs)
  fs.fallocate(file, 3, 0, 40_000)
  await fs.unmount()
  judge(t, disk.bytes)
  // Directory 4 KiB; 25 blocks less 9 punched, and one of attributes.
  t.same(usage(disk.bytes, 'user'), { 0: '20480 2', 1000: '73728 2', 1001: '4096 1' })
  t.same(usage(disk.bytes, 'group'), { 0: '20480 2', 100: '77824 3' })
})

for (const more of ['bigalloc', 'inline_data', '^extents,^64bit', '^has_journal', 'meta_bg,^resize_inode']) {
  t.test(`usage: with ${more} -> as e2fsck counts`, async (t) => {
    const disk = new RamDisk(mkfsExt4(32 << 20, ['-b', '4096', '-O', `quota,project,${more}`]))
    const fs = await mountExt4(disk)
    for (const [n, size] of [10, 100, 5000, 70_000, 0].entries()) {
      const ino = (await ready(fs)).mknod(fs.root, bytesOf(`f${n}`), 0o100644, 0, n % 2 === 0 ? ALICE : BOB)
      await writeAll(fs, ino, size * 3, new Uint8Array(size).fill(1))
      if (n === 3) await fs.setattr(ino, { size: 9000 })
      ;(await ready(fs)).mkdir(fs.root, bytesOf(`d${n}`), 0o755, BOB)
    }
    ;(await ready(fs)).rmdir(fs.root, bytesOf('d1'))
    ;(await ready(fs)).unlink(fs.root, bytesOf('f2'))
    await fs.unmount()
    judge(t, disk.bytes)
    t.equal(Object.keys(usage(disk.bytes, 'user')).length, 3)
  })
}

t.test('usage: many ids -> the tree and the file grow, and survive a power failure', async (t) => {
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk)
  for (let n = 0; n < 150; n++) {
    const owner = { uid: (n * 7_368_787) >>> 0, gid: n }
    const ino = (await ready(fs)).mknod(fs.root, bytesOf(`f${n}`), 0o100644, 0, owner)
    await writeAll(fs, ino, 0, new Uint8Array((n % 3) * 4096 + 1))
  }
  await fs.syncfs()
  const after = new RamDisk(disk.durable())
  const again = await mountExt4(after)
  ;(await ready(again)).unlink(again.root, bytesOf('f149'))
  await again.unmount()
  judge(t, after.bytes)
  t.equal(Object.keys(usage(after.bytes, 'user')).length, 149, 'one uses nothing any more')
  blocksOnce(t, after, 3)
})

t.test('chown -> what the file uses moves with it, attributes in inodes too', async (t) => {
  const disk = new RamDisk(mkfsExt4(32 << 20, ['-b', '4096', '-O', 'quota,project,ea_inode']))
  const fs = await mountExt4(disk)
  const file = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ALICE)
  await writeAll(fs, file, 0, new Uint8Array(20_000).fill(1))
  ;(await ready(fs)).setxattr(file, bytesOf('user.large'), new Uint8Array(9000).fill(3), 0)
  ;(await ready(fs)).setattr(file, { uid: BOB.uid, gid: 7 })
  const second = (await ready(fs)).mknod(fs.root, bytesOf('g'), 0o100644, 0, ALICE)
  ;(await ready(fs)).setxattr(second, bytesOf('user.large'), new Uint8Array(9000).fill(4), 0)
  ;(await ready(fs)).unlink(fs.root, bytesOf('g'))
  await fs.unmount()
  const judged = e2fsck(disk.bytes)
  t.equal(judged.status, 0, judged.output)
  t.same(usage(disk.bytes, 'user')[BOB.uid], `${5 * 4096 + 3 * 4096} 2`)
})

t.test('an operation that fails -> is not charged', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const dir = await on.mkdir(on.root, 'd')
  t.equal(await codeOf(on.mknod(dir, 'x'.repeat(256))), 'ENAMETOOLONG')
  const file = await on.mknod(dir, 'big')
  await t.rejects(writeAll(on.fs, file, 0, new Uint8Array(40 << 20)), { code: 'ENOSPC' })
  judge(t, await on.unmount())
})

t.test('hard limit of space: passed -> EDQUOT, what fits is written; root may', async (t) => {
  const disk = new RamDisk(await limited(IMAGE, 0, ALICE.uid, { hard: 64 }))
  const fs = await mountExt4(disk, new TestClock(), ENFORCED)
  fs.setCaller(ALICE.uid, ALICE.gid)
  const file = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ALICE)
  t.equal((await ready(fs)).write(file, 0, new Uint8Array(100_000).fill(5), 0, 100_000, false), 65_536)
  await ready(fs)
  t.throws(() => fs.write(file, 65_536, new Uint8Array(1), 0, 1, false), { code: 'EDQUOT' })
  t.equal(fs.write(file, 65_530, new Uint8Array(6), 0, 6, false), 6, 'no new block')
  await t.rejects(async () => fs.fallocate(file, 0, 65_536, 4096), { code: 'EDQUOT' })
  t.throws(() => fs.mkdir(fs.root, bytesOf('d'), 0o755, ALICE), { code: 'EDQUOT' })
  t.equal(fs.lookup(fs.root, bytesOf('d')), undefined)
  await fs.setattr(file, { size: 60_000 })
  t.equal(
    (await ready(fs)).write(file, 60_000, new Uint8Array(5536).fill(6), 0, 5536, false),
    5536,
    'room again',
  )
  fs.setCaller(0, 0)
  t.equal((await ready(fs)).write(file, 65_536, new Uint8Array(9000), 0, 9000, false), 9000)
  t.equal(readAll(fs, file).length, 74_536)
  await fs.unmount()
  judge(t, disk.bytes)
})

t.test('limits without the mount option -> accounted only, as Linux', async (t) => {
  const disk = new RamDisk(await limited(IMAGE, 0, ALICE.uid, { hard: 64, inodesHard: 1 }))
  const fs = await mountExt4(disk)
  fs.setCaller(ALICE.uid, ALICE.gid)
  const file = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ALICE)
  t.equal((await ready(fs)).write(file, 0, new Uint8Array(100_000).fill(5), 0, 100_000, false), 100_000)
  ;(await ready(fs)).mknod(fs.root, bytesOf('g'), 0o100644, 0, ALICE)
  await fs.unmount()
  judge(t, disk.bytes)
})

t.test('limits of inodes, of a group; chown into a full one -> EDQUOT, nothing remains', async (t) => {
  const disk = new RamDisk(await limited(IMAGE, 1, 100, { inodesHard: 2 }))
  const fs = await mountExt4(disk, new TestClock(), ENFORCED)
  fs.setCaller(ALICE.uid, ALICE.gid)
  for (const name of ['a', 'b']) (await ready(fs)).mknod(fs.root, bytesOf(name), 0o100644, 0, ALICE)
  await ready(fs)
  for (const name of ['c', 'd'])
    t.throws(() => fs.mknod(fs.root, bytesOf(name), 0o100644, 0, BOB), { code: 'EDQUOT' })
  const other = (await ready(fs)).mknod(fs.root, bytesOf('e'), 0o100644, 0, { uid: ALICE.uid, gid: 5 })
  t.throws(() => fs.setattr(other, { gid: 100 }), { code: 'EDQUOT' })
  t.equal(fs.getattr(other).gid, 5)
  await fs.unmount()
  judge(t, disk.bytes)
})

t.test('soft limit -> passed for the time of grace, then EDQUOT; below it all is forgotten', async (t) => {
  const clock = new TestClock()
  const disk = new RamDisk(await limited(IMAGE, 0, ALICE.uid, { soft: 16 }))
  const fs = await mountExt4(disk, clock, ENFORCED)
  fs.setCaller(ALICE.uid, ALICE.gid)
  const file = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ALICE)
  await writeAll(fs, file, 0, new Uint8Array(40_000).fill(1))
  clock.ms += (GRACE - 1) * 1000
  await writeAll(fs, file, 40_000, new Uint8Array(40_000).fill(1))
  clock.ms += 1000
  await ready(fs)
  t.throws(() => fs.write(file, 81_920, new Uint8Array(9000), 0, 9000, false), { code: 'EDQUOT' })
  await fs.setattr(file, { size: 10_000 })
  await writeAll(fs, file, 10_000, new Uint8Array(30_000).fill(1))
  t.equal(fs.getattr(file).size, 40_000, 'a new time of grace')
  await fs.unmount()
  judge(t, disk.bytes)
})

t.test('projects: inherited, kept apart, limited', async (t) => {
  const disk = new RamDisk(await limited(IMAGE, 2, 42, { hard: 40 }))
  const fs = await mountExt4(disk, new TestClock(), ENFORCED)
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('project'), 0o777, ALICE)
  ;(await ready(fs)).setFileAttr(dir, { flags: PROJINHERIT | EXTENTS, projectId: 42 })
  fs.setCaller(ALICE.uid, ALICE.gid)
  const file = (await ready(fs)).mknod(dir, bytesOf('in'), 0o100644, 0, ALICE)
  t.equal(fs.getFileAttr(file).projectId, 42)
  const sub = (await ready(fs)).mkdir(dir, bytesOf('sub'), 0o755, ALICE)
  t.same(fs.getFileAttr(sub), { flags: PROJINHERIT | EXTENTS, projectId: 42 })
  const outside = (await ready(fs)).mknod(fs.root, bytesOf('out'), 0o100644, 0, ALICE)
  t.equal(fs.getFileAttr(outside).projectId, 0)
  await ready(fs)
  t.throws(() => fs.link(outside, dir, bytesOf('x')), { code: 'EXDEV' })
  t.throws(() => fs.rename(fs.root, bytesOf('out'), dir, bytesOf('x'), 0), { code: 'EXDEV' })
  t.throws(() => fs.rename(fs.root, bytesOf('out'), dir, bytesOf('in'), 2), { code: 'EXDEV' })
  fs.rename(dir, bytesOf('in'), sub, bytesOf('in'), 0)
  t.equal(
    (await ready(fs)).write(file, 0, new Uint8Array(90_000), 0, 90_000, false),
    8 * 4096,
    'of 40 KiB two are the directories’',
  )
  await writeAll(fs, outside, 0, new Uint8Array(90_000))
  ;(await ready(fs)).setFileAttr(outside, { flags: EXTENTS, projectId: 7 })
  await fs.unmount()
  judge(t, disk.bytes)
  t.same(usage(disk.bytes, 'project'), { 0: '20480 2', 7: '90112 1', 42: '40960 3' })
})

t.test('our checker: a usage that is not so -> told, as e2fsck tells it', async (t) => {
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk)
  const file = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ALICE)
  await writeAll(fs, file, 0, new Uint8Array(5000))
  await fs.unmount()
  const wrong = disk.bytes.slice()
  const view = new DataView(wrong.buffer)
  // In the log it stands as well.
  for (let at = 0; at < wrong.length; at += 8) {
    const isEntry = view.getUint32(at, true) === 1000 && view.getUint32(at + 0x18, true) === 1
    if (isEntry && DiskDqblk.dqb_curspace.get(view, at) === 8192) DiskDqblk.dqb_curspace.set(view, at, 4096)
  }
  t.equal(e2fsck(wrong).status, 4)
  const found: string[] = []
  const { status } = fsck(new RamDisk(wrong), {
    report: ({ code, message }) => found.push(`${code}: ${message}`),
  })
  t.equal(status, 4)
  t.same(found, ['bad-quota: user 1000 uses 8192 bytes in 1 inodes, stated 4096 in 1'])
})

t.test('a quota file that is none -> the mount is refused by name', async (t) => {
  const image = IMAGE.slice()
  const view = new DataView(image.buffer)
  const at = [...Array(image.length / 4096).keys()].find(
    (block) => view.getUint32(block * 4096, true) === 0xd9c01927,
  )
  view.setUint32((at as number) * 4096, 0, true)
  await t.rejects(mountExt4(new RamDisk(image)), { message: /quota file of inode 4.*group/ })
})

t.test(
  'an id that uses nothing and has no limits -> no entry, as in Linux; its blocks are used again',
  async (t) => {
    const disk = new RamDisk(await limited(IMAGE, 0, 7, { hard: 1000 }))
    const fs = await mountExt4(disk)
    let most = 0
    for (let round = 0; round < 3; round++) {
      for (let uid = 1; uid <= 60; uid++)
        (await ready(fs)).mknod(fs.root, bytesOf(`f${uid}`), 0o100644, 0, {
          uid: uid * 0x0101_0101,
          gid: uid,
        })
      ;(await ready(fs)).mknod(fs.root, bytesOf('limited'), 0o100644, 0, { uid: 7, gid: 7 })
      await fs.syncfs()
      const blocks = blocksOnce(t, new RamDisk(disk.durable()), 3)
      if (round === 0) most = blocks
      t.equal(blocks, most, 'the file does not grow again')
      for (let uid = 60; uid >= 1; uid -= 2) (await ready(fs)).unlink(fs.root, bytesOf(`f${uid}`))
      await fs.syncfs()
      blocksOnce(t, new RamDisk(disk.durable()), 3)
      for (let uid = 1; uid <= 60; uid += 2) (await ready(fs)).unlink(fs.root, bytesOf(`f${uid}`))
      ;(await ready(fs)).unlink(fs.root, bytesOf('limited'))
      await fs.syncfs()
      blocksOnce(t, new RamDisk(disk.durable()), 3)
    }
    await ready(fs)
    t.throws(() => fs.mknod(fs.root, bytesOf('lost+found'), 0o100644, 0, { uid: 99, gid: 99 }), {
      code: 'EEXIST',
    })
    await fs.unmount()
    judge(t, disk.bytes)
    t.same(usage(disk.bytes, 'user'), { 0: '20480 2', 7: '0 0' })
    t.same(usage(disk.bytes, 'group'), { 0: '20480 2' })
  },
)

t.test(
  'statfs in a project: its limits are the size, what they leave is free, as ext4_statfs_project()',
  async (t) => {
    const image = await limited(IMAGE, 2, 42, { hard: 400, soft: 200, inodesHard: 10 })
    const disk = new RamDisk(image)
    const fs = await mountExt4(disk, new TestClock(), ENFORCED)
    const dir = (await ready(fs)).mkdir(fs.root, bytesOf('project'), 0o777, ALICE)
    ;(await ready(fs)).setFileAttr(dir, { flags: PROJINHERIT | EXTENTS, projectId: 42 })
    const file = (await ready(fs)).mknod(dir, bytesOf('in'), 0o100644, 0, ALICE)
    await writeAll(fs, file, 0, new Uint8Array(50_000))
    const limits = { blocks: 50, blocksFree: 50 - 14, blocksAvailable: 50 - 14, files: 10, filesFree: 8 }
    t.match(fs.statfs(dir), limits)
    t.same(fs.statfs(file), fs.statfs(), 'a file does not inherit')
    t.ok(fs.statfs().blocks > 5000)
    fs.setCaller(0, 0)
    await writeAll(fs, file, 50_000, new Uint8Array(300_000))
    t.match(fs.statfs(dir), { blocks: 50, blocksFree: 0, blocksAvailable: 0 })
    await fs.unmount()
    judge(t, disk.bytes)
    const plain = await mountExt4(new RamDisk(disk.bytes))
    t.same(plain.statfs(dir), plain.statfs(), 'limits do not count without prjquota')
  },
)

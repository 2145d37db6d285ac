/** A superblock of which a power failure left one sector old and one new. Kernel docs: ext4, "The Super Block". */
import t from 'tap'
import { superblockChecksum } from '../../../src/guest/ext4/checksum.js'
import { INCOMPAT } from '../../../src/guest/ext4/features.js'
import { SUPERBLOCK_OFFSET, SuperBlock } from '../../../src/guest/ext4/superblock.js'
import { SuperblockLayout } from '../../../src/guest/jbd2/journal-superblock.js'
import { e2fsckReplay } from '../../crash/kernel-judge.js'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, list, mountExt4, ROOT_USER, ready, TestClock, writeAll } from './mounted.js'

const SECTOR = 512
const IMAGES = [
  ['blocks of 1 KiB', ['-b', '1024', '-J', 'size=1']],
  ['blocks of a page', ['-b', '4096', '-J', 'size=4']],
] as const

function isTorn(image: Uint8Array): boolean {
  const view = new DataView(image.buffer, image.byteOffset)
  return SuperBlock.s_checksum.get(view, SUPERBLOCK_OFFSET) !== superblockChecksum(image, SUPERBLOCK_OFFSET)
}

/** Of every store to the superblock, the two images that have one of its sectors only. */
function collectTears(disk: RamDisk): Uint8Array[] {
  const torn: Uint8Array[] = []
  disk.beforeFlushed = () => {
    for (const { offset, bytes } of disk.unflushed) {
      if (offset > SUPERBLOCK_OFFSET || offset + bytes.length < SUPERBLOCK_OFFSET + SuperBlock.SIZE) continue
      for (const sector of [SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SECTOR]) {
        const image = disk.durable()
        image.set(bytes.subarray(sector - offset, sector - offset + SECTOR), sector)
        if (isTorn(image)) torn.push(image)
      }
    }
  }
  return torn
}

/** Mounts, makes a file durable, unmounts. */
async function use(disk: RamDisk): Promise<void> {
  const fs = await mountExt4(disk)
  const ino = (await ready(fs)).mknod(fs.root, bytesOf('file'), 0o100644, 0, ROOT_USER)
  await writeAll(fs, ino, 0, new Uint8Array(3000).fill(1))
  await fs.syncfs()
  await fs.unmount()
}

/** A crashed image whose log holds a file that is not home. */
async function dirtyImage(options: readonly string[]): Promise<Uint8Array> {
  const disk = new RamDisk(mkfsExt4(16 << 20, options))
  const fs = await mountExt4(disk)
  ;(await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
  await fs.syncfs()
  return disk.durable()
}

function flip(image: Uint8Array, at: number): void {
  image[at] = (image[at] as number) ^ 8
}

/** Where the journal's superblock is; bytes. */
function journalSuperblockOf(image: Uint8Array): number {
  return Number(debugfs(image, 'blocks <8>').split(' ')[0]) * 1024
}

/** The same image with other bytes in the first sector of its superblock. */
function tear(image: Uint8Array, change: (view: DataView, at: number) => void): RamDisk {
  const torn = image.slice()
  change(new DataView(torn.buffer), SUPERBLOCK_OFFSET)
  return new RamDisk(torn)
}

const count = (view: DataView, at: number): void =>
  SuperBlock.s_mnt_count.set(view, at, SuperBlock.s_mnt_count.get(view, at) + 1)

for (const [name, options] of IMAGES) {
  t.test(`every tear of every store to the superblock, ${name} -> recovered`, async (t) => {
    const disk = new RamDisk(mkfsExt4(16 << 20, [...options]))
    const torn = collectTears(disk)
    await use(disk)
    const clean = torn.length
    t.ok(clean >= 4, `${clean} tears of a mount and an unmount`)
    // And those of the recovery of the last one.
    const again = new RamDisk(torn[clean - 1] as Uint8Array)
    torn.push(...(await tearsOf(again)))
    t.ok(torn.length >= clean + 4, `${torn.length - clean} tears of a recovery and an unmount`)
    for (const image of torn) {
      const after = new RamDisk(image)
      const fs = await mountExt4(after)
      t.ok(fs.report.recovery, 'the journal was replayed')
      t.equal(isTorn(after.bytes), false)
      const names = [...list(fs, fs.root).keys()].sort().join(' ')
      t.ok(['lost+found', 'file lost+found'].includes(names), names)
      await fs.unmount()
      const judged = e2fsck(after.bytes)
      t.equal(judged.status, 0, judged.output)
    }
  })

  t.test(`torn, and the log holds it, ${name} -> a read-only mount recovers it too`, async (t) => {
    const disk = tear(await dirtyImage(options), count)
    const fs = await mountExt4(disk, new TestClock(), { readOnly: true })
    t.ok(fs.lookup(fs.root, bytesOf('d')))
    t.equal(isTorn(disk.bytes), false)
    const judged = e2fsck(disk.durable())
    t.equal(judged.status, 0, judged.output)
    t.notMatch(judged.output, /recovery/, 'nothing is left to recover')
  })
}

async function tearsOf(disk: RamDisk): Promise<Uint8Array[]> {
  const torn = collectTears(disk)
  const fs = await mountExt4(disk)
  await fs.unmount()
  return torn
}

t.test('a wrong checksum that the log does not explain -> EBADMSG, nothing is stored', async (t) => {
  const dirty = await dirtyImage(IMAGES[0][1])
  const clean = new RamDisk(mkfsExt4(16 << 20, [...IMAGES[0][1]]))
  await use(clean)
  const uuid = tear(dirty, (view, at) => view.setUint8(at + SuperBlock.s_uuid.offset, 0x5a))
  const inodes = tear(dirty, (view, at) =>
    SuperBlock.s_r_blocks_count_lo.set(view, at, SuperBlock.s_r_blocks_count_lo.get(view, at) + 1),
  )
  const seed = tear(dirty, (view, at) => SuperBlock.s_checksum_seed.set(view, at, 1))
  for (const [what, disk] of [
    ['an empty log', tear(clean.bytes, count)],
    ['another UUID', uuid],
    ['another geometry', tear(dirty, (view, at) => SuperBlock.s_inodes_count.set(view, at, 64))],
    ['another seed', seed],
  ] as const) {
    await t.rejects(mountExt4(disk), { code: 'EBADMSG', message: /s_checksum/ }, what)
    t.equal(disk.storeSequence, 0, what)
  }
  // What the tear explains is not for anybody to choose: the log's copy counts.
  const fs = await mountExt4(inodes)
  t.ok(fs.report.recovery)
  await fs.unmount()
  t.equal(e2fsck(inodes.bytes).status, 0)
  const noload = tear(dirty, count)
  await t.rejects(mountExt4(noload, new TestClock(), { readOnly: true, noload: true }), { code: 'EBADMSG' })
  const readOnly = tear(dirty, count)
  readOnly.readOnly = true
  await t.rejects(mountExt4(readOnly, new TestClock(), { readOnly: true }), { code: 'EROFS' })
})

t.test(
  'torn, and the log holds it -> others: Linux refuses it, e2fsck -fy recovers it with a backup',
  { skip: noKernelMount() ?? false },
  async (t) => {
    const { bytes } = tear(await dirtyImage(IMAGES[0][1]), count)
    t.throws(() => onKernel(bytes, 'ls'))
    const { image, second } = e2fsckReplay(bytes)
    t.equal(second.status, 0, second.output)
    const fs = await mountExt4(new RamDisk(image))
    t.ok(fs.lookup(fs.root, bytesOf('d')))
  },
)

t.test(
  "the journal's superblock is torn between units of 8 bytes -> recovered; Linux refuses it",
  { skip: noKernelMount() ?? false },
  async (t) => {
    const dirty = await dirtyImage(IMAGES[0][1])
    const at = journalSuperblockOf(dirty)
    // Of the superblock that comes next only what does not count.
    const disk = new RamDisk(dirty)
    flip(disk.bytes, at + SuperblockLayout.s_head.offset + 3)
    const image = disk.bytes.slice()
    const fs = await mountExt4(disk)
    t.ok(fs.lookup(fs.root, bytesOf('d')))
    await fs.unmount()
    t.equal(e2fsck(disk.bytes).status, 0)
    t.throws(() => onKernel(image, 'ls'))
    flip(image, at + SuperblockLayout.s_start.offset + 3)
    const damaged = new RamDisk(image)
    await t.rejects(mountExt4(damaged), { code: 'EBADMSG', message: /journal_superblock_s/ })
    t.equal(damaged.storeSequence, 0)
  },
)

t.test(
  'FLUSHes of a mount and an unmount -> 3 and 4, a recovery 2 and 4; 6 when there is work',
  async (t) => {
    const disk = new RamDisk(mkfsExt4(16 << 20, [...IMAGES[0][1]]))
    const steps: number[] = []
    const step = (from: RamDisk): void => {
      steps.push(from.flushes)
      from.flushes = 0
    }
    const fs = await mountExt4(disk)
    step(disk)
    ;(await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
    const crashed = new RamDisk(disk.bytes)
    await fs.unmount()
    step(disk)
    await (await mountExt4(disk)).unmount()
    step(disk)
    const recovered = await mountExt4(crashed)
    step(crashed)
    await recovered.unmount()
    step(crashed)
    t.same(steps, [3, 6, 7, 2, 4])
  },
)

t.test('needs_recovery is clear, the log is not empty -> void, as to Linux', async (t) => {
  const disk = tear(await dirtyImage(IMAGES[1][1]), (view, at) => {
    const incompat = SuperBlock.s_feature_incompat.get(view, at)
    SuperBlock.s_feature_incompat.set(view, at, (incompat & ~INCOMPAT.needs_recovery) >>> 0)
    const bytes = new Uint8Array(view.buffer)
    SuperBlock.s_checksum.set(view, at, superblockChecksum(bytes, at))
  })
  const image = disk.bytes.slice()
  const fs = await mountExt4(disk)
  t.equal(fs.report.recovery, undefined)
  t.equal(fs.lookup(fs.root, bytesOf('d')), undefined)
  ;(await ready(fs)).mkdir(fs.root, bytesOf('e'), 0o755, ROOT_USER)
  await fs.syncfs()
  const again = await mountExt4(new RamDisk(disk.durable()))
  t.same([...list(again, again.root).keys()].sort(), ['e', 'lost+found'], 'and what is logged later is not')
  await fs.unmount()
  t.equal(e2fsck(disk.bytes).status, 0)
  const readOnly = await mountExt4(new RamDisk(image), new TestClock(), { readOnly: true })
  t.equal(readOnly.lookup(readOnly.root, bytesOf('d')), undefined)
  if (noKernelMount() === undefined) t.equal(onKernel(image, 'ls').output, 'lost+found\n')
})

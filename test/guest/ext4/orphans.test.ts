import t from 'tap'
import { orphanBlockChecksum } from '../../../src/guest/ext4/checksum.js'
import { RO_COMPAT } from '../../../src/guest/ext4/features.js'
import { mapBlock } from '../../../src/guest/ext4/file-blocks.js'
import type { Inode } from '../../../src/guest/ext4/inode.js'
import { createInode } from '../../../src/guest/ext4/new-inode.js'
import { ROOT_INO, SuperBlock } from '../../../src/guest/ext4/superblock.js'
import type { Volume } from '../../../src/guest/ext4/volume.js'
import type { Journal } from '../../../src/guest/jbd2/journal.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { inHandle, type JournaledVolume, openVolume, operate, repair } from './journaled-volume.js'

const withList = mkfsExt4(16 << 20, ['-b', '1024', '-O', '^orphan_file'])
const withFile = mkfsExt4(16 << 20, ['-b', '1024', '-O', 'orphan_file', '-E', 'orphan_file_size=2'])
/** Orphans that the blocks of `withFile` hold. */
const PER_BLOCK = (1024 - 8) / 4

function field(volume: Volume, of: { get(view: DataView, at: number): number }): number {
  const { superblock, superblockOffset } = volume
  return of.get(superblock.view, superblock.at + superblockOffset)
}

/** `count` files without links, orphans all. */
async function makeOrphans({ volume, journal }: JournaledVolume, count: number): Promise<Inode[]> {
  const root = volume.inodeCache.get(ROOT_INO)
  const inodes: Inode[] = []
  for (let made = 0; made < count; made++) {
    await operate(journal, (handle) => {
      const inode = createInode(volume, handle, root, 0o100600, { uid: 0, gid: 0 }, 0)
      inode.linksCount = 0
      volume.orphans.add(handle, inode)
      inodes.push(inode)
    })
  }
  return inodes
}

const removeOrphan = (volume: Volume, journal: Journal, inode: Inode): Promise<void> =>
  operate(journal, (handle) => volume.orphans.remove(handle, inode))

function orphanFile(volume: Volume): Inode {
  return volume.inodeCache.get(field(volume, SuperBlock.s_orphan_file_inum))
}

const numbers = (inodes: readonly Inode[]): number[] => inodes.map(({ ino }) => ino)

for (const [name, image] of [
  ['list', withList],
  ['file', withFile],
] as const) {
  t.test(`add: orphan ${name} -> e2fsck clears them, and another mount finds them`, async (t) => {
    const open = openVolume(image)
    const inodes = await makeOrphans(open, 12)
    t.equal(open.volume.orphans.isEmpty, false)
    await open.journal.close()
    t.strictSame(numbers(inodes).sort(), openVolume(open.disk.bytes).volume.orphans.load().sort())
    const { output, image: repaired } = repair(open.disk.bytes)
    t.match(output, /(Clearing orphaned inode[^\n]*\n){12}/)
    t.equal(e2fsck(repaired).status, 0)
  })

  t.test(`remove: any order, orphan ${name} -> the others stay`, async (t) => {
    const open = openVolume(image)
    const { volume, journal } = open
    const inodes = await makeOrphans(open, 8)
    for (const index of [0, 7, 3, 4]) await removeOrphan(volume, journal, inodes[index]!)
    await removeOrphan(volume, journal, inodes[3]!)
    await journal.commit()
    const left = [1, 2, 5, 6].map((index) => inodes[index]!.ino)
    const again = openVolume((await closed(open)).disk.bytes)
    t.strictSame(again.volume.orphans.load().sort(), left.sort())
    for (const ino of left) await removeOrphan(again.volume, again.journal, again.volume.inodeCache.get(ino))
    t.equal(again.volume.orphans.isEmpty, true)
    t.strictSame(openVolume((await closed(again)).disk.bytes).volume.orphans.load(), [])
  })

  t.test(`add and remove: undone, orphan ${name} -> as before`, async (t) => {
    const open = openVolume(image)
    const { volume, journal } = open
    const inodes = await makeOrphans(open, 5)
    await removeOrphan(volume, journal, inodes[4]!)
    const handle = journal.start()
    volume.orphans.remove(handle, inodes[1]!)
    volume.orphans.remove(handle, inodes[2]!)
    volume.orphans.add(handle, inodes[4]!)
    volume.orphans.add(handle, inodes[2]!)
    volume.orphans.remove(handle, inodes[0]!)
    handle.revert()
    const before = inodes.slice(0, 4)
    t.strictSame(
      inodes.map(({ ino }) => volume.orphans.has(ino)),
      [true, true, true, true, false],
    )
    await removeOrphan(volume, journal, before[1]!)
    await journal.commit()
    const again = openVolume((await closed(open)).disk.bytes)
    t.strictSame(again.volume.orphans.load().sort(), [0, 2, 3].map((index) => inodes[index]!.ino).sort())
  })
}

async function closed<T extends JournaledVolume>(open: T): Promise<T> {
  await open.journal.close()
  return open
}

t.test('add: orphan file full -> the list takes the rest', async (t) => {
  const open = openVolume(withFile)
  const { volume } = open
  const room = (orphanFile(volume).size / 1024) * PER_BLOCK
  const inodes = await makeOrphans(open, room + 3)
  t.equal(field(volume, SuperBlock.s_last_orphan), inodes[room + 2]!.ino)
  await open.journal.close()
  const again = openVolume(open.disk.bytes)
  t.strictSame(again.volume.orphans.load().sort(), numbers(inodes).sort())
  const { output, image } = repair(open.disk.bytes)
  t.equal(output.match(/Clearing orphaned inode/g)?.length, room + 3)
  t.equal(e2fsck(image).status, 0)
})

t.test('orphan_present: file in use -> set with its content, cleared when unmounted empty', async (t) => {
  const open = openVolume(withFile)
  const { volume, journal } = open
  const present = (): boolean =>
    (field(volume, SuperBlock.s_feature_ro_compat) & RO_COMPAT.orphan_present) !== 0
  const unmounted = (): boolean => {
    const view = new DataView(new ArrayBuffer(1024))
    SuperBlock.s_feature_ro_compat.set(view, 0, 0xffffffff)
    volume.orphans.markUnmounted(view, 0)
    return (SuperBlock.s_feature_ro_compat.get(view, 0) & RO_COMPAT.orphan_present) === 0
  }
  t.equal(present(), false)
  const [inode] = (await makeOrphans(open, 1)) as [Inode]
  t.equal(present(), true)
  t.equal(unmounted(), false)
  await removeOrphan(volume, journal, inode)
  t.equal(unmounted(), true)
})

/** The image with the superblock or another place changed, and what loading its orphans throws. */
function spoiled(
  image: Uint8Array,
  spoil: (volume: Volume, bytes: Uint8Array, view: DataView) => void,
): () => unknown {
  const bytes = image.slice()
  spoil(openVolume(image).volume, bytes, new DataView(bytes.buffer))
  return () => openVolume(bytes).volume.orphans.load()
}

t.test('load: a bad list -> CorruptError', async (t) => {
  const bare = mkfsExt4(16 << 20, ['-b', '1024', '-O', '^orphan_file,^metadata_csum'])
  const open = openVolume(bare)
  const inodes = await makeOrphans(open, 3)
  await open.journal.close()
  const image = open.disk.bytes
  const dtimeOf = (inode: Inode): number => inode.block * 1024 + inode.offset + 0x14
  const point = (at: number, to: number) => spoiled(image, (_, __, view) => view.setUint32(at, to, true))
  t.strictSame(openVolume(image).volume.orphans.load(), numbers(inodes).reverse())
  t.throws(
    point(dtimeOf(inodes[0]!), inodes[2]!.ino),
    { code: 'EUCLEAN', corruption: { field: 'orphan list' } },
    'loop',
  )
  t.throws(
    point(dtimeOf(inodes[0]!), inodes[0]!.ino),
    { code: 'EUCLEAN', corruption: { field: 'orphan list' } },
    'itself',
  )
  t.throws(
    point(dtimeOf(inodes[1]!), 500),
    { code: 'EUCLEAN', corruption: { field: 'i_dtime', found: 500 } },
    'not in use',
  )
  t.throws(
    point(1024 + 0xe8, 3),
    { code: 'EUCLEAN', corruption: { field: 's_last_orphan', found: 3 } },
    'reserved',
  )
  t.throws(
    point(1024 + 0xe8, 0xffffffff),
    { code: 'EUCLEAN', corruption: { field: 's_last_orphan' } },
    'past the end',
  )
})

t.test('load: a bad file -> CorruptError', async (t) => {
  const open = openVolume(withFile)
  const inodes = await makeOrphans(open, 3)
  await open.journal.close()
  const image = open.disk.bytes
  const blockAt = (volume: Volume): number => mapBlock(orphanFile(volume), 0) * 1024
  /** Writes `value` at `offset` of the first block, with a good checksum. */
  const put = (offset: number, value: number) =>
    spoiled(image, (volume, bytes, view) => {
      const at = blockAt(volume)
      view.setUint32(at + offset, value, true)
      const sum = orphanBlockChecksum(orphanFile(volume).checksumSeed, at / 1024, bytes, at, 1016)
      view.setUint32(at + 1020, sum, true)
    })
  t.throws(put(1016, 0x12345678), { code: 'EUCLEAN', corruption: { field: 'ob_magic' } })
  t.throws(
    spoiled(image, (volume, bytes) => {
      bytes[blockAt(volume) + 600]! ^= 1
    }),
    { code: 'EBADMSG', corruption: { field: 'ob_checksum' } },
  )
  t.throws(put(8, inodes[0]!.ino), { code: 'EUCLEAN', corruption: { field: 'slot 2' } }, 'named twice')
  t.throws(put(400, 700), { code: 'EUCLEAN', corruption: { field: 'slot 100', found: 700 } }, 'not in use')
  t.throws(put(400, 0xfffffff0), { code: 'EUCLEAN', corruption: { field: 'slot 100' } }, 'past the end')
})

t.test('add: twice -> once', async (t) => {
  const open = openVolume(withList)
  const { volume, journal } = open
  const [inode] = (await makeOrphans(open, 1)) as [Inode]
  inHandle(journal, (handle) => volume.orphans.add(handle, inode))
  await journal.close()
  t.strictSame(openVolume(open.disk.bytes).volume.orphans.load(), [inode.ino])
})

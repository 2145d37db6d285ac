import t from 'tap'
import { Prng } from '../../../lib/prng.js'
import { INODE_UNINIT, INODE_ZEROED } from '../../../src/guest/ext4/group-descriptor.js'
import type { Inode } from '../../../src/guest/ext4/inode.js'
import { createInode } from '../../../src/guest/ext4/new-inode.js'
import { ROOT_INO } from '../../../src/guest/ext4/superblock.js'
import type { Volume } from '../../../src/guest/ext4/volume.js'
import type { Handle } from '../../../src/guest/jbd2/handle.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { FEATURE_SETS, inHandle, NOW, openVolume, operate, repair } from './journaled-volume.js'

const SIZE = 24 << 20
const FILE = 0o100644
const DIRECTORY = 0o040755
const image = mkfsExt4(SIZE, ['-b', '1024', '-g', '2048', '-G', '2', '-J', 'size=1', '-N', '1536'])

function create(volume: Volume, handle: Handle, parent: Inode, mode: number): Inode {
  return createInode(volume, handle, parent, mode, { uid: 0, gid: 0 }, 0)
}

/** As an inode is freed: without links, with a time of deletion. */
function remove(volume: Volume, handle: Handle, inode: Inode): void {
  const { isDirectory } = inode
  inode.modify(handle)
  inode.linksCount = 0
  inode.dtime = NOW.sec
  volume.inodeAllocator.free(handle, inode.ino, isDirectory)
  volume.inodeCache.forget(inode.ino)
}

/** Everything that says which inodes are in use. */
function snapshot(volume: Volume): unknown {
  const { groups } = volume
  return Array.from({ length: volume.groupCount }, (_, group) => {
    const head = volume.cache.get(groups.inodeBitmap(group))
    const bits = Buffer.from(head.bytes.subarray(head.at, head.at + volume.blockSize)).toString('latin1')
    return [
      groups.flags(group),
      groups.freeInodes(group),
      groups.usedDirs(group),
      groups.itableUnused(group),
      bits,
    ]
  })
}

for (const [name, args] of Object.entries(FEATURE_SETS)) {
  t.test(
    `allocate: all inodes of an image (${name}) -> each once, and freed again e2fsck finds nothing`,
    async (t) => {
      const { volume, journal, disk } = openVolume(mkfsExt4(SIZE, [...args, '-N', '1536']))
      const { inodeAllocator } = volume
      const free = inodeAllocator.freeCount
      const blocks = volume.blockAllocator.freeCount
      const random = new Prng(7)
      const directories = [volume.inodeCache.get(ROOT_INO)]
      const numbers = new Set<number>()
      while (inodeAllocator.freeCount > 0) {
        const parent = directories[random.below(directories.length)]!
        const mode = random.chance(0.1) ? DIRECTORY : FILE
        const inode = await operate(journal, (handle) => create(volume, handle, parent, mode))
        numbers.add(inode.ino)
        if (mode === DIRECTORY) directories.push(inode)
      }
      t.equal(numbers.size, free)
      t.ok(
        [...numbers].every(
          (ino) => ino >= volume.firstIno && ino <= volume.inodesCount && inodeAllocator.isAllocated(ino),
        ),
      )
      t.throws(() => inHandle(journal, (handle) => create(volume, handle, directories[0]!, FILE)), {
        code: 'ENOSPC',
      })
      await journal.commit()
      for (const ino of numbers)
        await operate(journal, (handle) => remove(volume, handle, volume.inodeCache.get(ino)))
      t.equal(inodeAllocator.freeCount, free)
      t.equal(volume.blockAllocator.freeCount, blocks)
      await journal.close()
      const clean = e2fsck(disk.bytes)
      t.equal(clean.status, 0, clean.output)
    },
  )
}

t.test('allocate: groups -> top-level directories apart, the rest near its parent', async (t) => {
  const { volume, journal } = openVolume(image)
  const root = volume.inodeCache.get(ROOT_INO)
  const flexOf = (inode: Inode): number => Math.floor(volume.groupOfInode(inode.ino) / volume.groupsPerFlex)
  const tops: Inode[] = []
  for (let count = 0; count < 4; count++)
    tops.push(await operate(journal, (handle) => create(volume, handle, root, DIRECTORY)))
  t.equal(new Set(tops.map(flexOf)).size, 4, 'each in a flex group of its own')
  for (const top of tops) {
    const child = await operate(journal, (handle) => create(volume, handle, top, DIRECTORY))
    t.equal(flexOf(child), flexOf(top))
    const file = await operate(journal, (handle) => create(volume, handle, top, FILE))
    t.equal(volume.groupOfInode(file.ino), volume.groupOfInode(top.ino))
  }
})

t.test('allocate and free: undone -> nothing changed', async (t) => {
  const { volume, journal } = openVolume(image)
  const root = volume.inodeCache.get(ROOT_INO)
  const kept = await operate(journal, (handle) => create(volume, handle, root, DIRECTORY))
  const before = snapshot(volume)
  const free = volume.inodeAllocator.freeCount
  const handle = journal.start()
  const created = [DIRECTORY, FILE, DIRECTORY].map((mode) => create(volume, handle, root, mode))
  volume.inodeAllocator.free(handle, created[0]!.ino, true)
  volume.inodeAllocator.free(handle, kept.ino, true)
  handle.revert()
  t.strictSame(snapshot(volume), before)
  t.equal(volume.inodeAllocator.freeCount, free)
  t.equal(volume.inodeCache.peek(created[1]!.ino), undefined)
})

t.test('allocate: inode table never initialised -> what stood there is gone', async (t) => {
  const lazy = mkfsExt4(SIZE, [
    '-b',
    '1024',
    '-g',
    '2048',
    '-G',
    '2',
    '-J',
    'size=1',
    '-N',
    '1536',
    '-E',
    'nodiscard,lazy_itable_init=1',
  ])
  const { volume: found } = openVolume(lazy)
  const group = Array.from({ length: found.groupCount }, (_, index) => index).find(
    (index) => found.groups.flags(index) & INODE_UNINIT,
  )!
  t.equal(found.groups.flags(group) & INODE_ZEROED, 0)
  const table = found.groups.inodeTable(group) * found.blockSize
  lazy.fill(0xa5, table, table + found.inodesPerGroup * found.inodeSize)

  const { volume, journal, disk } = openVolume(lazy)
  // Any inode in that group may serve as the parent here: only its number counts.
  const parent = Object.create(volume.inodeCache.get(ROOT_INO), {
    ino: { value: group * volume.inodesPerGroup + 1 },
  }) as Inode
  const inodes = await operate(journal, (handle) => [0, 1, 2].map(() => create(volume, handle, parent, FILE)))
  t.strictSame(
    inodes.map(({ ino }) => ino),
    [1, 2, 3].map((index) => group * volume.inodesPerGroup + index),
  )
  t.strictSame(
    inodes.map(({ size, blocks, fileAcl, dtime }) => [size, blocks, fileAcl, dtime]),
    [0, 1, 2].map(() => [0, 0, 0, 0]),
  )
  await operate(journal, (handle) => {
    for (const inode of inodes) {
      inode.modify(handle)
      inode.linksCount = 0
      volume.orphans.add(handle, inode)
    }
  })
  await journal.close()
  const repaired = repair(disk.bytes)
  t.match(repaired.output, /(Clearing orphaned inode[^\n]*\n){3}/)
  const clean = e2fsck(repaired.image)
  t.equal(clean.status, 0, clean.output)
})

t.test('free: inodes that cannot be freed -> CorruptError, nothing changed', async (t) => {
  const { volume, journal } = openVolume(image)
  const root = volume.inodeCache.get(ROOT_INO)
  const inode = await operate(journal, (handle) => create(volume, handle, root, FILE))
  const before = snapshot(volume)
  const { inodeAllocator } = volume
  for (const ino of [
    0,
    -1,
    ROOT_INO,
    volume.firstIno - 1,
    inode.ino + 1,
    volume.inodesCount,
    volume.inodesCount + 1,
    2 ** 33,
  ]) {
    t.throws(
      () => inHandle(journal, (handle) => inodeAllocator.free(handle, ino, false)),
      { code: 'EUCLEAN' },
      `${ino}`,
    )
  }
  const filesOnly = Array.from({ length: volume.groupCount }, (_, index) => index).find(
    (index) => volume.groups.usedDirs(index) === 0,
  )
  t.ok(filesOnly !== undefined)
  t.strictSame(snapshot(volume), before)
})

t.test('free: a directory where the descriptor counts none -> CorruptError', async (t) => {
  const { volume, journal } = openVolume(image)
  const root = volume.inodeCache.get(ROOT_INO)
  const top = await operate(journal, (handle) => create(volume, handle, root, DIRECTORY))
  const file = await operate(journal, (handle) => create(volume, handle, top, FILE))
  await operate(journal, (handle) => volume.inodeAllocator.free(handle, top.ino, true))
  const dirs = volume.groups.usedDirs(volume.groupOfInode(file.ino))
  t.equal(dirs, 0)
  t.throws(() => inHandle(journal, (handle) => volume.inodeAllocator.free(handle, file.ino, true)), {
    code: 'EUCLEAN',
    corruption: { field: 'bg_used_dirs_count' },
  })
})

t.test('inode bitmap: changed on the medium -> CorruptError', (t) => {
  const { volume } = openVolume(image)
  const flipped = image.slice()
  flipped[volume.groups.inodeBitmap(0) * volume.blockSize + 2]! ^= 0x80
  const broken = openVolume(flipped)
  const root = broken.volume.inodeCache.get(ROOT_INO)
  t.throws(() => inHandle(broken.journal, (handle) => create(broken.volume, handle, root, FILE)), {
    code: 'EBADMSG',
    corruption: { field: 'bg_inode_bitmap_csum' },
  })

  const bare = mkfsExt4(4 << 20, ['-b', '1024', '-O', '^metadata_csum'])
  const counted = bare.slice()
  counted[openVolume(bare).volume.groups.inodeBitmap(0) * 1024 + 2]! ^= 0x80
  const lying = openVolume(counted)
  t.throws(
    () =>
      inHandle(lying.journal, (handle) =>
        create(lying.volume, handle, lying.volume.inodeCache.get(ROOT_INO), FILE),
      ),
    {
      code: 'EUCLEAN',
      corruption: { field: 'clear bits' },
    },
  )
  t.end()
})

import t from 'tap'
import type { Inode } from '../../../src/guest/ext4/inode.js'
import { createInode } from '../../../src/guest/ext4/new-inode.js'
import { ROOT_INO } from '../../../src/guest/ext4/superblock.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { NOW, openVolume, operate, repair } from './journaled-volume.js'

const image = mkfsExt4(8 << 20)
const OWNER = { uid: 100_000, gid: 200_001 }

interface Wanted {
  mode: number
  rdev?: number
  /** Of the parent, beside what it has. */
  parentMode?: number
  parentFlags?: number
}

/** The inode, and what debugfs says of it. */
async function make(features: Uint8Array, wanted: Wanted): Promise<{ inode: Inode; stat: string }> {
  const { volume, journal, disk } = openVolume(features)
  const root = volume.inodeCache.get(ROOT_INO)
  const inode = await operate(journal, (handle) => {
    root.modify(handle)
    root.mode |= wanted.parentMode ?? 0
    root.flags |= wanted.parentFlags ?? 0
    return createInode(volume, handle, root, wanted.mode, OWNER, wanted.rdev ?? 0)
  })
  await journal.close()
  return { inode, stat: debugfs(disk.bytes, `stat <${inode.ino}>`) }
}

t.test('createInode: regular file -> as debugfs reads it', async (t) => {
  const { inode, stat } = await make(image, { mode: 0o100640 })
  t.match(stat, /Type: regular +Mode: +0640 +Flags: 0x80000/)
  t.match(stat, /User: 100000 +Group: 200001 /)
  t.match(stat, /Size: 0\n.*\nLinks: 1 +Blockcount: 0/)
  t.match(stat, new RegExp(`Generation: ${inode.generation}`))
  t.match(stat, /crtime: 0x6553f100:1d6f3454/)
  t.match(stat, /mtime: 0x6553f100:1d6f3454/)
  t.match(stat, /Size of extra inode fields: 32/)
  t.match(stat, /EXTENTS:\n/)
  t.notMatch(stat, /dtime|corrupt/)
  t.strictSame(inode.crtime, NOW)
})

t.test('createInode: directory -> two links', async (t) => {
  const { stat } = await make(image, { mode: 0o040700 })
  t.match(stat, /Type: directory +Mode: +0700 +Flags: 0x80000/)
  t.match(stat, /Links: 2 /)
})

t.test('createInode: device nodes -> old encoding where it fits, else the new one', async (t) => {
  const old = await make(image, { mode: 0o020600, rdev: 0x0801 })
  t.match(old.stat, /Type: character special.*Flags: 0x0/)
  t.match(old.stat, /Device major\/minor number: 08:01/)
  t.notMatch(old.stat, /New-style/)
  // major 259, minor 0x12345
  const wide = await make(image, { mode: 0o060600, rdev: (259 << 8) | 0x45 | (0x123 << 20) })
  t.match(wide.stat, /Type: block special/)
  t.match(wide.stat, /\(New-style\) Device major\/minor number: 259:74565/)
})

t.test('createInode: symlink, fifo -> no extent tree', async (t) => {
  t.match((await make(image, { mode: 0o120777 })).stat, /Type: symlink +Mode: +0777 +Flags: 0x0/)
  t.match((await make(image, { mode: 0o010644 })).stat, /Type: FIFO +Mode: +0644 +Flags: 0x0/)
})

t.test('createInode: parent with flags and set-group-id -> inherited as the type allows', async (t) => {
  const NODUMP_NOATIME = 0xc0
  const DIRSYNC = 0x10000
  const TOPDIR = 0x20000
  const IMMUTABLE = 0x10
  const DAX = 0x2000000
  const parent = { parentMode: 0o2000, parentFlags: NODUMP_NOATIME | DIRSYNC | TOPDIR | IMMUTABLE | DAX }
  const EXTENTS = 0x80000
  const directory = await make(image, { mode: 0o040755, ...parent })
  t.equal(directory.inode.flags, NODUMP_NOATIME | DIRSYNC | DAX | EXTENTS)
  t.equal(directory.inode.mode, 0o042755)
  t.equal(directory.inode.gid, 0)
  const file = await make(image, { mode: 0o100644, ...parent })
  t.equal(file.inode.flags, NODUMP_NOATIME | DAX | EXTENTS)
  t.equal(file.inode.mode, 0o100644)
  t.equal(file.inode.gid, 0)
  t.equal((await make(image, { mode: 0o010644, ...parent })).inode.flags, NODUMP_NOATIME)
})

t.test('createInode: inodes of 128 bytes -> whole seconds, no extra fields', async (t) => {
  const { inode, stat } = await make(mkfsExt4(8 << 20, ['-I', '128']), { mode: 0o100644 })
  t.match(stat, /mtime: 0x6553f100 /)
  t.notMatch(stat, /extra inode fields/)
  t.equal(inode.crtime, undefined)
})

t.test('createInode: number used again -> another generation', async (t) => {
  const { volume, journal } = openVolume(image)
  const root = volume.inodeCache.get(ROOT_INO)
  const generations = new Set<number>()
  for (let round = 0; round < 20; round++) {
    const inode = await operate(journal, (handle) => createInode(volume, handle, root, 0o100644, OWNER, 0))
    t.equal(inode.ino, 12)
    generations.add(inode.generation)
    await operate(journal, (handle) => volume.inodeAllocator.free(handle, inode.ino, false))
  }
  t.equal(generations.size, 20)
})

t.test('createInode: one of each type, orphaned -> e2fsck clears them and finds nothing else', async (t) => {
  const { volume, journal, disk } = openVolume(image)
  const root = volume.inodeCache.get(ROOT_INO)
  for (const mode of [0o100644, 0o020600, 0o060600, 0o010600, 0o140600]) {
    await operate(journal, (handle) => {
      const inode = createInode(volume, handle, root, mode, OWNER, 0x103)
      inode.linksCount = 0
      volume.orphans.add(handle, inode)
    })
  }
  await journal.close()
  const { output, image: repaired } = repair(disk.bytes)
  t.match(output, /(Clearing orphaned inode \d+ \(uid=100000, gid=200001[^\n]*\n){5}/)
  const clean = e2fsck(repaired)
  t.equal(clean.status, 0, clean.output)
})

import t from 'tap'
import { CorruptError } from '../../../lib/errno.js'
import { dirBlock, leafEnd, readLeaf, searchLeaf } from '../../../src/guest/ext4/dir-block.js'
import { DirEntry, DirEntryTail } from '../../../src/guest/ext4/dir-entry.js'
import { findEntry, isEmptyDirectory } from '../../../src/guest/ext4/directory.js'
import type { Inode } from '../../../src/guest/ext4/inode.js'
import { ROOT_INO } from '../../../src/guest/ext4/superblock.js'
import { mkfsExt4 } from './image.js'
import { openVolume } from './journaled-volume.js'
import { bytesOf } from './mounted-names.js'

const plain = mkfsExt4(8 << 20, ['-b', '1024', '-O', '^metadata_csum'])
const summed = mkfsExt4(8 << 20, ['-b', '1024', '-O', 'metadata_csum'])

/** The root directory, its first block changed on the medium by `damage`. */
function rootWith(image: Uint8Array, damage: (view: DataView, at: number) => void): Inode {
  const { disk, volume } = openVolume(image)
  const root = volume.inodeCache.get(ROOT_INO)
  const { view, at } = disk.directAccess(dirBlock(root, 0).block * volume.blockSize)
  damage(view, at)
  return root
}

const LOST_FOUND = 24

t.test('leaf: as mkfs made it -> its entries are found', async (t) => {
  for (const image of [plain, summed]) {
    const root = rootWith(image, () => {})
    t.equal(searchLeaf(root, readLeaf(root, 0), bytesOf('lost+found')), LOST_FOUND)
    t.equal(searchLeaf(root, readLeaf(root, 0), bytesOf('lost+foun')), -1)
    t.equal(leafEnd(root.volume), image === summed ? 1012 : 1024)
  }
})

const damages: [string, (view: DataView, at: number) => void, RegExp][] = [
  ['rec_len 0', (view, at) => DirEntry.rec_len.set(view, at + 12, 0), /rec_len at offset 12 is 0/],
  ['rec_len 8', (view, at) => DirEntry.rec_len.set(view, at + 12, 8), /rec_len at offset 12 is 8/],
  ['rec_len 14', (view, at) => DirEntry.rec_len.set(view, at + 12, 14), /rec_len at offset 12 is 14/],
  [
    'rec_len past the block',
    (view, at) => DirEntry.rec_len.set(view, at + 24, 1004),
    /rec_len at offset 24 is 1004/,
  ],
  [
    'rec_len almost to the end',
    (view, at) => DirEntry.rec_len.set(view, at + 24, 992),
    /rec_len at offset 24 is 992/,
  ],
  ['name_len past rec_len', (view, at) => DirEntry.name_len.set(view, at, 5), /name_len at offset 0 is 5/],
  ['name_len 0', (view, at) => DirEntry.name_len.set(view, at + 24, 0), /name_len at offset 24 is 0/],
  [
    'inode too large',
    (view, at) => DirEntry.inode.set(view, at + 24, 0x7fffffff),
    /inode at offset 24 is 2147483647/,
  ],
]

for (const [what, damage, message] of damages) {
  t.test(`leaf: ${what} -> CorruptError that names it`, async (t) => {
    const root = rootWith(plain, damage)
    const thrown = t.throws(() => readLeaf(root, 0), { code: 'EUCLEAN', message }) as CorruptError
    t.type(thrown, CorruptError)
    t.equal(thrown.corruption.ino, ROOT_INO)
    t.equal(thrown.corruption.block, dirBlock(root, 0).block)
  })
}

t.test('leaf: a flipped bit under a checksum -> EBADMSG', async (t) => {
  const root = rootWith(summed, (view, at) => view.setUint8(at + 32, view.getUint8(at + 32) ^ 1))
  t.throws(() => readLeaf(root, 0), { code: 'EBADMSG', message: /det_checksum/ })
})

t.test('leaf: no tail -> CorruptError', async (t) => {
  const root = rootWith(summed, (view, at) => DirEntryTail.det_reserved_ft.set(view, at + 1012, 0))
  t.throws(() => readLeaf(root, 0), { code: 'EUCLEAN', message: /ext4_dir_entry_tail/ })
})

t.test('directory: "." or ".." not where they belong -> CorruptError', async (t) => {
  const dot = rootWith(plain, (view, at) => DirEntry.inode.set(view, at, 11))
  t.throws(() => findEntry(dot, bytesOf('..')), { code: 'EUCLEAN' })
  const dotDot = rootWith(plain, (view, at) => view.setUint8(at + 12 + 9, 0x41))
  t.throws(() => isEmptyDirectory(dotDot), { code: 'EUCLEAN' })
  const alone = rootWith(plain, (view, at) => DirEntry.rec_len.set(view, at, 1024))
  t.throws(() => findEntry(alone, bytesOf('..')), { code: 'EUCLEAN' })
})

t.test('directory: size beyond its blocks -> CorruptError for the hole', async (t) => {
  const root = rootWith(plain, () => {})
  const { view, at } = root.volume.device.directAccess(root.block * 1024 + root.offset)
  view.setUint32(at + 4, 4096, true)
  t.throws(() => readLeaf(root, 1), { code: 'EUCLEAN', message: /hole/ })
})

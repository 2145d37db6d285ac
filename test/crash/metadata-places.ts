import type { BlockDevice } from '../../src/guest/block/block-device.js'
import { mappings } from '../../src/guest/ext4/extent-tree.js'
import { Inode } from '../../src/guest/ext4/inode.js'
import { EXTENTS_FL } from '../../src/guest/ext4/raw-inode.js'
import { Volume } from '../../src/guest/ext4/volume.js'

/** Where a structure of the file system lies; bytes. */
export interface MetadataPlace {
  readonly structure: string
  readonly offset: number
  readonly length: number
  readonly ino?: number
}

/** Every structure of a good image: superblock, descriptors, bitmaps, inodes in use, directories, trees, journal. */
export function metadataPlaces(disk: BlockDevice, inos: Iterable<number>): MetadataPlace[] {
  const volume = new Volume(disk, () => ({ sec: 0, nsec: 0 }))
  const { blockSize } = volume
  const places: MetadataPlace[] = [{ structure: 'superblock', offset: 1024, length: 1024 }]
  const descriptors = (volume.superblockBlock + 1) * blockSize
  for (let group = 0; group < volume.groupCount; group++) {
    places.push({
      structure: 'group descriptor',
      offset: descriptors + group * volume.descSize,
      length: volume.descSize,
    })
    places.push({
      structure: 'block bitmap',
      offset: volume.groups.blockBitmap(group) * blockSize,
      length: blockSize,
    })
    places.push({
      structure: 'inode bitmap',
      offset: volume.groups.inodeBitmap(group) * blockSize,
      length: blockSize,
    })
  }
  for (const ino of new Set([2, 7, 8, 11, ...inos])) {
    const inode = new Inode(volume, ino)
    places.push({
      structure: 'inode',
      offset: inode.block * blockSize + inode.offset,
      length: volume.inodeSize,
      ino,
    })
    if ((inode.flags & EXTENTS_FL) !== 0) places.push(...ownBlocks(volume, inode))
  }
  return places
}

function* ownBlocks(volume: Volume, inode: Inode): Generator<MetadataPlace> {
  const { blockSize } = volume
  const { bytes, view } = inode.head
  const root = inode.head.at + inode.offset + 0x28
  if (view.getUint16(root + 6, true) > 0) {
    for (let entry = 0; entry < view.getUint16(root + 2, true); entry++) {
      const block = view.getUint32(root + 12 + entry * 12 + 4, true)
      yield { structure: 'extent block', offset: block * blockSize, length: blockSize, ino: inode.ino }
    }
  }
  if (bytes.length === 0 || !(inode.isDirectory || inode.ino === 8)) return
  for (const { physical, length } of mappings(inode)) {
    const structure = inode.isDirectory ? 'directory block' : 'journal superblock'
    const count = inode.isDirectory ? length : 1
    for (let block = 0; block < count; block++)
      yield {
        structure,
        offset: (physical + block) * blockSize,
        length: inode.isDirectory ? blockSize : 256,
        ino: inode.ino,
      }
    if (!inode.isDirectory) return
  }
}

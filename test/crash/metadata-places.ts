import type { BlockDevice } from '../../src/guest/block/block-device.js'
import { hasExtents, hasMap, mappings } from '../../src/guest/ext4/file-map.js'
import { Inode } from '../../src/guest/ext4/inode.js'
import { INDEX_FL } from '../../src/guest/ext4/raw-inode.js'
import { RESIZE_INO, SUPERBLOCK_OFFSET, SuperBlock } from '../../src/guest/ext4/superblock.js'
import { Volume } from '../../src/guest/ext4/volume.js'
import { blockXattrs } from '../../src/guest/ext4/xattr-block.js'
import { readEntries } from '../../src/guest/ext4/xattr-entry.js'
import { inodeXattrs } from '../../src/guest/ext4/xattr-inode.js'
import { ChecksumRepair, type Repair } from './checksum-repair.js'

/** Where a structure of the file system lies; bytes. */
export interface MetadataPlace {
  readonly structure: string
  readonly offset: number
  readonly length: number
  readonly ino?: number
  /** Makes its checksum right again, where there is one. */
  readonly repair: Repair
}

const JOURNAL_SUPERBLOCK_SIZE = 256
const ROOT_COUNT = 0x20
const NODE_COUNT = 0x8

/** Every structure of a good image: superblock, descriptors, bitmaps, inodes in use and all that is theirs, journal. */
export function metadataPlaces(disk: BlockDevice, inos: Iterable<number>): MetadataPlace[] {
  const volume = new Volume(disk, () => ({ sec: 0, nsec: 0 }))
  const { blockSize, groups } = volume
  const repair = new ChecksumRepair(volume)
  const places: MetadataPlace[] = [
    {
      structure: 'superblock',
      offset: SUPERBLOCK_OFFSET,
      length: SuperBlock.SIZE,
      repair: repair.superblock,
    },
  ]
  for (let group = 0; group < volume.groupCount; group++) {
    const offset = repair.descriptorAt(group)
    places.push(
      { structure: 'group descriptor', offset, length: volume.descSize, repair: repair.groupDesc(group) },
      {
        structure: 'block bitmap',
        offset: groups.blockBitmap(group) * blockSize,
        length: blockSize,
        repair: repair.blockBitmap(group),
      },
      {
        structure: 'inode bitmap',
        offset: groups.inodeBitmap(group) * blockSize,
        length: blockSize,
        repair: repair.inodeBitmap(group),
      },
    )
  }
  const orphanFile = superblockField(volume, 's_orphan_file_inum')
  const special = [2, 7, 8, 11, ...(orphanFile === 0 ? [] : [orphanFile])]
  const named = [...inos]
  const values = named.flatMap((ino) => valueInodes(new Inode(volume, ino)))
  for (const ino of new Set([...special, ...named, ...values])) {
    const inode = new Inode(volume, ino)
    const offset = inode.block * blockSize + inode.offset
    places.push({
      structure: 'inode',
      offset,
      length: volume.inodeSize,
      ino,
      repair: repair.inode(ino, offset),
    })
    for (const block of ownBlocks(volume, inode, repair, ino === orphanFile))
      places.push({ length: blockSize, ino, ...block })
  }
  return places
}

function superblockField(volume: Volume, field: 's_orphan_file_inum' | 's_journal_inum'): number {
  const { view, at } = volume.superblock
  return SuperBlock[field].get(view, at + volume.superblockOffset)
}

/** Inodes of the values of its attributes (feature ea_inode). */
function valueInodes(inode: Inode): number[] {
  const areas = [inodeXattrs(inode), blockXattrs(inode)]
  const entries = areas.flatMap((area) => (area === undefined ? [] : readEntries(area)))
  return entries.flatMap(({ large }) => (large === undefined ? [] : [large.ino]))
}

type OwnBlock = Pick<MetadataPlace, 'structure' | 'offset' | 'repair'> & { readonly length?: number }

function* ownBlocks(
  volume: Volume,
  inode: Inode,
  repair: ChecksumRepair,
  isOrphanFile: boolean,
): Generator<OwnBlock> {
  const { blockSize } = volume
  const seed = inode.checksumSeed
  if (inode.fileAcl !== 0) {
    const offset = inode.fileAcl * blockSize
    yield { structure: 'xattr block', offset, repair: repair.xattrBlock(offset) }
  }
  if (!hasMap(inode) || inode.ino === RESIZE_INO) return
  if (hasExtents(inode)) {
    for (const block of extentBlocks(volume, inode)) {
      const offset = block * blockSize
      yield { structure: 'extent block', offset, repair: repair.extentBlock(seed, offset) }
    }
  } else {
    for (const block of indirectBlocks(volume, inode))
      yield { structure: 'indirect block', offset: block * blockSize, repair: () => {} }
  }
  const isJournal = inode.ino === superblockField(volume, 's_journal_inum')
  if (!(inode.isDirectory || isJournal || isOrphanFile)) return
  for (const { logical, physical, length } of mappings(inode)) {
    for (let block = 0; block < length; block++) {
      const offset = (physical + block) * blockSize
      if (isJournal) {
        yield {
          structure: 'journal superblock',
          offset,
          length: JOURNAL_SUPERBLOCK_SIZE,
          repair: repair.journalSuperblock(offset),
        }
        return
      }
      yield isOrphanFile
        ? { structure: 'orphan file block', offset, repair: repair.orphanBlock(seed, offset) }
        : dirBlock(inode, repair, logical + block, offset)
    }
  }
}

function dirBlock(inode: Inode, repair: ChecksumRepair, logical: number, offset: number): OwnBlock {
  const { blockSize, cache } = inode.volume
  const seed = inode.checksumSeed
  if ((inode.flags & INDEX_FL) !== 0) {
    if (logical === 0)
      return { structure: 'htree root', offset, repair: repair.dxBlock(seed, offset, ROOT_COUNT) }
    const { view, at } = cache.get(offset / blockSize)
    // A node begins with an unused entry that spans the block.
    const isNode = view.getUint32(at, true) === 0 && view.getUint16(at + 4, true) === blockSize
    if (isNode) return { structure: 'htree node', offset, repair: repair.dxBlock(seed, offset, NODE_COUNT) }
  }
  return { structure: 'directory leaf', offset, repair: repair.dirLeaf(seed, offset) }
}

/** The blocks of the extent tree, below the root in the inode. */
function* extentBlocks({ cache }: Volume, inode: Inode): Generator<number> {
  const { view, at } = inode.head
  const pending = [{ view, at: at + inode.offset + 0x28 }]
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.view.getUint16(node.at + 6, true) === 0) continue
    for (let entry = 0; entry < node.view.getUint16(node.at + 2, true); entry++) {
      const block = node.view.getUint32(node.at + 12 + entry * 12 + 4, true)
      yield block
      pending.push(cache.get(block))
    }
  }
}

/** The blocks of pointers of a map without extents. */
function* indirectBlocks({ cache, blockSize }: Volume, inode: Inode): Generator<number> {
  const { view, at } = inode.head
  const pending = [1, 2, 3].map((level) => ({
    level,
    block: view.getUint32(at + inode.offset + 0x28 + (11 + level) * 4, true),
  }))
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.block === 0) continue
    yield next.block
    if (next.level === 1) continue
    const node = cache.get(next.block)
    for (let index = 0; index < blockSize / 4; index++)
      pending.push({ level: next.level - 1, block: node.view.getUint32(node.at + index * 4, true) })
  }
}

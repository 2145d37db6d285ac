import { COMPAT, INCOMPAT, RO_COMPAT } from './features.js'
import { SuperBlock } from './superblock.js'

/** What says where superblocks and descriptors stand. Sizes in bytes, places in blocks. */
export interface GroupLayout {
  readonly compat: number
  readonly incompat: number
  readonly roCompat: number
  readonly blockSize: number
  readonly descSize: number
  readonly firstDataBlock: number
  readonly blocksPerGroup: number
  readonly groupCount: number
  /** s_reserved_gdt_blocks. */
  readonly reservedGdtBlocks: number
  /** s_first_meta_bg: the first meta block group that holds its own descriptors. Only with meta_bg. */
  readonly firstMetaBg: number
  /** s_backup_bgs: with sparse_super2 the only two groups that have backups. */
  readonly backupGroups: readonly [number, number]
}

/** s_backup_bgs of the superblock at `at`. */
export function readBackupGroups(view: DataView, at: number): [number, number] {
  const place = at + SuperBlock.s_backup_bgs.offset
  return [view.getUint32(place, true), view.getUint32(place + 4, true)]
}

/** Whether `group` holds a copy of the superblock. Kernel docs: ext4, "Layout". */
export function hasSuper(layout: GroupLayout, group: number): boolean {
  if (group === 0) return true
  if ((layout.compat & COMPAT.sparse_super2) !== 0) return layout.backupGroups.includes(group)
  if (group === 1 || (layout.roCompat & RO_COMPAT.sparse_super) === 0) return true
  return isPower(group, 3) || isPower(group, 5) || isPower(group, 7)
}

function isPower(value: number, base: number): boolean {
  let power = base
  while (power < value) power *= base
  return power === value
}

/** The block of the superblock. With bigalloc and blocks of 1 KiB group 0 begins with a block before it. */
export function superblockBlock({ blockSize }: GroupLayout): number {
  return blockSize === 1024 ? 1 : 0
}

/** Blocks that hold the descriptors of all groups once. */
export function descriptorBlocks({ groupCount, blockSize, descSize }: GroupLayout): number {
  return Math.ceil(groupCount / Math.floor(blockSize / descSize))
}

/**
 * The block that holds the descriptor of `group`. With meta_bg those from s_first_meta_bg on stand in the first group
 * of as many as one block of descriptors has room for. Kernel docs: ext4, "Meta Block Groups".
 */
export function descriptorBlock(layout: GroupLayout, group: number): number {
  const perBlock = Math.floor(layout.blockSize / layout.descSize)
  const index = Math.floor(group / perBlock)
  if (!isMetaGroup(layout, index)) return superblockBlock(layout) + 1 + index
  const first = index * perBlock
  const start = first === 0 ? superblockBlock(layout) : layout.firstDataBlock + first * layout.blocksPerGroup
  return start + (hasSuper(layout, first) ? 1 : 0)
}

/** Blocks at the start of `group` with a superblock, descriptors and the blocks reserved for more of them. */
export function superAndDescriptorBlocks(layout: GroupLayout, group: number): number {
  const isBackup = hasSuper(layout, group)
  const before = group === 0 ? superblockBlock(layout) - layout.firstDataBlock : 0
  const perBlock = Math.floor(layout.blockSize / layout.descSize)
  const index = Math.floor(group / perBlock)
  if (isMetaGroup(layout, index)) {
    const place = group % perBlock
    // The descriptors stand in the first group, their copies in the second and in the last.
    return before + (isBackup ? 1 : 0) + (place === 0 || place === 1 || place === perBlock - 1 ? 1 : 0)
  }
  if (!isBackup) return 0
  const hasMetaBg = (layout.incompat & INCOMPAT.meta_bg) !== 0
  const descriptors = hasMetaBg ? layout.firstMetaBg : descriptorBlocks(layout)
  return before + 1 + descriptors + layout.reservedGdtBlocks
}

function isMetaGroup({ incompat, firstMetaBg }: GroupLayout, index: number): boolean {
  return (incompat & INCOMPAT.meta_bg) !== 0 && index >= firstMetaBg
}

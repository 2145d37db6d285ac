import { groupDescChecksum, groupDescCrc16 } from '../checksum.js'
import { GroupDesc, INODE_UNINIT } from '../group-descriptor.js'
import { descriptorBlock } from '../group-layout.js'
import type { FsGeometry } from './fs-geometry.js'
import type { Medium } from './medium.js'

/** A group whose descriptor has the wrong checksum. */
export interface BadChecksum {
  readonly group: number
  readonly block: number
  readonly found: number
  readonly expected: number
}

/** The primary descriptors, field by field, read once. */
export class GroupDescs {
  readonly blockBitmap: Float64Array
  readonly inodeBitmap: Float64Array
  /** 0: not a place where a table can be. */
  readonly inodeTable: Float64Array
  readonly freeBlocks: Uint32Array
  readonly freeInodes: Uint32Array
  readonly usedDirs: Uint32Array
  readonly itableUnused: Uint32Array
  readonly blockBitmapCsum: Uint32Array
  readonly inodeBitmapCsum: Uint32Array
  readonly flags: Uint16Array
  readonly badChecksums: BadChecksum[] = []
  /** 1: the descriptor's checksum is wrong, its UNINIT flags and bg_itable_unused are not believed. */
  readonly #doubtful: Uint8Array
  readonly #geometry: FsGeometry

  constructor(geometry: FsGeometry, medium: Medium) {
    const { groupCount } = geometry
    this.#geometry = geometry
    this.blockBitmap = new Float64Array(groupCount)
    this.inodeBitmap = new Float64Array(groupCount)
    this.inodeTable = new Float64Array(groupCount)
    this.freeBlocks = new Uint32Array(groupCount)
    this.freeInodes = new Uint32Array(groupCount)
    this.usedDirs = new Uint32Array(groupCount)
    this.itableUnused = new Uint32Array(groupCount)
    this.blockBitmapCsum = new Uint32Array(groupCount)
    this.inodeBitmapCsum = new Uint32Array(groupCount)
    this.flags = new Uint16Array(groupCount)
    this.#doubtful = new Uint8Array(groupCount)
    const perBlock = geometry.blockSize / geometry.descSize
    for (let group = 0; group < groupCount; group++) {
      const block = descriptorBlock(geometry, group)
      medium.open(block)
      const at = medium.at + (group % perBlock) * geometry.descSize
      this.#read(medium.view, at, group)
      this.#checkChecksum(medium, at, group, block)
    }
  }

  /** Inodes of the group's table that were ever used, as far as the descriptor can be believed. */
  initialised(group: number): number {
    const { inodesPerGroup, hasGroupCsum } = this.#geometry
    if (!hasGroupCsum || this.#doubtful[group] === 1) return inodesPerGroup
    if ((this.flags[group]! & INODE_UNINIT) !== 0) return 0
    return inodesPerGroup - Math.min(this.itableUnused[group]!, inodesPerGroup)
  }

  #read(view: DataView, at: number, group: number): void {
    const wide = this.#geometry.descSize >= 64
    const high32 = (field: typeof GroupDesc.bg_block_bitmap_hi) =>
      wide ? field.get(view, at) * 0x1_0000_0000 : 0
    const high16 = (field: typeof GroupDesc.bg_free_blocks_count_hi) =>
      wide ? field.get(view, at) * 0x1_0000 : 0
    this.blockBitmap[group] =
      GroupDesc.bg_block_bitmap_lo.get(view, at) + high32(GroupDesc.bg_block_bitmap_hi)
    this.inodeBitmap[group] =
      GroupDesc.bg_inode_bitmap_lo.get(view, at) + high32(GroupDesc.bg_inode_bitmap_hi)
    this.inodeTable[group] = GroupDesc.bg_inode_table_lo.get(view, at) + high32(GroupDesc.bg_inode_table_hi)
    this.freeBlocks[group] =
      GroupDesc.bg_free_blocks_count_lo.get(view, at) + high16(GroupDesc.bg_free_blocks_count_hi)
    this.freeInodes[group] =
      GroupDesc.bg_free_inodes_count_lo.get(view, at) + high16(GroupDesc.bg_free_inodes_count_hi)
    this.usedDirs[group] =
      GroupDesc.bg_used_dirs_count_lo.get(view, at) + high16(GroupDesc.bg_used_dirs_count_hi)
    this.itableUnused[group] =
      GroupDesc.bg_itable_unused_lo.get(view, at) + high16(GroupDesc.bg_itable_unused_hi)
    this.blockBitmapCsum[group] =
      GroupDesc.bg_block_bitmap_csum_lo.get(view, at) + high16(GroupDesc.bg_block_bitmap_csum_hi)
    this.inodeBitmapCsum[group] =
      GroupDesc.bg_inode_bitmap_csum_lo.get(view, at) + high16(GroupDesc.bg_inode_bitmap_csum_hi)
    this.flags[group] = GroupDesc.bg_flags.get(view, at)
  }

  #checkChecksum({ view, bytes }: Medium, at: number, group: number, block: number): void {
    const { hasMetadataCsum, hasGroupCsum, checksumSeed, uuid, descSize } = this.#geometry
    if (!hasGroupCsum) return
    const expected = hasMetadataCsum
      ? groupDescChecksum(checksumSeed, group, bytes, at, descSize)
      : groupDescCrc16(uuid, group, bytes, at, descSize)
    const found = GroupDesc.bg_checksum.get(view, at)
    if (found === expected) return
    this.#doubtful[group] = 1
    this.badChecksums.push({ group, block, found, expected })
  }
}

import { CorruptError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { groupDescChecksum, groupDescCrc16 } from './checksum.js'
import { INCOMPAT, RO_COMPAT } from './features.js'
import { GroupDesc } from './group-descriptor.js'
import { descriptorBlock } from './group-layout.js'
import type { Volume } from './volume.js'

/** The block group descriptors: each field read and written in place, low and high halves joined here only. */
export class GroupTable {
  readonly #volume: Volume
  readonly #perBlock: number
  /** All descriptors stand behind the superblock. */
  readonly #plain: boolean

  constructor(volume: Volume) {
    this.#volume = volume
    this.#perBlock = Math.floor(volume.blockSize / volume.descSize)
    this.#plain = (volume.incompat & INCOMPAT.meta_bg) === 0
  }

  /** Block that holds the descriptor of `group`. Kernel docs: ext4, "Block Group Descriptors". */
  blockOf(group: number): number {
    return this.#plain
      ? this.#volume.superblockBlock + 1 + Math.floor(group / this.#perBlock)
      : descriptorBlock(this.#volume, group)
  }

  /** Where the descriptor of `group` begins in its block. */
  offsetOf(group: number): number {
    return (group % this.#perBlock) * this.#volume.descSize
  }

  /** The checked buffer of the descriptor; its fields stand at `at + offsetOf(group)`. */
  head(group: number): BufferHead {
    const head = this.#volume.cache.get(this.blockOf(group))
    if (!head.verified) this.#verify(head, group - (group % this.#perBlock))
    return head
  }

  /** The buffer with write access in `handle`, the descriptor's checksum to be renewed. */
  modify(handle: Handle, group: number): BufferHead {
    const head = this.head(group)
    handle.getWriteAccess(head)
    this.#volume.checksums.groupDesc(group)
    return head
  }

  blockBitmap(group: number): number {
    return this.#join32(group, GroupDesc.bg_block_bitmap_lo, GroupDesc.bg_block_bitmap_hi)
  }

  inodeBitmap(group: number): number {
    return this.#join32(group, GroupDesc.bg_inode_bitmap_lo, GroupDesc.bg_inode_bitmap_hi)
  }

  inodeTable(group: number): number {
    return this.#join32(group, GroupDesc.bg_inode_table_lo, GroupDesc.bg_inode_table_hi)
  }

  /** Free clusters, which are blocks without bigalloc. */
  freeBlocks(group: number): number {
    return this.#join16(group, GroupDesc.bg_free_blocks_count_lo, GroupDesc.bg_free_blocks_count_hi)
  }

  freeInodes(group: number): number {
    return this.#join16(group, GroupDesc.bg_free_inodes_count_lo, GroupDesc.bg_free_inodes_count_hi)
  }

  usedDirs(group: number): number {
    return this.#join16(group, GroupDesc.bg_used_dirs_count_lo, GroupDesc.bg_used_dirs_count_hi)
  }

  /** Inodes at the end of the table that were never used. Only meaningful with metadata_csum or uninit_bg. */
  itableUnused(group: number): number {
    return this.#join16(group, GroupDesc.bg_itable_unused_lo, GroupDesc.bg_itable_unused_hi)
  }

  flags(group: number): number {
    const head = this.head(group)
    return GroupDesc.bg_flags.get(head.view, head.at + this.offsetOf(group))
  }

  setFreeBlocks(handle: Handle, group: number, value: number): void {
    this.#split16(handle, group, GroupDesc.bg_free_blocks_count_lo, GroupDesc.bg_free_blocks_count_hi, value)
  }

  setFreeInodes(handle: Handle, group: number, value: number): void {
    this.#split16(handle, group, GroupDesc.bg_free_inodes_count_lo, GroupDesc.bg_free_inodes_count_hi, value)
  }

  setUsedDirs(handle: Handle, group: number, value: number): void {
    this.#split16(handle, group, GroupDesc.bg_used_dirs_count_lo, GroupDesc.bg_used_dirs_count_hi, value)
  }

  setItableUnused(handle: Handle, group: number, value: number): void {
    this.#split16(handle, group, GroupDesc.bg_itable_unused_lo, GroupDesc.bg_itable_unused_hi, value)
  }

  setFlags(handle: Handle, group: number, value: number): void {
    const head = this.modify(handle, group)
    GroupDesc.bg_flags.set(head.view, head.at + this.offsetOf(group), value)
  }

  /** Checksum of the bitmap as the descriptor has it: 32 bits, or 16 in a 32-byte descriptor. */
  blockBitmapChecksum(group: number): number {
    return this.#join16(group, GroupDesc.bg_block_bitmap_csum_lo, GroupDesc.bg_block_bitmap_csum_hi)
  }

  inodeBitmapChecksum(group: number): number {
    return this.#join16(group, GroupDesc.bg_inode_bitmap_csum_lo, GroupDesc.bg_inode_bitmap_csum_hi)
  }

  setBlockBitmapChecksum(handle: Handle, group: number, value: number): void {
    this.#split16(handle, group, GroupDesc.bg_block_bitmap_csum_lo, GroupDesc.bg_block_bitmap_csum_hi, value)
  }

  setInodeBitmapChecksum(handle: Handle, group: number, value: number): void {
    this.#split16(handle, group, GroupDesc.bg_inode_bitmap_csum_lo, GroupDesc.bg_inode_bitmap_csum_hi, value)
  }

  /** The bits of a bitmap checksum that a descriptor of this size can hold. */
  get bitmapChecksumMask(): number {
    return this.#volume.descSize >= 64 ? 0xffffffff : 0xffff
  }

  /** Computes bg_checksum of a descriptor at `at` in `bytes`; undefined when the file system has none. */
  checksum(group: number, bytes: Uint8Array, at: number): number | undefined {
    const volume = this.#volume
    if (volume.hasMetadataCsum)
      return groupDescChecksum(volume.checksumSeed, group, bytes, at, volume.descSize)
    if ((volume.roCompat & RO_COMPAT.uninit_bg) !== 0)
      return groupDescCrc16(volume.uuid, group, bytes, at, volume.descSize)
    return undefined
  }

  #verify(head: BufferHead, first: number): void {
    const last = Math.min(first + this.#perBlock, this.#volume.groupCount)
    for (let group = first; group < last; group++) {
      const at = head.at + this.offsetOf(group)
      const expected = this.checksum(group, head.bytes, at)
      const found = GroupDesc.bg_checksum.get(head.view, at)
      if (expected !== undefined && found !== expected && !this.#volume.isUnsummed) {
        const place = { structure: `ext4_group_desc ${group}`, block: head.block, field: 'bg_checksum' }
        throw new CorruptError({ ...place, found, expected }, 'EBADMSG')
      }
      this.#verifyPlaces(head, group, at)
    }
    head.verified = true
  }

  #verifyPlaces(head: BufferHead, group: number, at: number): void {
    const volume = this.#volume
    const tableBlocks = Math.ceil((volume.inodesPerGroup * volume.inodeSize) / volume.blockSize)
    const places = [
      ['bg_block_bitmap', GroupDesc.bg_block_bitmap_lo, GroupDesc.bg_block_bitmap_hi, 1],
      ['bg_inode_bitmap', GroupDesc.bg_inode_bitmap_lo, GroupDesc.bg_inode_bitmap_hi, 1],
      ['bg_inode_table', GroupDesc.bg_inode_table_lo, GroupDesc.bg_inode_table_hi, tableBlocks],
    ] as const
    for (const [field, low, high, count] of places) {
      const block =
        low.get(head.view, at) + (volume.descSize >= 64 ? high.get(head.view, at) * 0x1_0000_0000 : 0)
      if (!volume.isValidBlock(block) || !volume.isValidBlock(block + count - 1)) {
        throw new CorruptError({
          structure: `ext4_group_desc ${group}`,
          block: head.block,
          field,
          found: block,
          expected: `${volume.firstDataBlock + 1} to ${volume.blocksCount - count}`,
        })
      }
    }
  }

  #join32(
    group: number,
    low: typeof GroupDesc.bg_block_bitmap_lo,
    high: typeof GroupDesc.bg_block_bitmap_hi,
  ): number {
    const head = this.head(group)
    const at = head.at + this.offsetOf(group)
    return (
      low.get(head.view, at) + (this.#volume.descSize >= 64 ? high.get(head.view, at) * 0x1_0000_0000 : 0)
    )
  }

  #join16(group: number, low: typeof GroupDesc.bg_flags, high: typeof GroupDesc.bg_flags): number {
    const head = this.head(group)
    const at = head.at + this.offsetOf(group)
    return low.get(head.view, at) + (this.#volume.descSize >= 64 ? high.get(head.view, at) * 0x1_0000 : 0)
  }

  #split16(
    handle: Handle,
    group: number,
    low: typeof GroupDesc.bg_flags,
    high: typeof GroupDesc.bg_flags,
    value: number,
  ): void {
    const head = this.modify(handle, group)
    const at = head.at + this.offsetOf(group)
    low.set(head.view, at, value & 0xffff)
    if (this.#volume.descSize >= 64) high.set(head.view, at, value >>> 16)
  }
}

import { layout, le16, le32 } from '../../../lib/layout.js'

/**
 * struct ext4_group_desc, 32 bytes, or 64 with the 64bit feature (the fields from 0x20 on exist only then).
 * Kernel docs: ext4, "Block Group Descriptors". Little-endian.
 */
export const GroupDesc = layout('ext4_group_desc', 64, {
  bg_block_bitmap_lo: le32(0x0),
  bg_inode_bitmap_lo: le32(0x4),
  bg_inode_table_lo: le32(0x8),
  bg_free_blocks_count_lo: le16(0xc),
  bg_free_inodes_count_lo: le16(0xe),
  bg_used_dirs_count_lo: le16(0x10),
  bg_flags: le16(0x12),
  bg_exclude_bitmap_lo: le32(0x14),
  bg_block_bitmap_csum_lo: le16(0x18),
  bg_inode_bitmap_csum_lo: le16(0x1a),
  bg_itable_unused_lo: le16(0x1c),
  bg_checksum: le16(0x1e),
  bg_block_bitmap_hi: le32(0x20),
  bg_inode_bitmap_hi: le32(0x24),
  bg_inode_table_hi: le32(0x28),
  bg_free_blocks_count_hi: le16(0x2c),
  bg_free_inodes_count_hi: le16(0x2e),
  bg_used_dirs_count_hi: le16(0x30),
  bg_itable_unused_hi: le16(0x32),
  bg_exclude_bitmap_hi: le32(0x34),
  bg_block_bitmap_csum_hi: le16(0x38),
  bg_inode_bitmap_csum_hi: le16(0x3a),
})

/** bg_flags */
export const INODE_UNINIT = 1
export const BLOCK_UNINIT = 2
export const INODE_ZEROED = 4

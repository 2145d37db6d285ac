import { layout, le16, le32 } from '../../../lib/layout.js'

/** struct ext4_extent_header. Kernel docs: ext4, "Extent Tree". Little-endian. */
export const ExtentHeader = layout('ext4_extent_header', 12, {
  eh_magic: le16(0x0),
  eh_entries: le16(0x2),
  eh_max: le16(0x4),
  eh_depth: le16(0x6),
  eh_generation: le32(0x8),
})

/** struct ext4_extent, a leaf entry. */
export const Extent = layout('ext4_extent', 12, {
  ee_block: le32(0x0),
  ee_len: le16(0x4),
  ee_start_hi: le16(0x6),
  ee_start_lo: le32(0x8),
})

/** struct ext4_extent_idx, an entry of an inner node. */
export const ExtentIdx = layout('ext4_extent_idx', 12, {
  ei_block: le32(0x0),
  ei_leaf_lo: le32(0x4),
  ei_leaf_hi: le16(0x8),
  ei_unused: le16(0xa),
})

export const EXTENT_MAGIC = 0xf30a
/** Bytes of a header and of each entry. */
export const ENTRY_SIZE = 12
/** Entries of the root in i_block. */
export const ROOT_ENTRIES = 4
/** Deepest tree the format can need: 4 * (340^4) leaf entries of 4 KiB blocks exceed 2^32 logical blocks. */
export const MAX_DEPTH = 5
/** Blocks of the longest written extent; ee_len above it means an unwritten one of ee_len - 32768. */
export const MAX_WRITTEN_LENGTH = 32768
export const MAX_UNWRITTEN_LENGTH = 32767
/** Last logical block number that a file can have. */
export const MAX_LOGICAL_BLOCK = 0xfffffffe

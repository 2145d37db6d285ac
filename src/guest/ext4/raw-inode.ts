import { bytes, layout, le16, le32 } from '../../../lib/layout.js'

/**
 * struct ext4_inode. The first 128 bytes always exist; those behind as far as i_extra_isize says.
 * Kernel docs: ext4, "Inode Table". Little-endian.
 */
export const RawInode = layout('ext4_inode', 160, {
  i_mode: le16(0x0),
  i_uid: le16(0x2),
  i_size_lo: le32(0x4),
  i_atime: le32(0x8),
  i_ctime: le32(0xc),
  i_mtime: le32(0x10),
  i_dtime: le32(0x14),
  i_gid: le16(0x18),
  i_links_count: le16(0x1a),
  i_blocks_lo: le32(0x1c),
  i_flags: le32(0x20),
  l_i_version: le32(0x24),
  i_block: bytes(0x28, 60),
  i_generation: le32(0x64),
  i_file_acl_lo: le32(0x68),
  i_size_high: le32(0x6c),
  i_obso_faddr: le32(0x70),
  l_i_blocks_high: le16(0x74),
  l_i_file_acl_high: le16(0x76),
  l_i_uid_high: le16(0x78),
  l_i_gid_high: le16(0x7a),
  l_i_checksum_lo: le16(0x7c),
  l_i_reserved: le16(0x7e),
  i_extra_isize: le16(0x80),
  i_checksum_hi: le16(0x82),
  i_ctime_extra: le32(0x84),
  i_mtime_extra: le32(0x88),
  i_atime_extra: le32(0x8c),
  i_crtime: le32(0x90),
  i_crtime_extra: le32(0x94),
  i_version_hi: le32(0x98),
  i_projid: le32(0x9c),
})

/** Size of the part that every inode has, bytes. */
export const GOOD_OLD_INODE_SIZE = 128

/** i_flags */
export const SYNC_FL = 0x8
export const IMMUTABLE_FL = 0x10
export const APPEND_FL = 0x20
export const NOATIME_FL = 0x80
export const INDEX_FL = 0x1000
export const JOURNAL_DATA_FL = 0x4000
export const DIRSYNC_FL = 0x10000
export const HUGE_FILE_FL = 0x40000
export const EXTENTS_FL = 0x80000
export const VERITY_FL = 0x100000
export const EA_INODE_FL = 0x200000
export const DAX_FL = 0x2000000
export const INLINE_DATA_FL = 0x10000000

import { bytes, layout, le16, le32, le64, u8 } from '../../../lib/layout.js'

/** struct ext4_super_block, at byte 1024 of the device. Kernel docs: ext4, "The Super Block". Little-endian. */
export const SuperBlock = layout('ext4_super_block', 1024, {
  s_inodes_count: le32(0x0),
  s_blocks_count_lo: le32(0x4),
  s_r_blocks_count_lo: le32(0x8),
  s_free_blocks_count_lo: le32(0xc),
  s_free_inodes_count: le32(0x10),
  s_first_data_block: le32(0x14),
  s_log_block_size: le32(0x18),
  s_log_cluster_size: le32(0x1c),
  s_blocks_per_group: le32(0x20),
  s_clusters_per_group: le32(0x24),
  s_inodes_per_group: le32(0x28),
  s_mtime: le32(0x2c),
  s_wtime: le32(0x30),
  s_mnt_count: le16(0x34),
  s_max_mnt_count: le16(0x36),
  s_magic: le16(0x38),
  s_state: le16(0x3a),
  s_errors: le16(0x3c),
  s_minor_rev_level: le16(0x3e),
  s_lastcheck: le32(0x40),
  s_checkinterval: le32(0x44),
  s_creator_os: le32(0x48),
  s_rev_level: le32(0x4c),
  s_def_resuid: le16(0x50),
  s_def_resgid: le16(0x52),
  s_first_ino: le32(0x54),
  s_inode_size: le16(0x58),
  s_block_group_nr: le16(0x5a),
  s_feature_compat: le32(0x5c),
  s_feature_incompat: le32(0x60),
  s_feature_ro_compat: le32(0x64),
  s_uuid: bytes(0x68, 16),
  s_volume_name: bytes(0x78, 16),
  s_last_mounted: bytes(0x88, 64),
  s_algorithm_usage_bitmap: le32(0xc8),
  s_prealloc_blocks: u8(0xcc),
  s_prealloc_dir_blocks: u8(0xcd),
  s_reserved_gdt_blocks: le16(0xce),
  s_journal_uuid: bytes(0xd0, 16),
  s_journal_inum: le32(0xe0),
  s_journal_dev: le32(0xe4),
  s_last_orphan: le32(0xe8),
  s_hash_seed: bytes(0xec, 16),
  s_def_hash_version: u8(0xfc),
  s_jnl_backup_type: u8(0xfd),
  s_desc_size: le16(0xfe),
  s_default_mount_opts: le32(0x100),
  s_first_meta_bg: le32(0x104),
  s_mkfs_time: le32(0x108),
  s_jnl_blocks: bytes(0x10c, 68),
  s_blocks_count_hi: le32(0x150),
  s_r_blocks_count_hi: le32(0x154),
  s_free_blocks_count_hi: le32(0x158),
  s_min_extra_isize: le16(0x15c),
  s_want_extra_isize: le16(0x15e),
  s_flags: le32(0x160),
  s_raid_stride: le16(0x164),
  s_mmp_update_interval: le16(0x166),
  s_mmp_block: le64(0x168),
  s_raid_stripe_width: le32(0x170),
  s_log_groups_per_flex: u8(0x174),
  s_checksum_type: u8(0x175),
  s_encryption_level: u8(0x176),
  s_reserved_pad: u8(0x177),
  s_kbytes_written: le64(0x178),
  s_snapshot_inum: le32(0x180),
  s_snapshot_id: le32(0x184),
  s_snapshot_r_blocks_count: le64(0x188),
  s_snapshot_list: le32(0x190),
  s_error_count: le32(0x194),
  s_first_error_time: le32(0x198),
  s_first_error_ino: le32(0x19c),
  s_first_error_block: le64(0x1a0),
  s_first_error_func: bytes(0x1a8, 32),
  s_first_error_line: le32(0x1c8),
  s_last_error_time: le32(0x1cc),
  s_last_error_ino: le32(0x1d0),
  s_last_error_line: le32(0x1d4),
  s_last_error_block: le64(0x1d8),
  s_last_error_func: bytes(0x1e0, 32),
  s_mount_opts: bytes(0x200, 64),
  s_usr_quota_inum: le32(0x240),
  s_grp_quota_inum: le32(0x244),
  s_overhead_clusters: le32(0x248),
  s_backup_bgs: bytes(0x24c, 8),
  s_encrypt_algos: bytes(0x254, 4),
  s_encrypt_pw_salt: bytes(0x258, 16),
  s_lpf_ino: le32(0x268),
  s_prj_quota_inum: le32(0x26c),
  s_checksum_seed: le32(0x270),
  s_wtime_hi: u8(0x274),
  s_mtime_hi: u8(0x275),
  s_mkfs_time_hi: u8(0x276),
  s_lastcheck_hi: u8(0x277),
  s_first_error_time_hi: u8(0x278),
  s_last_error_time_hi: u8(0x279),
  s_first_error_errcode: u8(0x27a),
  s_last_error_errcode: u8(0x27b),
  s_encoding: le16(0x27c),
  s_encoding_flags: le16(0x27e),
  s_orphan_file_inum: le32(0x280),
  s_checksum: le32(0x3fc),
})

export const SUPERBLOCK_OFFSET = 1024
export const EXT4_MAGIC = 0xef53

/** s_state */
export const VALID_FS = 1
export const ERROR_FS = 2
export const ORPHAN_FS = 4

/** s_errors, the behaviour when errors are detected. */
export const ERRORS_CONTINUE = 1
export const ERRORS_RO = 2
export const ERRORS_PANIC = 3

/** s_flags */
export const FLAG_SIGNED_HASH = 1
export const FLAG_UNSIGNED_HASH = 2

/** Reserved inode numbers. Kernel docs: ext4, "Special inodes". */
export const ROOT_INO = 2
export const RESIZE_INO = 7
export const JOURNAL_INO = 8
export const FIRST_INO = 11

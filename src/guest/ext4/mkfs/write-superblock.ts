import { superblockChecksum } from '../checksum.js'
import { COMPAT, INCOMPAT, RO_COMPAT } from '../features.js'
import {
  ERRORS_CONTINUE,
  EXT4_MAGIC,
  FIRST_INO,
  FLAG_SIGNED_HASH,
  JOURNAL_INO,
  SUPERBLOCK_OFFSET,
  SuperBlock,
  VALID_FS,
} from '../superblock.js'
import { DESC_SIZE, firstBlockOfGroup, INODE_SIZE, LOG_GROUPS_PER_FLEX, superblockZone } from './geometry.js'
import type { ImageWriter } from './image-writer.js'
import { backupGroups } from './resize-inode.js'
import type { FreeCounts } from './write-groups.js'
import { count, EXTRA_ISIZE, journalBackup, ORPHAN_FILE_INO } from './write-inodes.js'

/** s_default_mount_opts: user_xattr and acl. */
const DEFAULT_MOUNT_OPTIONS = 0x4 | 0x8
/** s_def_hash_version: half MD4. */
const HASH_HALF_MD4 = 1
/** s_checksum_type: CRC-32C, the only one. */
const CRC32C = 1
/** s_jnl_backup_type: s_jnl_blocks holds the journal inode's i_block and size. */
const BACKUP_BLOCKS = 1
const DYNAMIC_REVISION = 1
const NO_LIMIT = 0xffff

/** Writes the backups, then the superblock itself: only with it is there a file system. */
export function writeSuperblocks(writer: ImageWriter, free: FreeCounts): void {
  const { geometry } = writer
  const bytes = new Uint8Array(SuperBlock.SIZE)
  const view = new DataView(bytes.buffer)
  fillGeometry(writer, view, free)
  fillPolicy(writer, view)
  fillFeatures(writer, view)
  for (const group of backupGroups(geometry)) {
    SuperBlock.s_block_group_nr.set(view, 0, group)
    SuperBlock.s_checksum.set(view, 0, superblockChecksum(bytes, 0))
    writer.write(firstBlockOfGroup(geometry, group), bytes)
  }
  // A backup is never marked valid: who has to use one must check the file system.
  SuperBlock.s_state.set(view, 0, VALID_FS)
  SuperBlock.s_block_group_nr.set(view, 0, 0)
  SuperBlock.s_checksum.set(view, 0, superblockChecksum(bytes, 0))
  writer.writeAt(SUPERBLOCK_OFFSET, bytes)
}

function fillGeometry(writer: ImageWriter, view: DataView, free: FreeCounts): void {
  const { geometry, identity } = writer
  const logBlockSize = Math.log2(geometry.blockSize / 1024)
  SuperBlock.s_inodes_count.set(view, 0, geometry.inodesCount)
  SuperBlock.s_blocks_count_lo.set(view, 0, geometry.blocksCount)
  SuperBlock.s_r_blocks_count_lo.set(view, 0, identity.reservedBlocks)
  SuperBlock.s_free_blocks_count_lo.set(view, 0, free.blocks)
  SuperBlock.s_free_inodes_count.set(view, 0, free.inodes)
  SuperBlock.s_first_data_block.set(view, 0, geometry.firstDataBlock)
  SuperBlock.s_log_block_size.set(view, 0, logBlockSize)
  SuperBlock.s_log_cluster_size.set(view, 0, logBlockSize)
  SuperBlock.s_blocks_per_group.set(view, 0, geometry.blocksPerGroup)
  SuperBlock.s_clusters_per_group.set(view, 0, geometry.blocksPerGroup)
  SuperBlock.s_inodes_per_group.set(view, 0, geometry.inodesPerGroup)
  SuperBlock.s_reserved_gdt_blocks.set(view, 0, geometry.reservedGdtBlocks)
  SuperBlock.s_first_ino.set(view, 0, FIRST_INO)
  SuperBlock.s_inode_size.set(view, 0, INODE_SIZE)
  SuperBlock.s_desc_size.set(view, 0, DESC_SIZE)
  SuperBlock.s_log_groups_per_flex.set(view, 0, LOG_GROUPS_PER_FLEX)
  SuperBlock.s_overhead_clusters.set(view, 0, overhead(writer))
}

/** Blocks that are no file's but the journal's: what df does not count. */
function overhead({ geometry, placement }: ImageWriter): number {
  const superblocks = [0, ...backupGroups(geometry)].reduce(
    (sum, group) => sum + superblockZone(geometry, group),
    0,
  )
  const groups = geometry.groupCount * (2 + geometry.inodeTableBlocks)
  return geometry.firstDataBlock + superblocks + groups + count(placement.journal)
}

function fillPolicy(writer: ImageWriter, view: DataView): void {
  const { identity } = writer
  const seconds = identity.now.sec >>> 0
  const high = Math.floor(identity.now.sec / 0x1_0000_0000) & 0xff
  SuperBlock.s_magic.set(view, 0, EXT4_MAGIC)
  SuperBlock.s_rev_level.set(view, 0, DYNAMIC_REVISION)
  SuperBlock.s_max_mnt_count.set(view, 0, NO_LIMIT)
  SuperBlock.s_errors.set(view, 0, ERRORS_CONTINUE)
  SuperBlock.s_wtime.set(view, 0, seconds)
  SuperBlock.s_wtime_hi.set(view, 0, high)
  SuperBlock.s_lastcheck.set(view, 0, seconds)
  SuperBlock.s_lastcheck_hi.set(view, 0, high)
  SuperBlock.s_mkfs_time.set(view, 0, seconds)
  SuperBlock.s_mkfs_time_hi.set(view, 0, high)
  SuperBlock.s_uuid.set(view, 0, identity.uuid)
  SuperBlock.s_volume_name.set(view, 0, Buffer.from(identity.label))
  SuperBlock.s_hash_seed.set(view, 0, identity.hashSeed)
  SuperBlock.s_def_hash_version.set(view, 0, HASH_HALF_MD4)
  SuperBlock.s_flags.set(view, 0, FLAG_SIGNED_HASH)
  SuperBlock.s_default_mount_opts.set(view, 0, DEFAULT_MOUNT_OPTIONS)
  SuperBlock.s_min_extra_isize.set(view, 0, EXTRA_ISIZE)
  SuperBlock.s_want_extra_isize.set(view, 0, EXTRA_ISIZE)
  SuperBlock.s_checksum_type.set(view, 0, CRC32C)
  SuperBlock.s_checksum_seed.set(view, 0, writer.checksumSeed)
}

function fillFeatures(writer: ImageWriter, view: DataView): void {
  const { placement } = writer
  let compat = COMPAT.ext_attr | COMPAT.resize_inode | COMPAT.dir_index
  if (placement.journal.length > 0) {
    compat |= COMPAT.has_journal
    SuperBlock.s_journal_inum.set(view, 0, JOURNAL_INO)
    SuperBlock.s_jnl_backup_type.set(view, 0, BACKUP_BLOCKS)
    SuperBlock.s_jnl_blocks.set(view, 0, journalBackup(writer))
  }
  if (placement.orphanFile.length > 0) {
    compat |= COMPAT.orphan_file
    SuperBlock.s_orphan_file_inum.set(view, 0, ORPHAN_FILE_INO)
  }
  SuperBlock.s_feature_compat.set(view, 0, compat)
  SuperBlock.s_feature_incompat.set(
    view,
    0,
    INCOMPAT.filetype | INCOMPAT.extent | INCOMPAT['64bit'] | INCOMPAT.flex_bg | INCOMPAT.metadata_csum_seed,
  )
  SuperBlock.s_feature_ro_compat.set(
    view,
    0,
    RO_COMPAT.sparse_super |
      RO_COMPAT.large_file |
      RO_COMPAT.huge_file |
      RO_COMPAT.dir_nlink |
      RO_COMPAT.extra_isize |
      RO_COMPAT.metadata_csum,
  )
}

import { uuidSeed } from '../checksum.js'
import { INCOMPAT, RO_COMPAT } from '../features.js'
import { type GroupLayout, readBackupGroups } from '../group-layout.js'
import { GOOD_OLD_INODE_SIZE } from '../raw-inode.js'
import { SuperBlock } from '../superblock.js'

/** What the superblock says of the file system's shape. */
export interface FsGeometry extends GroupLayout {
  readonly compat: number
  readonly incompat: number
  readonly roCompat: number
  readonly blockSize: number
  readonly blocksCount: number
  readonly firstDataBlock: number
  readonly blocksPerGroup: number
  /** Blocks of one cluster, the unit that bitmaps and counts of groups have: 1 without bigalloc. */
  readonly clusterRatio: number
  readonly clustersPerGroup: number
  readonly groupCount: number
  readonly descSize: number
  readonly descBlocks: number
  readonly reservedGdtBlocks: number
  readonly inodesCount: number
  readonly inodesPerGroup: number
  readonly inodeSize: number
  readonly firstIno: number
  readonly inodeTableBlocks: number
  readonly hasMetadataCsum: boolean
  /** Descriptors have checksums, and their UNINIT flags and bg_itable_unused count. */
  readonly hasGroupCsum: boolean
  readonly checksumSeed: number
  /** s_mmp_block, 0 without the feature mmp. */
  readonly mmpBlock: number
  readonly uuid: Uint8Array
  readonly firstMetaBg: number
  readonly backupGroups: readonly [number, number]
}

/** A field that cannot be. */
export interface BadField {
  readonly field: string
  readonly found: number
  readonly expected: string
}

/** Reads the geometry at `at`; a {@link BadField} when it contradicts itself or the device of `deviceBytes`. */
export function readGeometry(view: DataView, at: number, deviceBytes: number): FsGeometry | BadField {
  const compat = SuperBlock.s_feature_compat.get(view, at)
  const incompat = SuperBlock.s_feature_incompat.get(view, at)
  const roCompat = SuperBlock.s_feature_ro_compat.get(view, at)
  const is64 = (incompat & INCOMPAT['64bit']) !== 0
  const revision = SuperBlock.s_rev_level.get(view, at)
  if (revision > 1) return { field: 's_rev_level', found: revision, expected: '0 or 1' }
  const logBlockSize = SuperBlock.s_log_block_size.get(view, at)
  if (logBlockSize > 2) return { field: 's_log_block_size', found: logBlockSize, expected: '0 to 2' }
  const blockSize = 1024 << logBlockSize
  const blocksCount =
    SuperBlock.s_blocks_count_lo.get(view, at) +
    (is64 ? SuperBlock.s_blocks_count_hi.get(view, at) * 0x1_0000_0000 : 0)
  const firstDataBlock = SuperBlock.s_first_data_block.get(view, at)
  const blocksPerGroup = SuperBlock.s_blocks_per_group.get(view, at)
  const hasClusters = (roCompat & RO_COMPAT.bigalloc) !== 0
  const clustersPerGroup = SuperBlock.s_clusters_per_group.get(view, at)
  const logRatio = SuperBlock.s_log_cluster_size.get(view, at) - logBlockSize
  const clusterRatio = 2 ** logRatio
  const inodesPerGroup = SuperBlock.s_inodes_per_group.get(view, at)
  const dynamic = revision > 0
  const inodeSize = dynamic ? SuperBlock.s_inode_size.get(view, at) : GOOD_OLD_INODE_SIZE
  const descSize = is64 ? SuperBlock.s_desc_size.get(view, at) : 32
  const groupCount = Math.ceil((blocksCount - firstDataBlock) / blocksPerGroup)
  const inodesCount = SuperBlock.s_inodes_count.get(view, at)
  const descBlocks = Math.ceil(groupCount / (blockSize / descSize))
  const logFlex = SuperBlock.s_log_groups_per_flex.get(view, at)
  const hasMetaBg = (incompat & INCOMPAT.meta_bg) !== 0
  const firstMetaBg = hasMetaBg ? SuperBlock.s_first_meta_bg.get(view, at) : 0
  const most = Math.min(Math.floor(deviceBytes / blockSize), 0xffffffff)
  const rules: [string, number, boolean, string][] = [
    [
      's_first_data_block',
      firstDataBlock,
      firstDataBlock === (blockSize === 1024 && !hasClusters ? 1 : 0),
      '1 with blocks of 1 KiB and no clusters, else 0',
    ],
    ['s_blocks_count', blocksCount, blocksCount > firstDataBlock && blocksCount <= most, `at most ${most}`],
    [
      's_log_cluster_size',
      logRatio + logBlockSize,
      hasClusters ? logRatio >= 0 && logRatio < 20 : logRatio === 0,
      hasClusters ? `${logBlockSize} or more` : `${logBlockSize}`,
    ],
    [
      's_clusters_per_group',
      clustersPerGroup,
      isOctets(clustersPerGroup, blockSize),
      `a multiple of 8 to ${blockSize * 8}`,
    ],
    [
      's_blocks_per_group',
      blocksPerGroup,
      blocksPerGroup === clustersPerGroup * clusterRatio,
      `${clustersPerGroup * clusterRatio}`,
    ],
    ['s_blocks_count', blocksCount, blocksCount % clusterRatio === 0, `a multiple of ${clusterRatio}`],
    [
      's_inodes_per_group',
      inodesPerGroup,
      isOctets(inodesPerGroup, blockSize),
      `a multiple of 8 to ${blockSize * 8}`,
    ],
    [
      's_inode_size',
      inodeSize,
      isPower(inodeSize, GOOD_OLD_INODE_SIZE, blockSize),
      'a power of two from 128 on',
    ],
    ['s_desc_size', descSize, isPower(descSize, is64 ? 64 : 32, blockSize), 'a power of two from 32 on'],
    ['s_log_groups_per_flex', logFlex, logFlex < 32, 'at most 31'],
    ['s_first_meta_bg', firstMetaBg, firstMetaBg <= descBlocks, `at most ${descBlocks}`],
    [
      's_inodes_count',
      inodesCount,
      inodesCount === groupCount * inodesPerGroup,
      `${groupCount * inodesPerGroup}`,
    ],
  ]
  for (const [field, found, good, expected] of rules) {
    if (!good) return { field, found, expected }
  }
  const uuid = SuperBlock.s_uuid.get(view, at)
  const hasMetadataCsum = (roCompat & RO_COMPAT.metadata_csum) !== 0
  const hasSeed = (incompat & INCOMPAT.metadata_csum_seed) !== 0
  return {
    compat,
    incompat,
    roCompat,
    blockSize,
    blocksCount,
    firstDataBlock,
    blocksPerGroup,
    clusterRatio,
    clustersPerGroup,
    groupCount,
    descSize,
    descBlocks,
    reservedGdtBlocks: SuperBlock.s_reserved_gdt_blocks.get(view, at),
    inodesCount,
    inodesPerGroup,
    inodeSize,
    firstIno: dynamic ? SuperBlock.s_first_ino.get(view, at) : 11,
    inodeTableBlocks: Math.ceil((inodesPerGroup * inodeSize) / blockSize),
    hasMetadataCsum,
    hasGroupCsum: hasMetadataCsum || (roCompat & RO_COMPAT.uninit_bg) !== 0,
    checksumSeed: hasSeed ? SuperBlock.s_checksum_seed.get(view, at) : hasMetadataCsum ? uuidSeed(uuid) : 0,
    uuid,
    firstMetaBg,
    mmpBlock: (incompat & INCOMPAT.mmp) !== 0 ? SuperBlock.s_mmp_block.get(view, at) : 0,
    backupGroups: readBackupGroups(view, at),
  }
}

export function firstBlockOfGroup(geometry: FsGeometry, group: number): number {
  return geometry.firstDataBlock + group * geometry.blocksPerGroup
}

export function blocksInGroup(geometry: FsGeometry, group: number): number {
  return Math.min(geometry.blocksPerGroup, geometry.blocksCount - firstBlockOfGroup(geometry, group))
}

export function clustersInGroup(geometry: FsGeometry, group: number): number {
  return blocksInGroup(geometry, group) / geometry.clusterRatio
}

function isOctets(count: number, blockSize: number): boolean {
  return count >= 8 && count % 8 === 0 && count <= blockSize * 8
}

function isPower(value: number, least: number, most: number): boolean {
  return value >= least && value <= most && (value & (value - 1)) === 0
}

import type { StatFs } from '../vfs/attributes.js'
import { COMPAT } from './features.js'
import { superAndDescriptorBlocks } from './group-layout.js'
import { Inode } from './inode.js'
import { inheritsProject } from './inode-flags.js'
import { JOURNAL_INO, SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** Blocks of the clusters that never hold files: superblocks, descriptors, bitmaps, inode tables, journal. */
export function overheadBlocks(volume: Volume): number {
  const head = volume.superblock
  const at = head.at + volume.superblockOffset
  const stated = SuperBlock.s_overhead_clusters.get(head.view, at)
  if (stated !== 0) return stated * volume.clusterRatio
  const table = Math.ceil((volume.inodesPerGroup * volume.inodeSize) / volume.blockSize)
  let overhead = volume.firstDataBlock + volume.groupCount * (2 + table)
  for (let group = 0; group < volume.groupCount; group++) overhead += superAndDescriptorBlocks(volume, group)
  if ((volume.compat & COMPAT.has_journal) !== 0)
    overhead += Math.ceil(new Inode(volume, JOURNAL_INO).size / volume.blockSize)
  return overhead
}

/** In a directory whose project has limits that count, these are the size and what they leave is free, as in Linux. */
function limitToProject(whole: StatFs, inode: Inode): StatFs {
  const limits = inheritsProject(inode) ? inode.volume.quotas?.projectLimits(inode.projectId) : undefined
  if (limits === undefined) return whole
  const { space, spaceUsed, inodes, inodesUsed } = limits
  const found = { ...whole }
  const blocks = Math.floor(space / whole.blockSize)
  if (blocks > 0) {
    const left = Math.max(0, blocks - Math.floor(spaceUsed / whole.blockSize))
    found.blocks = Math.min(whole.blocks, blocks)
    found.blocksFree = Math.min(whole.blocksFree, left)
    found.blocksAvailable = Math.min(whole.blocksAvailable, left)
  }
  if (inodes > 0) {
    found.files = Math.min(whole.files, inodes)
    found.filesFree = Math.min(whole.filesFree, Math.max(0, inodes - inodesUsed))
  }
  return found
}

/** As seen from an inode. */
export function statfs(inode: Inode, overhead: number): StatFs {
  const whole = statfsOf(inode.volume, overhead)
  return inode.volume.quotas === undefined ? whole : limitToProject(whole, inode)
}

function statfsOf(volume: Volume, overhead: number): StatFs {
  const head = volume.superblock
  const at = head.at + volume.superblockOffset
  const reserved =
    SuperBlock.s_r_blocks_count_lo.get(head.view, at) +
    SuperBlock.s_r_blocks_count_hi.get(head.view, at) * 0x1_0000_0000
  const blocksFree = volume.blockAllocator.freeCount
  return {
    blockSize: volume.blockSize,
    blocks: volume.blocksCount - overhead,
    blocksFree,
    blocksAvailable: Math.max(0, blocksFree - reserved),
    files: volume.inodesCount,
    filesFree: volume.inodeAllocator.freeCount,
    nameMax: 255,
  }
}

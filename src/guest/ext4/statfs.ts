import type { StatFs } from '../vfs/attributes.js'
import { COMPAT } from './features.js'
import { superAndDescriptorBlocks } from './group-layout.js'
import { Inode } from './inode.js'
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

export function statfs(volume: Volume, overhead: number): StatFs {
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

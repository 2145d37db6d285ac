import type { Handle } from '../jbd2/handle.js'
import { MAX_LOGICAL_BLOCK } from './extent.js'
import { findMapping, makeWay } from './file-map.js'
import type { Inode } from './inode.js'
import type { Mapping } from './mapping.js'

/**
 * Gives blocks to files and takes them back. With bigalloc whole clusters: a block stands at the same place in its
 * cluster as its logical number says, and a cluster of which the file maps one block already is its own. Without it a
 * cluster is a block. Kernel docs: ext4, "Bigalloc".
 */

/**
 * Blocks for the beginning of `hole`, `wanted` at most. They are not in the map yet, but counted in i_blocks. Throws
 * ENOSPC and EDQUOT.
 */
export function takeBlocks(handle: Handle, inode: Inode, hole: Mapping, wanted: number): Mapping {
  const { volume } = inode
  const { logical } = hole
  const count = Math.min(hole.length, wanted, makeWay(handle, inode, logical))
  let physical: number
  let length: number
  if (volume.clusterRatio === 1) {
    const run = volume.blockAllocator.allocate(
      handle,
      goalFor(inode, logical),
      withinQuota(inode, logical, count),
    )
    physical = run.start
    length = run.count
  } else {
    const owned = ownedCluster(inode, hole)
    const skip = logical % volume.clusterRatio
    if (owned !== 0) {
      const rest = Math.min(count, volume.clusterRatio - skip)
      inode.goal = owned + skip + rest
      return { logical, physical: owned + skip, length: rest, unwritten: false }
    }
    const part = withinQuota(inode, logical, beforeOwnedCluster(hole, count, volume.clusterRatio))
    const run = volume.blockAllocator.allocate(handle, goalFor(inode, logical), skip + part, {
      least: skip + 1,
    })
    physical = run.start + skip
    length = run.count - skip
  }
  inode.goal = physical + length
  inode.modifyData(handle)
  inode.addBlocks(handle, clusterCount(logical, length, volume.clusterRatio) * volume.clusterSectors)
  return { logical, physical, length, unwritten: false }
}

/**
 * Of `count` blocks in clusters that are not the file's yet, those that quotas allow: one at least, whose charge is
 * refused then.
 */
function withinQuota(inode: Inode, logical: number, count: number): number {
  const { quotas, clusterRatio, clusterSectors } = inode.volume
  if (quotas === undefined) return count
  const clusters = Math.floor(quotas.allowance(inode) / (clusterSectors * 512))
  return Math.max(1, Math.min(count, clusters * clusterRatio - (logical % clusterRatio)))
}

/** Where the next block of the file is wanted: behind its last one, or at the start of its inode's group. */
function goalFor(inode: Inode, logical: number): number {
  if (inode.goal !== 0) return inode.goal
  const { volume } = inode
  if (logical > 0) {
    const before = findMapping(inode, logical - 1)
    if (before.physical !== 0) return before.physical + 1
  }
  return volume.firstBlockOfGroup(volume.groupOfInode(inode.ino))
}

/**
 * Frees blocks that were just unmapped, but for the clusters of which the file maps other blocks still.
 * `metadata`: they held metadata (a directory) and are revoked.
 */
export function returnBlocks(handle: Handle, inode: Inode, removed: Mapping, metadata: boolean): void {
  const { volume } = inode
  const { clusterRatio } = volume
  if (metadata) {
    for (let block = 0; block < removed.length; block++)
      volume.checksums.forget(handle, removed.physical + block)
  }
  inode.modifyData(handle)
  if (clusterRatio === 1) {
    volume.blockAllocator.free(handle, removed.physical, removed.length, { metadata })
    inode.addBlocks(handle, -removed.length * volume.clusterSectors)
    return
  }
  if (metadata) for (let block = 0; block < removed.length; block++) handle.forget(removed.physical + block)
  const { logical, length } = removed
  const last = logical + length
  let from = Math.floor(logical / clusterRatio) * clusterRatio
  let to = Math.ceil(last / clusterRatio) * clusterRatio
  const tail = to - clusterRatio
  if (maps(inode, from, logical) || maps(inode, last, Math.min(to, from + clusterRatio))) from += clusterRatio
  if (tail >= from && maps(inode, last, to)) to -= clusterRatio
  if (from >= to) return
  const shift = removed.physical - logical
  volume.blockAllocator.free(handle, from + shift, to - from)
  inode.addBlocks(handle, -((to - from) / clusterRatio) * volume.clusterSectors)
}

/** Clusters that the logical blocks lie in. */
function clusterCount(logical: number, length: number, ratio: number): number {
  return Math.ceil((logical + length) / ratio) - Math.floor(logical / ratio)
}

/** First block of the cluster that the file owns already at the beginning of the hole; 0: none. */
function ownedCluster(inode: Inode, { logical, length }: Mapping): number {
  const { clusterRatio } = inode.volume
  const first = Math.floor(logical / clusterRatio) * clusterRatio
  const behind = logical + length
  const mapped =
    firstMapped(inode, first, logical) ?? firstMapped(inode, behind, Math.max(behind, first + clusterRatio))
  return mapped === undefined ? 0 : mapped.physical - (mapped.logical - first)
}

/** The blocks of the hole's beginning, `count` at most, that end before the cluster of the blocks behind the hole. */
function beforeOwnedCluster({ logical, length }: Mapping, count: number, ratio: number): number {
  const behind = logical + length
  if (behind > MAX_LOGICAL_BLOCK) return count
  const owned = Math.floor(behind / ratio) * ratio
  return Math.min(count, owned - logical > 0 ? owned - logical : count)
}

/** Whether any of the logical blocks [from, to) is mapped. */
function maps(inode: Inode, from: number, to: number): boolean {
  return firstMapped(inode, from, to) !== undefined
}

function firstMapped(inode: Inode, from: number, to: number): Mapping | undefined {
  for (let logical = from; logical < to; ) {
    const mapping = findMapping(inode, logical)
    if (mapping.physical !== 0) return mapping
    logical += mapping.length
  }
  return undefined
}

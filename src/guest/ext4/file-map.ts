import type { Handle } from '../jbd2/handle.js'
import { S_IFLNK, S_IFMT } from '../vfs/attributes.js'
import { MAX_LOGICAL_BLOCK, MAX_WRITTEN_LENGTH } from './extent.js'
import { ExtentNode } from './extent-node.js'
import { findExtent, insertExtent, removeLastExtent } from './extent-tree.js'
import { INCOMPAT } from './features.js'
import { findIndirect, insertIndirect, makeIndirectWay, removeLastIndirect } from './indirect-map.js'
import type { Inode } from './inode.js'
import type { Mapping } from './mapping.js'
import { EXTENTS_FL, INLINE_DATA_FL, RawInode } from './raw-inode.js'

/**
 * Which blocks of the disk hold which blocks of a file, by the kind of map that the inode has: an extent tree, or the
 * indirect blocks of ext2 and ext3. A file whose content stands in the inode has neither.
 */

/** The mapping that covers `logical`, cut to begin there. A hole ends where data may begin. */
export function findMapping(inode: Inode, logical: number): Mapping {
  return hasExtents(inode) ? findExtent(inode, logical) : findIndirect(inode, logical)
}

/** Maps a hole: `mapping` must not overlap what is mapped, nor be longer than {@link makeWay} says. Throws ENOSPC. */
export function insertMapping(handle: Handle, inode: Inode, mapping: Mapping): void {
  if (hasExtents(inode)) insertExtent(handle, inode, mapping)
  else insertIndirect(handle, inode, mapping)
}

/**
 * Unmaps the last run of mapped blocks in [from, to), or a part of it. Returns what was unmapped, whose blocks the caller
 * frees; undefined when nothing is left there.
 */
export function removeLastMapping(
  handle: Handle,
  inode: Inode,
  from: number,
  to: number,
): Mapping | undefined {
  return hasExtents(inode)
    ? removeLastExtent(handle, inode, from, to)
    : removeLastIndirect(handle, inode, from, to)
}

/** Every run of mapped blocks in logical order. */
export function* mappings(inode: Inode): Generator<Mapping> {
  for (let logical = 0; logical <= MAX_LOGICAL_BLOCK; ) {
    const mapping = findMapping(inode, logical)
    if (mapping.physical !== 0) yield mapping
    logical += mapping.length
  }
}

/** Only an extent can say that its blocks are allocated and not written. */
export function hasExtents(inode: Inode): boolean {
  return (inode.flags & EXTENTS_FL) !== 0
}

/** Whether i_block is a map: not that of a device or a pipe, nor where a short symlink or the content stands. */
export function hasMap(inode: Inode): boolean {
  if ((inode.flags & INLINE_DATA_FL) !== 0) return false
  if (hasExtents(inode) || inode.isRegular || inode.isDirectory) return true
  return (inode.mode & S_IFMT) === S_IFLNK && inode.size >= RawInode.i_block.size
}

/**
 * Before blocks are taken for a hole at `logical`: returns how many {@link insertMapping} may map at once. Where the map
 * needs blocks of its own for that, it has them now, so that the last free ones are not all taken by data. Throws ENOSPC.
 */
export function makeWay(handle: Handle, inode: Inode, logical: number): number {
  return hasExtents(inode) ? MAX_WRITTEN_LENGTH : makeIndirectWay(handle, inode, logical)
}

/** Blocks that a file with this map can have. What is inline has no extents yet: Linux too lets it grow as if it never had. */
export function mostBlocks(inode: Inode): number {
  const { extents, indirect } = inode.volume.fileLimits
  return hasExtents(inode) ? extents : indirect
}

/** An empty map, of the kind that new files of the file system have. The caller has write access to the inode. */
export function initialiseMap(inode: Inode): void {
  if ((inode.volume.incompat & INCOMPAT.extent) !== 0) {
    inode.flags |= EXTENTS_FL
    ExtentNode.formatRoot(inode)
    return
  }
  inode.flags &= ~EXTENTS_FL
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  head.bytes.fill(0, at, at + RawInode.i_block.size)
}

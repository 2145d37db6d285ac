import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { findMapping, insertMapping, removeLastMapping } from './extent-tree.js'
import type { Inode } from './inode.js'

/** The physical block of `logical`, 0 for a hole. For directories and other files of metadata. */
export function mapBlock(inode: Inode, logical: number): number {
  const mapping = findMapping(inode, logical)
  return mapping.unwritten ? 0 : mapping.physical
}

/** A new metadata block at the end of the file, all zero; size and i_blocks grow by it. */
export function appendBlock(handle: Handle, inode: Inode): { logical: number; head: BufferHead } {
  const { logical, physical } = append(handle, inode)
  const head = inode.volume.cache.get(physical)
  handle.getCreateAccess(head)
  return { logical, head }
}

/** A new data block at the end of the file, all zero and not journaled. i_size stays: the caller sets it. */
export function appendDataBlock(handle: Handle, inode: Inode): number {
  const size = inode.size
  const { physical } = append(handle, inode)
  inode.size = size
  inode.volume.device.zero(physical * inode.volume.blockSize, inode.volume.blockSize)
  inode.dataSequence = inode.volume.device.storeSequence
  return physical
}

function append(handle: Handle, inode: Inode): { logical: number; physical: number } {
  const { volume } = inode
  const logical = Math.ceil(inode.size / volume.blockSize)
  const { start } = volume.blockAllocator.allocate(handle, goalFor(inode), 1)
  insertMapping(handle, inode, { logical, physical: start, length: 1, unwritten: false })
  inode.modifyData(handle)
  inode.addBlocks(handle, volume.blockSize / 512)
  inode.size = (logical + 1) * volume.blockSize
  inode.goal = start + 1
  return { logical, physical: start }
}

/** Where the next block of the file is wanted: behind its last one, or at the start of its inode's group. */
export function goalFor(inode: Inode, logical = 0): number {
  if (inode.goal !== 0) return inode.goal
  const { volume } = inode
  if (logical > 0) {
    const before = findMapping(inode, logical - 1)
    if (before.physical !== 0) return before.physical + 1
  }
  return volume.firstBlockOfGroup(volume.groupOfInode(inode.ino))
}

/** Metadata blocks that freeing one extent may touch: bitmaps and descriptors of its groups, the tree, the inode. */
const FREE_CREDITS = 24

/**
 * Unmaps and frees the blocks of [from, to), last first, until the transaction is full. Returns whether all is done.
 * `metadata`: the blocks held metadata (a directory) and are revoked.
 */
export function freeRange(
  handle: Handle,
  inode: Inode,
  from: number,
  to: number,
  metadata: boolean,
): boolean {
  const { volume } = inode
  const journal = volume.journal
  for (;;) {
    if (journal !== undefined && journal.room < FREE_CREDITS) return false
    const removed = removeLastMapping(handle, inode, from, to)
    if (removed === undefined) break
    if (metadata) {
      for (let block = 0; block < removed.length; block++)
        volume.checksums.forget(handle, removed.physical + block)
    }
    volume.blockAllocator.free(handle, removed.physical, removed.length, { metadata })
    inode.modifyData(handle)
    inode.addBlocks(handle, -(removed.length * (volume.blockSize / 512)))
    to = removed.logical
  }
  inode.goal = 0
  return true
}

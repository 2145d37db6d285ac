import { FsError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { findMapping, insertMapping, removeLastMapping } from './file-map.js'
import { returnBlocks, takeBlocks } from './file-space.js'
import type { Inode } from './inode.js'

/** The physical block of `logical`, 0 for a hole. For directories and other files of metadata. */
export function mapBlock(inode: Inode, logical: number): number {
  const mapping = findMapping(inode, logical)
  return mapping.unwritten ? 0 : mapping.physical
}

/** A copy of the first `size` bytes. For small files, which are read whole. */
export function readBlocks(inode: Inode, size: number): Uint8Array {
  const { blockSize, device } = inode.volume
  const content = new Uint8Array(size)
  for (let at = 0; at < size; at += blockSize) {
    const block = mapBlock(inode, at / blockSize)
    if (block === 0) continue
    const { bytes, at: from } = device.directAccess(block * blockSize)
    content.set(bytes.subarray(from, from + Math.min(blockSize, size - at)), at)
  }
  return content
}

/** A new metadata block at the end of the file, all zero; size and i_blocks grow by it. Throws ENOSPC. */
export function appendBlock(handle: Handle, inode: Inode): { logical: number; head: BufferHead } {
  const { maxDirSize } = inode.volume.behaviour
  if (maxDirSize !== 0 && inode.size >= maxDirSize && inode.isDirectory)
    throw new FsError(
      'ENOSPC',
      `directory ${inode.ino} has reached the ${maxDirSize / 1024} KiB of max_dir_size_kb`,
    )
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
  const mapping = takeBlocks(handle, inode, { logical, physical: 0, length: 1, unwritten: false }, 1)
  insertMapping(handle, inode, mapping)
  inode.modifyData(handle)
  inode.size = (logical + 1) * volume.blockSize
  return mapping
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
    returnBlocks(handle, inode, removed, metadata)
    to = removed.logical
  }
  inode.goal = 0
  return true
}

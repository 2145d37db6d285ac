import type { Handle } from '../jbd2/handle.js'
import type { DataRun } from '../vfs/file-system.js'
import { MAX_LOGICAL_BLOCK } from './extent.js'
import { appendDataBlock } from './file-blocks.js'
import { findMapping, hasExtents, initialiseMap } from './file-map.js'
import { dropInline, inlineRoom, isInline, readInline, storeInline } from './inline-data.js'
import type { Inode } from './inode.js'
import { DAX_FL, EA_INODE_FL, RawInode } from './raw-inode.js'

/** Regular files whose content stands in the inode. Every change of it is one of metadata: the journal has it. */

/** A copy: these bytes move with the inode's buffer. */
export function readInlineFile(inode: Inode, offset: number, length: number): DataRun[] {
  const end = Math.min(offset + length, inode.size)
  if (offset >= end) return []
  return [{ bytes: readInline(inode, end), at: offset, length: end - offset, address: 0 }]
}

/**
 * Whether a write that ends at `end` belongs into the inode: one of a file that is inline already and has room, or of one
 * that has no blocks, as when it is new, and however it got its size. No file with EXT4_DAX_FL begins so, as with Linux: what stands in the inode cannot be mapped.
 */
export function fitsInline(inode: Inode, end: number): boolean {
  if (end > inode.volume.inodeSize || end > inlineRoom(inode)) return false
  if (isInline(inode)) return inode.size <= inlineRoom(inode)
  if (inode.size > inlineRoom(inode) || (inode.flags & (DAX_FL | EA_INODE_FL)) !== 0) return false
  return isUnmapped(inode)
}

/** Whether the map leads to no block at all. */
function isUnmapped(inode: Inode): boolean {
  if (hasExtents(inode)) {
    const mapping = findMapping(inode, 0)
    return mapping.physical === 0 && mapping.length > MAX_LOGICAL_BLOCK
  }
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  return head.bytes.subarray(at, at + RawInode.i_block.size).every((byte) => byte === 0)
}

/** Stores `source[from..to)` at `offset`, which {@link fitsInline}; what lies between the old end and it is zero. */
export function writeInlineFile(
  handle: Handle,
  inode: Inode,
  offset: number,
  source: Uint8Array,
  from: number,
  to: number,
): void {
  const size = Math.max(inode.size, offset + to - from)
  const content = new Uint8Array(size)
  if (isInline(inode)) content.set(readInline(inode, inode.size))
  content.set(source.subarray(from, to), offset)
  storeInline(handle, inode, content)
  inode.size = size
}

/** Sets the size of an inline file. Returns false when it was moved to a block instead, its size unchanged. */
export function truncateInlineFile(handle: Handle, inode: Inode, size: number): boolean {
  if (size > inlineRoom(inode)) {
    convertInlineFile(handle, inode)
    return false
  }
  const content = new Uint8Array(size)
  content.set(readInline(inode, Math.min(size, inode.size)))
  storeInline(handle, inode, content)
  inode.size = size
  return true
}

/** Moves the content to a block: data from now on. Throws ENOSPC. */
export function convertInlineFile(handle: Handle, inode: Inode): void {
  const { volume, size } = inode
  const content = readInline(inode, Math.min(size, volume.blockSize))
  dropInline(handle, inode)
  initialiseMap(inode)
  if (size === 0) return
  inode.size = 0
  const block = appendDataBlock(handle, inode)
  inode.size = size
  // The first FLUSH of the commit covers it, and nothing durable names the block before.
  volume.device.write(block * volume.blockSize, content)
  inode.dataSequence = volume.device.storeSequence
}

import type { Handle } from '../jbd2/handle.js'
import { INCOMPAT } from './features.js'
import type { Inode } from './inode.js'
import { EXTENTS_FL, INLINE_DATA_FL, RawInode } from './raw-inode.js'
import type { Volume } from './volume.js'
import { findValue, readEntries, sameName, sizeOf, type Xattr, XattrEntry } from './xattr-entry.js'
import { inodeXattrRoom, inodeXattrs, writeInodeXattrs } from './xattr-inode.js'

/**
 * Content that stands in the inode itself: its first 60 bytes in i_block, the others in the value of the attribute
 * system.data, which is there even when it is empty and never leaves the inode. Kernel docs: ext4, "Inline Data".
 */

/** Bytes of i_block. */
export const INLINE_BASE = RawInode.i_block.size

/** e_name_index of `system.`; no program can name it. */
const INDEX_SYSTEM = 7
const DATA = { index: INDEX_SYSTEM, name: new TextEncoder().encode('data') }
/** Bytes that the attribute takes without its value. */
const ENTRY_SIZE = XattrEntry.SIZE + DATA.name.length

export function hasInlineData({ incompat }: Volume): boolean {
  return (incompat & INCOMPAT.inline_data) !== 0
}

export function isInline(inode: Inode): boolean {
  return (inode.flags & INLINE_DATA_FL) !== 0
}

/** The most bytes that the inode could hold beside its attributes, a multiple of 4; 0 when it cannot hold any. */
export function inlineRoom(inode: Inode): number {
  const left = inodeXattrRoom(inode) - sizeOf(otherXattrs(inode)) - ENTRY_SIZE
  return left < 0 ? 0 : INLINE_BASE + (left & ~3)
}

/** Bytes that stand in the inode now, those behind i_size included. Throws CorruptError without system.data. */
export function inlineCapacity(inode: Inode): number {
  return INLINE_BASE + inlineValue(inode).length
}

/** The value of system.data where it stands: valid until the inode changes. Throws CorruptError when it is missing. */
export function inlineValue(inode: Inode): Uint8Array {
  const area = inodeXattrs(inode)
  const value = area && findValue(area, DATA)
  return value ?? inode.corrupt('system.data', 'none', 'the attribute, as EXT4_INLINE_DATA_FL is set')
}

/** A copy of the first `size` bytes; what the inode does not hold reads as zeroes. */
export function readInline(inode: Inode, size: number): Uint8Array {
  const content = new Uint8Array(size)
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  content.set(head.bytes.subarray(at, at + Math.min(size, INLINE_BASE)))
  if (size > INLINE_BASE) content.set(inlineValue(inode).subarray(0, size - INLINE_BASE), INLINE_BASE)
  return content
}

/** Replaces the content, which {@link inlineRoom} must allow. An inode that had a map of blocks loses it. */
export function storeInline(handle: Handle, inode: Inode, content: Uint8Array): void {
  inode.modifyData(handle)
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  head.bytes.fill(0, at, at + INLINE_BASE)
  head.bytes.set(content.subarray(0, INLINE_BASE), at)
  if (isInline(inode) && content.length <= INLINE_BASE && inlineValue(inode).length === 0) return
  // Without a hash: the kernel changes the value in place and does not renew it.
  const data = { ...DATA, value: content.slice(INLINE_BASE), hash: 0 }
  writeInodeXattrs(handle, inode, [...otherXattrs(inode), data])
  inode.flags = (inode.flags & ~EXTENTS_FL) | INLINE_DATA_FL
}

/** Takes the content out of the inode, whose map of blocks the caller must make anew. i_size stays. */
export function dropInline(handle: Handle, inode: Inode): void {
  inode.modifyData(handle)
  writeInodeXattrs(handle, inode, otherXattrs(inode))
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  head.bytes.fill(0, at, at + INLINE_BASE)
  inode.flags &= ~INLINE_DATA_FL
}

function otherXattrs(inode: Inode): Xattr[] {
  const area = inodeXattrs(inode)
  return area === undefined ? [] : readEntries(area).filter((entry) => !sameName(entry, DATA))
}

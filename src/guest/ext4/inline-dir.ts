import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import {
  checkEntries,
  formatTail,
  hasNames,
  insertIntoRange,
  leafEnd,
  modifyLeaf,
  nextEntry,
  removeFromRange,
  searchRange,
  storeEntry,
} from './dir-block.js'
import { DirEntry, entrySize, FT_DIR, MIN_ENTRY_SIZE } from './dir-entry.js'
import { appendBlock } from './file-blocks.js'
import { initialiseMap } from './file-map.js'
import {
  dropInline,
  hasInlineData,
  INLINE_BASE,
  inlineCapacity,
  inlineRoom,
  inlineValue,
  readInline,
  storeInline,
} from './inline-data.js'
import type { Inode } from './inode.js'
import { RawInode } from './raw-inode.js'

/**
 * Directories whose entries stand in the inode: the parent's number in the first four bytes, in place of `.` and `..`;
 * then entries as in a block, in two ranges, the rest of i_block and the value of system.data. i_size is 60 and the
 * length of that value. Kernel docs: ext4, "Inline Directories".
 */

/** Bytes of the parent's number. */
const PARENT_SIZE = 4
const DOT = Uint8Array.of(0x2e)
const DOT_DOT = Uint8Array.of(0x2e, 0x2e)
/** Bytes that `.` and `..` take in a block. */
const DOTS_SIZE = entrySize(DOT.length) + entrySize(DOT_DOT.length)

/** Where entries stand in the inode's block: offsets from its start, [from, end). */
export interface EntryRange {
  readonly from: number
  readonly end: number
}

/** The ranges of entries. Throws CorruptError when system.data is missing. */
export function inlineRanges(dir: Inode): EntryRange[] {
  const { head } = dir
  const base = dir.offset + RawInode.i_block.offset
  const ranges = [{ from: base + PARENT_SIZE, end: base + INLINE_BASE }]
  const value = inlineValue(dir)
  if (value.length >= MIN_ENTRY_SIZE) {
    const from = value.byteOffset - head.bytes.byteOffset - head.at
    ranges.push({ from, end: from + value.length })
  }
  return ranges
}

/** As {@link inlineRanges}, the entries in them checked. Throws CorruptError. */
export function checkedRanges(dir: Inode): EntryRange[] {
  const ranges = inlineRanges(dir)
  for (const { from, end } of ranges) checkEntries(dir, dir.head, from, end)
  return ranges
}

/** Gives a new directory its place in the inode; returns false when that has no room. */
export function initInlineDirectory(handle: Handle, dir: Inode, parent: number): boolean {
  if (!hasInlineData(dir.volume) || inlineRoom(dir) === 0) return false
  const content = new Uint8Array(INLINE_BASE)
  const view = new DataView(content.buffer)
  view.setUint32(0, parent, true)
  DirEntry.rec_len.set(view, PARENT_SIZE, INLINE_BASE - PARENT_SIZE)
  storeInline(handle, dir, content)
  dir.size = INLINE_BASE
  return true
}

/** Where the parent's number stands: as if it were the `inode` of an entry. */
export function inlineParent(dir: Inode): { head: BufferHead; offset: number } {
  return { head: dir.head, offset: dir.offset + RawInode.i_block.offset }
}

export function findInline(dir: Inode, name: Uint8Array): { head: BufferHead; offset: number } | undefined {
  const { head } = dir
  for (const { from, end } of inlineRanges(dir)) {
    const offset = searchRange(dir, head, name, from, end)
    if (offset >= 0) return { head, offset }
  }
  return undefined
}

/** Adds an entry; returns false when it has to go to a block, after {@link convertInlineDirectory}. */
export function addInline(
  handle: Handle,
  dir: Inode,
  entry: { ino: number; name: Uint8Array; type: number },
): boolean {
  dir.modifyData(handle)
  if (insertIntoRanges(dir, entry)) return true
  return grow(handle, dir) && insertIntoRanges(dir, entry)
}

function insertIntoRanges(dir: Inode, entry: { ino: number; name: Uint8Array; type: number }): boolean {
  return inlineRanges(dir).some(({ from, end }) => insertIntoRange(dir, dir.head, from, end, entry))
}

/** Takes all the room that the inode has. Returns whether there was any. */
function grow(handle: Handle, dir: Inode): boolean {
  const old = inlineCapacity(dir)
  const size = inlineRoom(dir)
  if (size <= old || size < INLINE_BASE + MIN_ENTRY_SIZE) return false
  const content = readInline(dir, size)
  const view = new DataView(content.buffer)
  const value = inlineRanges(dir)[1]
  if (value === undefined) {
    content.fill(0, INLINE_BASE)
    DirEntry.rec_len.set(view, INLINE_BASE, size - INLINE_BASE)
  } else {
    const last = INLINE_BASE + lastEntry(dir, dir.head, value.from, value.end) - value.from
    DirEntry.rec_len.set(view, last, size - last)
  }
  storeInline(handle, dir, content)
  dir.size = size
  return true
}

export function removeInline(handle: Handle, dir: Inode, offset: number): void {
  dir.modifyData(handle)
  for (const { from, end } of inlineRanges(dir)) {
    if (offset >= from && offset < end) removeFromRange(dir, dir.head, from, end, offset)
  }
}

export function isEmptyInline(dir: Inode): boolean {
  return !inlineRanges(dir).some(({ from, end }) => hasNames(dir, dir.head, from, end))
}

/** Moves the entries, at the offsets where readdir had them, to a block. Throws ENOSPC. */
export function convertInlineDirectory(handle: Handle, dir: Inode): void {
  const { volume } = dir
  const value = inlineRanges(dir)[1]
  const content = readInline(dir, INLINE_BASE + (value === undefined ? 0 : value.end - value.from))
  const parent = new DataView(content.buffer).getUint32(0, true)
  dropInline(handle, dir)
  initialiseMap(dir)
  dir.size = 0
  const { head } = appendBlock(handle, dir)
  modifyLeaf(handle, dir, head)
  const first = entrySize(DOT.length)
  storeEntry(head, 0, { ino: dir.ino, name: DOT, type: FT_DIR }, first)
  storeEntry(head, first, { ino: parent, name: DOT_DOT, type: FT_DIR }, DOTS_SIZE - first)
  head.bytes.set(content.subarray(PARENT_SIZE), head.at + DOTS_SIZE)
  const last = lastEntry(dir, head, DOTS_SIZE, DOTS_SIZE + content.length - PARENT_SIZE)
  DirEntry.rec_len.set(head.view, head.at + last, leafEnd(volume) - last)
  formatTail(volume, head)
}

/** What an offset in {@link inlineRanges} becomes in the block that {@link convertInlineDirectory} makes. */
export function blockOffset(ranges: readonly EntryRange[], offset: number): number {
  let before = DOTS_SIZE
  for (const { from, end } of ranges) {
    if (offset >= from && offset <= end) return before + offset - from
    before += end - from
  }
  throw new RangeError(`offset ${offset} of an inline directory`)
}

function lastEntry(dir: Inode, head: BufferHead, from: number, end: number): number {
  let last = from
  for (let offset = from; offset < end; offset = nextEntry(dir, head, offset, end)) last = offset
  return last
}

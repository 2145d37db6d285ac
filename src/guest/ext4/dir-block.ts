import { CorruptError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { dirLeafChecksum } from './checksum.js'
import {
  DirEntry,
  DirEntryTail,
  entrySize,
  FT_DIR_CSUM,
  fileType,
  isDot,
  isDotDot,
  MIN_ENTRY_SIZE,
  sameName,
} from './dir-entry.js'
import { INCOMPAT } from './features.js'
import { mapBlock } from './file-blocks.js'
import type { Inode } from './inode.js'
import type { Volume } from './volume.js'

/**
 * Blocks of entries: all of a linear directory, the leaves of an htree. Offsets count from the start of the block.
 * A block is checked in full when it is first read; later walks check only what keeps them inside the block.
 */

/** Where the entries of a leaf end: before the tail, with metadata_csum. */
export function leafEnd(volume: Volume): number {
  return volume.hasMetadataCsum ? volume.blockSize - DirEntryTail.SIZE : volume.blockSize
}

/** Blocks of the directory. */
export function dirBlocks(dir: Inode): number {
  return Math.ceil(dir.size / dir.volume.blockSize)
}

/** The buffer of block `logical`, unchecked. Throws CorruptError for a hole. */
export function dirBlock(dir: Inode, logical: number): BufferHead {
  const block = mapBlock(dir, logical)
  if (block === 0) dir.corrupt(`block ${logical}`, 'a hole', 'a block', 'directory')
  return dir.volume.cache.get(block)
}

/** A checked leaf. */
export function readLeaf(dir: Inode, logical: number): BufferHead {
  const head = dirBlock(dir, logical)
  if (!head.verified) {
    checkTail(dir, head)
    checkEntries(dir, head, 0, leafEnd(dir.volume))
    head.verified = true
  }
  return head
}

/** To be called before each change of a leaf. */
export function modifyLeaf(handle: Handle, dir: Inode, head: BufferHead): void {
  handle.getWriteAccess(head)
  dir.volume.checksums.dirLeaf(handle, head.block, dir.checksumSeed)
  dir.syncTid = handle.tid
  dir.datasyncTid = handle.tid
}

/** Throws CorruptError naming `field` of what stands at `offset` of a directory block. */
export function corruptEntry(
  dir: Inode,
  head: BufferHead,
  where: { field: string; offset: number; structure?: string },
  found: number | string,
  expected: number | string,
): never {
  throw new CorruptError({
    structure: where.structure ?? DirEntry.NAME,
    ino: dir.ino,
    block: head.block,
    field: `${where.field} at offset ${where.offset}`,
    found,
    expected,
  })
}

function checkTail(dir: Inode, head: BufferHead): void {
  const { volume } = dir
  if (!volume.hasMetadataCsum) return
  const offset = leafEnd(volume)
  const at = head.at + offset
  const { view } = head
  const good =
    DirEntryTail.det_reserved_zero1.get(view, at) === 0 &&
    DirEntryTail.det_rec_len.get(view, at) === DirEntryTail.SIZE &&
    DirEntryTail.det_reserved_zero2.get(view, at) === 0 &&
    DirEntryTail.det_reserved_ft.get(view, at) === FT_DIR_CSUM
  const structure = DirEntryTail.NAME
  if (!good) corruptEntry(dir, head, { structure, field: 'tail', offset }, 'no tail', 'a checksum tail')
  const found = DirEntryTail.det_checksum.get(view, at)
  const expected = dirLeafChecksum(dir.checksumSeed, head.bytes, head.at, volume.blockSize)
  if (found !== expected) {
    const place = { structure, ino: dir.ino, block: head.block, field: 'det_checksum' }
    throw new CorruptError({ ...place, found, expected }, 'EBADMSG')
  }
}

/** All entries of [from, end), their inode numbers too. Throws CorruptError. */
export function checkEntries(dir: Inode, head: BufferHead, from: number, end: number): void {
  const { view, at } = head
  for (let offset = from; offset < end; ) {
    const next = nextEntry(dir, head, offset, end)
    const ino = DirEntry.inode.get(view, at + offset)
    const nameLength = DirEntry.name_len.get(view, at + offset)
    if (ino > dir.volume.inodesCount) {
      corruptEntry(dir, head, { field: 'inode', offset }, ino, `at most ${dir.volume.inodesCount}`)
    }
    if (ino !== 0 && nameLength === 0) corruptEntry(dir, head, { field: 'name_len', offset }, 0, 'at least 1')
    offset = next
  }
}

/** Where the entry behind the one at `offset` begins. Throws CorruptError when this one leaves [offset, end). */
export function nextEntry(dir: Inode, head: BufferHead, offset: number, end: number): number {
  const at = head.at + offset
  const length = DirEntry.rec_len.get(head.view, at)
  const next = offset + length
  if (
    length < MIN_ENTRY_SIZE ||
    (length & 3) !== 0 ||
    next > end ||
    (next < end && next + MIN_ENTRY_SIZE > end)
  ) {
    corruptEntry(
      dir,
      head,
      { field: 'rec_len', offset },
      length,
      `a multiple of 4 from 12 to ${end - offset}`,
    )
  }
  const nameLength = DirEntry.name_len.get(head.view, at)
  if (entrySize(nameLength) > length) {
    corruptEntry(dir, head, { field: 'name_len', offset }, nameLength, `at most ${length - DirEntry.SIZE}`)
  }
  return next
}

/** Offset of the entry called `name`, -1 when there is none. */
export function searchLeaf(dir: Inode, head: BufferHead, name: Uint8Array): number {
  return searchRange(dir, head, name, 0, leafEnd(dir.volume))
}

/** As {@link searchLeaf}, among the entries of [from, end). */
export function searchRange(
  dir: Inode,
  head: BufferHead,
  name: Uint8Array,
  from: number,
  end: number,
): number {
  const { view, bytes, at } = head
  for (let offset = from; offset < end; ) {
    const next = nextEntry(dir, head, offset, end)
    const found =
      bytes[at + offset + DirEntry.name_len.offset] === name.length &&
      sameName(bytes, at + offset + DirEntry.SIZE, name) &&
      DirEntry.inode.get(view, at + offset) !== 0
    if (found) return offset
    offset = next
  }
  return -1
}

/** The file_type of entries for the inode; 0 in file systems without the feature filetype. */
export function entryType({ volume, mode }: Inode): number {
  return (volume.incompat & INCOMPAT.filetype) !== 0 ? fileType(mode) : 0
}

/** Writes an entry of `length` bytes. The caller has write access. */
export function storeEntry(
  head: BufferHead,
  offset: number,
  entry: { ino: number; name: Uint8Array; type: number },
  length: number,
): void {
  const at = head.at + offset
  DirEntry.inode.set(head.view, at, entry.ino)
  DirEntry.rec_len.set(head.view, at, length)
  DirEntry.name_len.set(head.view, at, entry.name.length)
  DirEntry.file_type.set(head.view, at, entry.type)
  head.bytes.set(entry.name, at + DirEntry.SIZE)
}

/** Puts an entry where the first room for it is. Returns whether there was any. */
export function insertIntoLeaf(
  handle: Handle,
  dir: Inode,
  head: BufferHead,
  entry: { ino: number; name: Uint8Array; type: number },
): boolean {
  const end = leafEnd(dir.volume)
  const offset = findRoom(dir, head, 0, end, entrySize(entry.name.length))
  if (offset < 0) return false
  modifyLeaf(handle, dir, head)
  storeInRoom(head, offset, entry)
  return true
}

/** As {@link insertIntoLeaf}, among the entries of [from, end), to which the caller has write access. */
export function insertIntoRange(
  dir: Inode,
  head: BufferHead,
  from: number,
  end: number,
  entry: { ino: number; name: Uint8Array; type: number },
): boolean {
  const offset = findRoom(dir, head, from, end, entrySize(entry.name.length))
  if (offset >= 0) storeInRoom(head, offset, entry)
  return offset >= 0
}

/** Offset of the first entry of [from, end) that can give `needed` bytes away; -1 when none can. */
function findRoom(dir: Inode, head: BufferHead, from: number, end: number, needed: number): number {
  for (let offset = from; offset < end; ) {
    const next = nextEntry(dir, head, offset, end)
    if (next - offset - usedBy(head, offset) >= needed) return offset
    offset = next
  }
  return -1
}

/** Bytes that the entry at `offset` needs itself. */
function usedBy({ view, at }: BufferHead, offset: number): number {
  const entry = at + offset
  return DirEntry.inode.get(view, entry) === 0 ? 0 : entrySize(DirEntry.name_len.get(view, entry))
}

/** Puts an entry into what the one at `offset` does not need. */
function storeInRoom(
  head: BufferHead,
  offset: number,
  entry: { ino: number; name: Uint8Array; type: number },
): void {
  const used = usedBy(head, offset)
  const length = DirEntry.rec_len.get(head.view, head.at + offset)
  if (used > 0) DirEntry.rec_len.set(head.view, head.at + offset, used)
  storeEntry(head, offset + used, entry, length - used)
}

/** Takes out the entry at `victim`: the one before it grows over it; the first of a block becomes unused. */
export function removeFromLeaf(handle: Handle, dir: Inode, head: BufferHead, victim: number): void {
  modifyLeaf(handle, dir, head)
  removeFromRange(dir, head, 0, leafEnd(dir.volume), victim)
}

/** As {@link removeFromLeaf}, among the entries of [from, end), to which the caller has write access. */
export function removeFromRange(
  dir: Inode,
  head: BufferHead,
  from: number,
  end: number,
  victim: number,
): void {
  let before = -1
  for (let offset = from; offset < victim; ) {
    before = offset
    offset = nextEntry(dir, head, offset, end)
  }
  const length = nextEntry(dir, head, victim, end) - victim
  const at = head.at + victim
  if (before < 0) DirEntry.inode.set(head.view, at, 0)
  else DirEntry.rec_len.set(head.view, head.at + before, victim - before + length)
  // As ext4 does: a removed name does not stay readable.
  head.bytes.fill(0, at + (before < 0 ? DirEntry.rec_len.offset + 2 : 0), at + length)
}

/** Makes an all-zero block an empty leaf. The caller has write access. */
export function formatLeaf(dir: Inode, head: BufferHead): void {
  DirEntry.rec_len.set(head.view, head.at, leafEnd(dir.volume))
  formatTail(dir.volume, head)
}

/** The tail of a leaf, with metadata_csum. The caller has write access. */
export function formatTail(volume: Volume, head: BufferHead): void {
  if (!volume.hasMetadataCsum) return
  const at = head.at + leafEnd(volume)
  DirEntryTail.det_reserved_zero1.set(head.view, at, 0)
  DirEntryTail.det_rec_len.set(head.view, at, DirEntryTail.SIZE)
  DirEntryTail.det_reserved_zero2.set(head.view, at, 0)
  DirEntryTail.det_reserved_ft.set(head.view, at, FT_DIR_CSUM)
}

/** Whether the leaf holds an entry other than `.` and `..`. */
export function hasNames(dir: Inode, head: BufferHead, from: number, end: number): boolean {
  const { view, bytes, at } = head
  for (let offset = from; offset < end; ) {
    const next = nextEntry(dir, head, offset, end)
    if (DirEntry.inode.get(view, at + offset) !== 0) {
      const length = DirEntry.name_len.get(view, at + offset)
      const name = at + offset + DirEntry.SIZE
      if (!isDot(bytes, name, length) && !isDotDot(bytes, name, length)) return true
    }
    offset = next
  }
  return false
}

import { FsError, UnsupportedError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import {
  corruptEntry,
  dirBlock,
  dirBlocks,
  entryType,
  formatLeaf,
  formatTail,
  hasNames,
  insertIntoLeaf,
  leafEnd,
  modifyLeaf,
  nextEntry,
  readLeaf,
  removeFromLeaf,
  searchLeaf,
  storeEntry,
} from './dir-block.js'
import { DirEntry, entrySize, isDot, isDotDot } from './dir-entry.js'
import { appendBlock } from './file-blocks.js'
import { isIndexed, searchIndexed } from './htree.js'
import { insertIndexed, makeIndexed } from './htree-insert.js'
import { DxNode } from './htree-node.js'
import { isInline } from './inline-data.js'
import {
  addInline,
  convertInlineDirectory,
  findInline,
  initInlineDirectory,
  inlineParent,
  isEmptyInline,
  removeInline,
} from './inline-dir.js'
import type { Inode } from './inode.js'
import { INDEX_FL } from './raw-inode.js'

/** Where an entry stands. Valid until the directory changes. */
export interface EntryPlace {
  readonly head: BufferHead
  /** From the start of the block. */
  readonly offset: number
  /** The inode that it names, where no entry stands: `.` of an inline directory. */
  readonly ino?: number
}

const DOT = Uint8Array.of(0x2e)
const DOT_DOT = Uint8Array.of(0x2e, 0x2e)
/** Without large_dir i_size has 31 bits for a directory. */
const MAX_SIZE = 0x7fff_ffff

/** The entry called `name`; `.` and `..` are entries too. */
export function findEntry(dir: Inode, name: Uint8Array): EntryPlace | undefined {
  if (isDot(name, 0, name.length)) return findDot(dir)
  if (isDotDot(name, 0, name.length)) return findDotDot(dir)
  if (isInline(dir)) return findInline(dir, name)
  if (isIndexed(dir)) return searchIndexed(dir, name)
  const blocks = dirBlocks(dir)
  for (let logical = 0; logical < blocks; logical++) {
    const head = readLeaf(dir, logical)
    const offset = searchLeaf(dir, head, name)
    if (offset >= 0) return { head, offset }
  }
  return undefined
}

/** The inode number in an entry. Throws CorruptError when no inode has it. */
export function entryInode(dir: Inode, place: EntryPlace): number {
  const { head, offset } = place
  const ino = place.ino ?? DirEntry.inode.get(head.view, head.at + offset)
  if (ino < 1 || ino > dir.volume.inodesCount) {
    corruptEntry(dir, head, { field: 'inode', offset }, ino, `1 to ${dir.volume.inodesCount}`)
  }
  return ino
}

/** The inode number of the parent directory. */
export function parentInode(dir: Inode): number {
  return entryInode(dir, findDotDot(dir))
}

/** Adds an entry; the caller knows that the name is not there. Throws ENOSPC. */
export function addEntry(
  handle: Handle,
  dir: Inode,
  entry: { ino: number; name: Uint8Array; type: number },
): void {
  if (isIndexed(dir)) {
    insertIndexed(handle, dir, entry)
    return
  }
  if (isInline(dir)) {
    if (addInline(handle, dir, entry)) return
    convertInlineDirectory(handle, dir)
  }
  if ((dir.flags & INDEX_FL) !== 0) dropIndex(handle, dir)
  const blocks = dirBlocks(dir)
  for (let logical = 0; logical < blocks; logical++) {
    if (insertIntoLeaf(handle, dir, readLeaf(dir, logical), entry)) return
  }
  if (blocks === 1 && dir.volume.hasDirIndex) {
    const { head, offset } = findDotDot(dir)
    const names = nextEntry(dir, head, offset, leafEnd(dir.volume))
    makeIndexed(handle, dir, head, { names, parent: parentInode(dir) })
    insertIndexed(handle, dir, entry)
    return
  }
  if (dir.size + dir.volume.blockSize > MAX_SIZE && !dir.volume.hasLargeDir) {
    throw new FsError('ENOSPC', `directory ${dir.ino} has reached ${MAX_SIZE} bytes`)
  }
  const { head } = appendBlock(handle, dir)
  modifyLeaf(handle, dir, head)
  formatLeaf(dir, head)
  insertIntoLeaf(handle, dir, head, entry)
}

export function removeEntry(handle: Handle, dir: Inode, place: EntryPlace): void {
  if (isInline(dir)) removeInline(handle, dir, place.offset)
  else removeFromLeaf(handle, dir, place.head, place.offset)
}

/** Lets an entry, not `.` or `..`, name another inode. */
export function replaceEntry(handle: Handle, dir: Inode, place: EntryPlace, ino: number, type: number): void {
  const { head, offset } = place
  if (isInline(dir)) dir.modifyData(handle)
  else modifyLeaf(handle, dir, head)
  DirEntry.inode.set(head.view, head.at + offset, ino)
  DirEntry.file_type.set(head.view, head.at + offset, type)
}

/** Sets what `..` names. */
export function setParent(handle: Handle, dir: Inode, parent: number): void {
  const { head, offset } = findDotDot(dir)
  if (isIndexed(dir)) DxNode.root(dir).modify(handle)
  else if (isInline(dir)) dir.modifyData(handle)
  else modifyLeaf(handle, dir, head)
  DirEntry.inode.set(head.view, head.at + offset, parent)
}

/** Gives a new directory its first block with `.` and `..`, or its place in the inode. */
export function initDirectory(handle: Handle, dir: Inode, parent: number): void {
  if (initInlineDirectory(handle, dir, parent)) return
  const { head } = appendBlock(handle, dir)
  modifyLeaf(handle, dir, head)
  const first = entrySize(DOT.length)
  const type = entryType(dir)
  storeEntry(head, 0, { ino: dir.ino, name: DOT, type }, first)
  storeEntry(head, first, { ino: parent, name: DOT_DOT, type }, leafEnd(dir.volume) - first)
  formatTail(dir.volume, head)
}

/** Whether it holds `.` and `..` only. Throws CorruptError when it has not even these. */
export function isEmptyDirectory(dir: Inode): boolean {
  if (isInline(dir)) return isEmptyInline(dir)
  const { head, offset } = findDotDot(dir)
  const { blockSize } = dir.volume
  const indexed = isIndexed(dir)
  if (!indexed && hasNames(dir, head, offset, leafEnd(dir.volume))) return false
  const blocks = dirBlocks(dir)
  for (let logical = 1; logical < blocks; logical++) {
    const block = dirBlock(dir, logical)
    if (indexed && isIndexBlock(dir, block)) continue
    if (hasNames(dir, readLeaf(dir, logical), 0, leafEnd(dir.volume))) return false
  }
  return blocks * blockSize > 0
}

/** Whether a block of an htree other than its root looks like an index block: one unused entry as long as the block. */
function isIndexBlock(dir: Inode, head: BufferHead): boolean {
  return (
    DirEntry.inode.get(head.view, head.at) === 0 &&
    DirEntry.rec_len.get(head.view, head.at) === dir.volume.blockSize
  )
}

/** Block 0, checked as what it is. */
function firstBlock(dir: Inode): BufferHead {
  return isIndexed(dir) ? DxNode.root(dir).head : readLeaf(dir, 0)
}

function findDot(dir: Inode): EntryPlace {
  return isInline(dir) ? { ...inlineParent(dir), ino: dir.ino } : { head: firstBlock(dir), offset: 0 }
}

/** Throws CorruptError unless the first two entries are `.` and `..`. */
function findDotDot(dir: Inode): EntryPlace {
  if (isInline(dir)) return inlineParent(dir)
  const head = firstBlock(dir)
  const { bytes, view } = head
  const end = isIndexed(dir) ? dir.volume.blockSize : leafEnd(dir.volume)
  const offset = nextEntry(dir, head, 0, end)
  const dot = head.at + DirEntry.SIZE
  if (
    !isDot(bytes, dot, DirEntry.name_len.get(view, head.at)) ||
    DirEntry.inode.get(view, head.at) !== dir.ino
  ) {
    corruptEntry(dir, head, { field: 'name', offset: 0 }, 'another', `"." of inode ${dir.ino}`)
  }
  if (offset >= end) corruptEntry(dir, head, { field: 'name', offset }, 'none', '".."')
  nextEntry(dir, head, offset, end)
  if (!isDotDot(bytes, dot + offset, DirEntry.name_len.get(view, head.at + offset))) {
    corruptEntry(dir, head, { field: 'name', offset }, 'another', '".."')
  }
  return { head, offset }
}

/** An index that a file system without dir_index has left is not kept up: from now on the directory is linear. */
function dropIndex(handle: Handle, dir: Inode): void {
  if (dir.volume.hasMetadataCsum) {
    throw new UnsupportedError(`directory ${dir.ino} has an index, the file system has not`, ['dir_index'])
  }
  dir.modify(handle)
  dir.flags &= ~INDEX_FL
}

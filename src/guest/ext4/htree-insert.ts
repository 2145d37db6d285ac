import { FsError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import {
  formatLeaf,
  formatTail,
  insertIntoLeaf,
  leafEnd,
  modifyLeaf,
  nextEntry,
  readLeaf,
} from './dir-block.js'
import { DirEntry, entrySize } from './dir-entry.js'
import { type DxHash, defaultHashVersion, dxHash } from './dx-hash.js'
import { appendBlock } from './file-blocks.js'
import { DxPath, hashOf } from './htree.js'
import { BLOCK_MASK, DxNode, maxLevels } from './htree-node.js'
import type { Inode } from './inode.js'
import { INDEX_FL } from './raw-inode.js'

/** Blocks are 4096 bytes at most, entries 12 at least. */
const MAX_ENTRIES = 342
/** A block as it was before its entries are placed anew. */
const scratch = new Uint8Array(4096)
const scratchView = new DataView(scratch.buffer)
/** Entries of {@link scratch} to be placed: hash * 2^16 + offset, so that numeric order is hash order. */
const keys = new Float64Array(MAX_ENTRIES)
const OFFSETS = 0x10000

/**
 * Adds an entry whose name is not there. A full leaf is split, a full index block above it too, a full root gets a
 * level below it; each round makes room in one place and then looks for the way again.
 * Throws ENOSPC when no level may be added.
 */
export function insertIndexed(
  handle: Handle,
  dir: Inode,
  entry: { ino: number; name: Uint8Array; type: number },
): void {
  for (let round = 0; round < 2 * maxLevels(dir.volume) + 2; round++) {
    const root = DxNode.root(dir)
    const hasher = hashOf(root)
    const path = new DxPath(dir, root, hasher.compute(entry.name, 0, entry.name.length))
    const leaf = readLeaf(dir, path.leaf)
    if (insertIntoLeaf(handle, dir, leaf, entry)) return
    if (path.bottom.isFull) splitIndex(handle, path)
    else splitLeaf(handle, path.bottom, leaf, hasher)
  }
  dir.corrupt('leaf', 'full', 'room after a split', 'htree')
}

/** Makes room in the lowest full index block that has room above it, or a new level below a full root. */
function splitIndex(handle: Handle, path: DxPath): void {
  const { dir, nodes } = path
  let level = nodes.length - 1
  while (level > 0 && (nodes[level - 1] as DxNode).isFull) level--
  const full = nodes[level] as DxNode
  if (level === 0 && nodes.length >= maxLevels(dir.volume)) {
    throw new FsError(
      'ENOSPC',
      `directory ${dir.ino}: its index has reached ${nodes.length} levels and is full`,
    )
  }
  const { logical, node } = appendNode(handle, dir)
  full.modify(handle)
  if (level === 0) {
    full.deepen(node, logical)
    return
  }
  const half = full.count >>> 1
  const hash = full.hash(half)
  full.moveTail(node, half)
  const above = nodes[level - 1] as DxNode
  above.insert(handle, above.position + 1, hash, logical)
}

function appendNode(handle: Handle, dir: Inode): { logical: number; node: DxNode } {
  const appended = DxNode.append(handle, dir)
  refuseTooLarge(dir, appended.logical)
  return appended
}

function refuseTooLarge(dir: Inode, logical: number): void {
  if (logical > BLOCK_MASK) throw new FsError('ENOSPC', `directory ${dir.ino}: ${logical} blocks`)
}

/** Moves the half of a leaf's bytes with the greater hashes to a new leaf. */
function splitLeaf(handle: Handle, above: DxNode, leaf: BufferHead, hasher: DxHash): void {
  const { dir } = above
  modifyLeaf(handle, dir, leaf)
  const count = takeEntries(dir, leaf, 0, hasher)
  if (count < 2) dir.corrupt('leaf', `full with ${count} entries`, 'at least 2', 'htree')
  keys.subarray(0, count).sort()
  const split = median(count)
  const { logical, head } = appendBlock(handle, dir)
  refuseTooLarge(dir, logical)
  modifyLeaf(handle, dir, head)
  placeEntries(dir, leaf, 0, split)
  placeEntries(dir, head, split, count)
  const hash = Math.floor(keys[split]! / OFFSETS)
  const continued = hash === Math.floor(keys[split - 1]! / OFFSETS) ? 1 : 0
  above.insert(handle, above.position + 1, hash + continued, logical)
}

/** Where the sorted entries are cut so that both parts take about half of their bytes; 1 to count - 1. */
function median(count: number): number {
  let total = 0
  for (let index = 0; index < count; index++) total += sizeOf(index)
  let size = 0
  let split = 0
  while (split < count - 1 && size + sizeOf(split) / 2 <= total / 2) size += sizeOf(split++)
  return Math.max(split, 1)
}

const offsetOf = (index: number): number => keys[index]! % OFFSETS

function sizeOf(index: number): number {
  return entrySize(DirEntry.name_len.get(scratchView, offsetOf(index)))
}

/** Copies the block to the scratch and lists its entries from offset `from` on. Returns how many. */
function takeEntries(dir: Inode, leaf: BufferHead, from: number, hasher: DxHash): number {
  const end = leafEnd(dir.volume)
  scratch.set(leaf.bytes.subarray(leaf.at, leaf.at + dir.volume.blockSize))
  let count = 0
  for (let offset = from; offset < end; ) {
    const next = nextEntry(dir, leaf, offset, end)
    if (DirEntry.inode.get(scratchView, offset) !== 0) {
      const length = DirEntry.name_len.get(scratchView, offset)
      keys[count++] = hasher.compute(scratch, offset + DirEntry.SIZE, length) * OFFSETS + offset
    }
    offset = next
  }
  return count
}

/** Fills a leaf with the listed entries of [from, to), close together; the last one takes the rest of the block. */
function placeEntries(dir: Inode, leaf: BufferHead, from: number, to: number): void {
  const { bytes, view, at } = leaf
  const end = leafEnd(dir.volume)
  bytes.fill(0, at, at + end)
  let offset = 0
  for (let index = from; index < to; index++) {
    const source = offsetOf(index)
    const length = sizeOf(index)
    const name = DirEntry.SIZE + DirEntry.name_len.get(scratchView, source)
    bytes.set(scratch.subarray(source, source + name), at + offset)
    DirEntry.rec_len.set(view, at + offset, index + 1 < to ? length : end - offset)
    offset += length
  }
  if (offset === 0) formatLeaf(dir, leaf)
  formatTail(dir.volume, leaf)
}

/**
 * Makes the only block of a linear directory the root of an htree: its names move to a first leaf.
 * `names`: where the entries behind `..` begin. `parent`: what `..` names.
 */
export function makeIndexed(
  handle: Handle,
  dir: Inode,
  block: BufferHead,
  { names, parent }: { names: number; parent: number },
): void {
  const { volume } = dir
  const hashVersion = defaultHashVersion(volume)
  modifyLeaf(handle, dir, block)
  const { logical, head } = appendBlock(handle, dir)
  modifyLeaf(handle, dir, head)
  placeEntries(dir, head, 0, takeEntries(dir, block, names, dxHash(volume, hashVersion)))
  block.bytes.fill(0, block.at, block.at + volume.blockSize)
  DxNode.formatRoot(dir, block, { parent, hashVersion, leaf: logical })
  dir.modifyData(handle)
  dir.flags |= INDEX_FL
  DxNode.root(dir).modify(handle)
}

import type { BufferHead } from '../block/buffer-head.js'
import type { EntrySink } from '../vfs/file-system.js'
import { corruptEntry, dirBlocks, leafEnd, nextEntry, readLeaf } from './dir-block.js'
import { requireDirectory } from './dir-change.js'
import { DirEntry, direntType, FT_DIR } from './dir-entry.js'
import { parentInode } from './directory.js'
import { defaultHashVersion, dxHash } from './dx-hash.js'
import { HashOrder } from './hash-order.js'
import { DxPath, hashOf, isIndexed } from './htree.js'
import { DxNode } from './htree-node.js'
import { isInline } from './inline-data.js'
import { blockOffset, checkedRanges } from './inline-dir.js'
import type { Inode } from './inode.js'
import type { Volume } from './volume.js'

const DOT = Uint8Array.of(0x2e)
const DOT_DOT = Uint8Array.of(0x2e, 0x2e)

/** A cookie as two halves, to make a bigint without arithmetic on bigints. */
const halves = new Uint32Array(2)
const cookies = new BigUint64Array(halves.buffer)

/**
 * Gives the entries behind `cookie` to `sink` until it refuses one. As in ext4, an htree, and the directory of one
 * block that may become an htree, is read in the order of hashes, so that cookies hold while leaves are split;
 * memory then is bounded by one leaf (and those which continue it). Any other directory is read in the order of
 * offsets, and the cookie is the offset. A removed directory has no entries.
 *
 * Of several names with all 63 bits in common, each but the last has a cookie that leads back to the first: none is
 * lost when the walk is cut among them, some may come twice. At the start of a walk they are passed one by one, so
 * that it always goes on.
 */
export function readdir(volume: Volume, dir: Inode, cookie: bigint, sink: EntrySink): void {
  requireDirectory(dir)
  const blocks = dirBlocks(dir)
  if (blocks === 0 || dir.linksCount === 0) return
  if (volume.hasDirIndex && (isIndexed(dir) || blocks === 1)) readByHash(dir, cookie, sink)
  else if (isInline(dir)) readInline(dir, Number(cookie), sink)
  else readByOffset(dir, Number(cookie), sink)
}

/** By the offsets that the entries are to have in a block: cookies hold when the directory moves there. */
function readInline(dir: Inode, start: number, sink: EntrySink): void {
  const directory = direntType(FT_DIR)
  const { head } = dir
  const ranges = checkedRanges(dir)
  if (start <= 0 && !sink(DOT, dir.ino, directory, 1n)) return
  const names = blockOffset(ranges, ranges[0]!.from)
  if (start < names && !sink(DOT_DOT, parentInode(dir), directory, BigInt(names))) return
  for (const { from, end } of ranges) {
    for (let offset = from; offset < end; ) {
      const next = nextEntry(dir, head, offset, end)
      if (blockOffset(ranges, offset) >= start && DirEntry.inode.get(head.view, head.at + offset) !== 0) {
        if (!emit(dir, head, offset, sink, BigInt(blockOffset(ranges, next)))) return
      }
      offset = next
    }
  }
}

function readByOffset(dir: Inode, start: number, sink: EntrySink): void {
  const { blockSize } = dir.volume
  const end = leafEnd(dir.volume)
  for (let logical = Math.floor(start / blockSize); logical < dirBlocks(dir); logical++) {
    const base = logical * blockSize
    const head = readLeaf(dir, logical)
    for (let offset = 0; offset < end; ) {
      const next = nextEntry(dir, head, offset, end)
      // A walk may go on inside an entry that has grown over the one it stood before.
      if (base + offset >= start && DirEntry.inode.get(head.view, head.at + offset) !== 0) {
        if (!emit(dir, head, offset, sink, BigInt(base + next))) return
      }
      offset = next
    }
  }
}

function readByHash(dir: Inode, cookie: bigint, sink: EntrySink): void {
  const root = isIndexed(dir) ? DxNode.root(dir) : undefined
  const hash = root === undefined ? dxHash(dir.volume, defaultHashVersion(dir.volume)) : hashOf(root)
  const directory = direntType(FT_DIR)
  if (cookie <= 0n && !sink(DOT, dir.ino, directory, 1n)) return
  if (cookie <= 1n && !sink(DOT_DOT, parentInode(dir), directory, 2n)) return

  const from = cookie < 2n ? 2n : cookie
  const walk = { major: Number(from >> 32n), minor: Number(from & 0xffff_ffffn) }
  const order = new HashOrder(dir, hash)
  if (root === undefined) {
    if (isInline(dir))
      for (const range of checkedRanges(dir)) order.addRange(dir, dir.head, range, walk.major, walk.minor)
    else order.add(dir, readLeaf(dir, 0), walk.major, walk.minor)
    emitSorted(dir, order, walk, sink)
    return
  }
  const path = new DxPath(dir, root, (walk.major << 1) >>> 0)
  // A leaf is read once at most, else the tree has a loop.
  for (let bound = dirBlocks(dir); bound > 0; bound--) {
    order.add(dir, readLeaf(dir, path.leaf), walk.major, walk.minor)
    const next = path.nextHash
    if (next === undefined || (next & 1) === 0) {
      if (!emitSorted(dir, order, walk, sink) || next === undefined) return
      order.clear()
    }
    path.advance()
  }
  dir.corrupt('leaves', 'a loop', `at most ${dirBlocks(dir)}`, 'htree')
}

/** Moves `walk` behind each entry taken, so that what a damaged tree has elsewhere cannot lead it back. */
function emitSorted(
  dir: Inode,
  order: HashOrder,
  walk: { major: number; minor: number },
  sink: EntrySink,
): boolean {
  const { major: startMajor, minor: startMinor } = walk
  order.sort()
  for (let rank = 0; rank < order.count; rank++) {
    const major = order.major(rank)
    const minor = order.minor(rank)
    const atStart = major === startMajor && minor === startMinor
    if (atStart || !order.collides(rank)) setCookie(major, minor + 1)
    else setCookie(major, minor)
    if (!emit(dir, order.leaf(rank), order.offset(rank), sink, cookies[0]!)) return false
    walk.major = major
    walk.minor = minor + 1
  }
  return true
}

function setCookie(major: number, minor: number): void {
  const carry = minor > 0xffff_ffff
  halves[LOW] = minor
  halves[1 - LOW] = carry ? major + 1 : major
}

/** Which half of a 64-bit number comes first in memory. */
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1

function emit(dir: Inode, head: BufferHead, offset: number, sink: EntrySink, next: bigint): boolean {
  const { bytes, view } = head
  const at = head.at + offset
  const from = at + DirEntry.SIZE
  const to = from + DirEntry.name_len.get(view, at)
  for (let index = from; index < to; index++) {
    // A name like that would lead a careless reader out of the directory.
    if (bytes[index] === 0x2f || bytes[index] === 0)
      corruptEntry(dir, head, { field: 'name', offset }, 'slash or NUL', 'none')
  }
  return sink(
    bytes.subarray(from, to),
    DirEntry.inode.get(view, at),
    direntType(DirEntry.file_type.get(view, at)),
    next,
  )
}

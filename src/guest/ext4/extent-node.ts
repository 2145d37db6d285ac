import { CorruptError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { extentBlockChecksum } from './checksum.js'
import {
  ENTRY_SIZE,
  EXTENT_MAGIC,
  Extent,
  ExtentHeader,
  ExtentIdx,
  MAX_DEPTH,
  MAX_WRITTEN_LENGTH,
  ROOT_ENTRIES,
} from './extent.js'
import type { Inode } from './inode.js'
import { RawInode } from './raw-inode.js'

/** One node of an extent tree: the root in the inode, or a block. Entries are numbered from 0. */
export class ExtentNode {
  readonly inode: Inode
  readonly head: BufferHead
  /** Where the header stands in the block. */
  readonly offset: number
  readonly isRoot: boolean
  /** The entry that the way to the sought block goes through; -1 when it lies before the first. */
  position = -1

  private constructor(inode: Inode, head: BufferHead, offset: number, isRoot: boolean) {
    this.inode = inode
    this.head = head
    this.offset = offset
    this.isRoot = isRoot
  }

  static root(inode: Inode): ExtentNode {
    const node = new ExtentNode(inode, inode.head, inode.offset + RawInode.i_block.offset, true)
    node.#check(undefined, ROOT_ENTRIES)
    return node
  }

  /** The node in `block`, which must be `depth` levels above the leaves. */
  static inBlock(inode: Inode, block: number, depth: number): ExtentNode {
    if (!inode.volume.isValidBlock(block)) {
      inode.corrupt('ei_leaf', block, `below ${inode.volume.blocksCount}`, 'ext4_extent_idx')
    }
    const node = new ExtentNode(inode, inode.volume.cache.get(block), 0, false)
    if (!node.head.verified) {
      node.#check(depth, blockCapacity(inode))
      node.#verifyChecksum()
      node.head.verified = true
    } else if (node.depth !== depth) {
      node.#corrupt('eh_depth', node.depth, depth)
    }
    return node
  }

  /** A new, empty node in `block`. */
  static create(handle: Handle, inode: Inode, block: number, depth: number): ExtentNode {
    const node = new ExtentNode(inode, inode.volume.cache.get(block), 0, false)
    handle.getCreateAccess(node.head)
    inode.volume.checksums.extentBlock(handle, block, inode.checksumSeed)
    node.#format(depth, blockCapacity(inode))
    return node
  }

  /** Makes the root an empty leaf. The caller has write access to the inode. */
  static formatRoot(inode: Inode): void {
    const node = new ExtentNode(inode, inode.head, inode.offset + RawInode.i_block.offset, true)
    node.head.bytes.fill(0, node.#at, node.#at + RawInode.i_block.size)
    node.#format(0, ROOT_ENTRIES)
  }

  get #at(): number {
    return this.head.at + this.offset
  }

  #entry(index: number): number {
    return this.head.at + this.offset + ENTRY_SIZE * (index + 1)
  }

  get entries(): number {
    return ExtentHeader.eh_entries.get(this.head.view, this.#at)
  }

  get max(): number {
    return ExtentHeader.eh_max.get(this.head.view, this.#at)
  }

  get depth(): number {
    return ExtentHeader.eh_depth.get(this.head.view, this.#at)
  }

  set depth(value: number) {
    ExtentHeader.eh_depth.set(this.head.view, this.#at, value)
  }

  get isFull(): boolean {
    return this.entries >= this.max
  }

  /** To be called before each change. */
  modify(handle: Handle): void {
    if (this.isRoot) {
      this.inode.modifyData(handle)
      return
    }
    handle.getWriteAccess(this.head)
    this.inode.volume.checksums.extentBlock(handle, this.head.block, this.inode.checksumSeed)
    this.inode.syncTid = handle.tid
    this.inode.datasyncTid = handle.tid
  }

  /** First logical block of entry `index`: ee_block and ei_block stand at the same place. */
  key(index: number): number {
    return Extent.ee_block.get(this.head.view, this.#entry(index))
  }

  setKey(index: number, logical: number): void {
    Extent.ee_block.set(this.head.view, this.#entry(index), logical)
  }

  /** Blocks of leaf entry `index`. */
  length(index: number): number {
    const length = Extent.ee_len.get(this.head.view, this.#entry(index))
    return length > MAX_WRITTEN_LENGTH ? length - MAX_WRITTEN_LENGTH : length
  }

  isUnwritten(index: number): boolean {
    return Extent.ee_len.get(this.head.view, this.#entry(index)) > MAX_WRITTEN_LENGTH
  }

  /** First physical block of leaf entry `index`. */
  start(index: number): number {
    const at = this.#entry(index)
    return (
      Extent.ee_start_lo.get(this.head.view, at) + Extent.ee_start_hi.get(this.head.view, at) * 0x1_0000_0000
    )
  }

  setExtent(index: number, logical: number, start: number, length: number, unwritten: boolean): void {
    const at = this.#entry(index)
    Extent.ee_block.set(this.head.view, at, logical)
    Extent.ee_len.set(this.head.view, at, unwritten ? length + MAX_WRITTEN_LENGTH : length)
    Extent.ee_start_hi.set(this.head.view, at, Math.floor(start / 0x1_0000_0000))
    Extent.ee_start_lo.set(this.head.view, at, start >>> 0)
  }

  /** Block of the child of inner entry `index`. */
  child(index: number): number {
    const at = this.#entry(index)
    return (
      ExtentIdx.ei_leaf_lo.get(this.head.view, at) +
      ExtentIdx.ei_leaf_hi.get(this.head.view, at) * 0x1_0000_0000
    )
  }

  setChild(index: number, logical: number, block: number): void {
    const at = this.#entry(index)
    ExtentIdx.ei_block.set(this.head.view, at, logical)
    ExtentIdx.ei_leaf_lo.set(this.head.view, at, block >>> 0)
    ExtentIdx.ei_leaf_hi.set(this.head.view, at, Math.floor(block / 0x1_0000_0000))
    ExtentIdx.ei_unused.set(this.head.view, at, 0)
  }

  /** Opens a gap at `index`. The node must not be full. */
  openGap(index: number): void {
    const count = this.entries
    this.head.bytes.copyWithin(this.#entry(index + 1), this.#entry(index), this.#entry(count))
    this.#setEntries(count + 1)
  }

  closeGap(index: number): void {
    const count = this.entries
    this.head.bytes.copyWithin(this.#entry(index), this.#entry(index + 1), this.#entry(count))
    this.head.bytes.fill(0, this.#entry(count - 1), this.#entry(count))
    this.#setEntries(count - 1)
  }

  /** Moves the entries from `from` on to the end of `target`. */
  moveTail(from: number, target: ExtentNode): void {
    const count = this.entries
    const moved = this.head.bytes.subarray(this.#entry(from), this.#entry(count))
    const held = target.entries
    target.head.bytes.set(moved, target.#entry(held))
    target.#setEntries(held + count - from)
    this.head.bytes.fill(0, this.#entry(from), this.#entry(count))
    this.#setEntries(from)
  }

  /** Index of the last entry whose key is not above `logical`; -1 when all are. */
  search(logical: number): number {
    let low = 0
    let high = this.entries
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.key(middle) <= logical) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  #format(depth: number, max: number): void {
    const at = this.#at
    ExtentHeader.eh_magic.set(this.head.view, at, EXTENT_MAGIC)
    ExtentHeader.eh_entries.set(this.head.view, at, 0)
    ExtentHeader.eh_max.set(this.head.view, at, max)
    ExtentHeader.eh_depth.set(this.head.view, at, depth)
    ExtentHeader.eh_generation.set(this.head.view, at, 0)
  }

  #setEntries(count: number): void {
    ExtentHeader.eh_entries.set(this.head.view, this.#at, count)
  }

  #check(depth: number | undefined, capacity: number): void {
    const magic = ExtentHeader.eh_magic.get(this.head.view, this.#at)
    if (magic !== EXTENT_MAGIC) this.#corrupt('eh_magic', magic, EXTENT_MAGIC)
    if (this.max > capacity || this.max === 0) this.#corrupt('eh_max', this.max, `1 to ${capacity}`)
    if (this.entries > this.max) this.#corrupt('eh_entries', this.entries, `at most ${this.max}`)
    if (depth === undefined ? this.depth > MAX_DEPTH : this.depth !== depth) {
      this.#corrupt('eh_depth', this.depth, depth ?? `at most ${MAX_DEPTH}`)
    }
    if (!this.isRoot) this.#checkEntries()
  }

  #checkEntries(): void {
    const { blocksCount } = this.inode.volume
    let next = 0
    for (let index = 0; index < this.entries; index++) {
      if (this.key(index) < next)
        this.#corrupt(`ee_block of entry ${index}`, this.key(index), `at least ${next}`)
      if (this.depth > 0) {
        next = this.key(index) + 1
        continue
      }
      next = this.key(index) + this.length(index)
      if (this.length(index) === 0) this.#corrupt(`ee_len of entry ${index}`, 0, 'at least 1')
      if (this.start(index) + this.length(index) > blocksCount || this.start(index) === 0) {
        this.#corrupt(`ee_start of entry ${index}`, this.start(index), `1 to ${blocksCount}`)
      }
    }
    if (this.entries === 0) this.#corrupt('eh_entries', 0, 'at least 1')
  }

  #verifyChecksum(): void {
    const { volume, checksumSeed } = this.inode
    if (!volume.hasMetadataCsum) return
    const tail = ENTRY_SIZE * (this.max + 1)
    const expected = extentBlockChecksum(checksumSeed, this.head.bytes, this.#at, tail)
    const found = this.head.view.getUint32(this.#at + tail, true)
    if (found !== expected) this.#corrupt('et_checksum', found, expected, 'EBADMSG')
  }

  #corrupt(
    field: string,
    found: number | string,
    expected: number | string,
    code: 'EUCLEAN' | 'EBADMSG' = 'EUCLEAN',
  ): never {
    const place = { structure: 'ext4_extent_header', ino: this.inode.ino, block: this.head.block }
    throw new CorruptError({ ...place, field, found, expected }, code)
  }
}

/** Entries of a tree block; the checksum tail has its place behind them. */
function blockCapacity(inode: Inode): number {
  return Math.floor((inode.volume.blockSize - ENTRY_SIZE - 4) / ENTRY_SIZE)
}

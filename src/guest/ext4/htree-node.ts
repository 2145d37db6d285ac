import { CorruptError } from '../../../lib/errno.js'
import { layout, le16, le32, u8 } from '../../../lib/layout.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { dirIndexChecksum } from './checksum.js'
import { dirBlock, dirBlocks, entryType } from './dir-block.js'
import { DirEntry } from './dir-entry.js'
import { DX_HASH_TEA } from './dx-hash.js'
import { appendBlock } from './file-blocks.js'
import type { Inode } from './inode.js'
import type { Volume } from './volume.js'

/** struct dx_root without its entries. Kernel docs: ext4, "Hash Tree Directories". Little-endian. */
export const DxRoot = layout('dx_root', 0x20, {
  dot_inode: le32(0x0),
  dot_rec_len: le16(0x4),
  dot_name_len: u8(0x6),
  dot_file_type: u8(0x7),
  dot_name: le32(0x8),
  dotdot_inode: le32(0xc),
  dotdot_rec_len: le16(0x10),
  dotdot_name_len: u8(0x12),
  dotdot_file_type: u8(0x13),
  dotdot_name: le32(0x14),
  reserved_zero: le32(0x18),
  hash_version: u8(0x1c),
  info_length: u8(0x1d),
  indirect_levels: u8(0x1e),
  unused_flags: u8(0x1f),
})

/** struct dx_countlimit: in the place of the first entry's hash, which is 0 by definition. */
export const DxCountLimit = layout('dx_countlimit', 4, { limit: le16(0x0), count: le16(0x2) })

/** struct dx_entry */
export const DxEntry = layout('dx_entry', 8, { hash: le32(0x0), block: le32(0x4) })

/** struct dx_tail: behind the last possible entry, with metadata_csum. */
export const DxTail = layout('dx_tail', 8, { dt_reserved: le32(0x0), dt_checksum: le32(0x4) })

const INFO_LENGTH = DxRoot.SIZE - DxRoot.reserved_zero.offset
const ROOT_ENTRIES = DxRoot.SIZE
/** The entries of a node stand behind the head of an unused directory entry that spans the block. */
const NODE_ENTRIES = DirEntry.SIZE
/** The high bits of dx_entry.block are reserved. */
export const BLOCK_MASK = 0x0fff_ffff

/** Levels of index blocks, the root included: EXT4_HTREE_LEVEL_COMPAT, EXT4_HTREE_LEVEL with large_dir. */
export function maxLevels(volume: Volume): number {
  return volume.hasLargeDir ? 3 : 2
}

/** An index block of an htree, and the entry taken on the way down. Entries are numbered from 0. */
export class DxNode {
  readonly dir: Inode
  readonly head: BufferHead
  /** Where the entries begin in the block. */
  readonly #entries: number
  /** The entry taken. */
  position = 0

  private constructor(dir: Inode, head: BufferHead, entries: number) {
    this.dir = dir
    this.head = head
    this.#entries = entries
  }

  /** The root, block 0 of the directory, checked. */
  static root(dir: Inode): DxNode {
    const node = new DxNode(dir, dirBlock(dir, 0), ROOT_ENTRIES)
    const { view, at } = node.head
    node.#expect('info_length', DxRoot.info_length.get(view, at), INFO_LENGTH, INFO_LENGTH)
    node.#expect('hash_version', DxRoot.hash_version.get(view, at), 0, DX_HASH_TEA)
    node.#expect('unused_flags', DxRoot.unused_flags.get(view, at) & 1, 0, 0)
    node.#expect('indirect_levels', node.indirectLevels, 0, maxLevels(dir.volume) - 1)
    node.#check()
    return node
  }

  /** A checked node below the root. */
  static inner(dir: Inode, logical: number): DxNode {
    const node = new DxNode(dir, dirBlock(dir, logical), NODE_ENTRIES)
    node.#check()
    return node
  }

  /** A new, empty node at the end of the directory. */
  static append(handle: Handle, dir: Inode): { logical: number; node: DxNode } {
    const { logical, head } = appendBlock(handle, dir)
    const node = new DxNode(dir, head, NODE_ENTRIES)
    node.modify(handle)
    DirEntry.rec_len.set(head.view, head.at, dir.volume.blockSize)
    node.#format()
    return { logical, node }
  }

  /** Makes an all-zero block 0 a root with the one leaf `logical`. The caller has write access. */
  static formatRoot(
    dir: Inode,
    head: BufferHead,
    root: { parent: number; hashVersion: number; leaf: number },
  ): void {
    const { view, at } = head
    DxRoot.dot_inode.set(view, at, dir.ino)
    DxRoot.dot_rec_len.set(view, at, 12)
    DxRoot.dot_name_len.set(view, at, 1)
    DxRoot.dot_file_type.set(view, at, entryType(dir))
    DxRoot.dot_name.set(view, at, 0x2e)
    DxRoot.dotdot_inode.set(view, at, root.parent)
    DxRoot.dotdot_rec_len.set(view, at, dir.volume.blockSize - 12)
    DxRoot.dotdot_name_len.set(view, at, 2)
    DxRoot.dotdot_file_type.set(view, at, entryType(dir))
    DxRoot.dotdot_name.set(view, at, 0x2e2e)
    DxRoot.hash_version.set(view, at, root.hashVersion)
    DxRoot.info_length.set(view, at, INFO_LENGTH)
    const node = new DxNode(dir, head, ROOT_ENTRIES)
    node.#format()
    node.#count = 1
    node.#setBlock(0, root.leaf)
  }

  get hashVersion(): number {
    return DxRoot.hash_version.get(this.head.view, this.head.at)
  }

  /** Levels of inner nodes between the root and the leaves. */
  get indirectLevels(): number {
    return DxRoot.indirect_levels.get(this.head.view, this.head.at)
  }

  get count(): number {
    return DxCountLimit.count.get(this.head.view, this.head.at + this.#entries)
  }

  set #count(value: number) {
    DxCountLimit.count.set(this.head.view, this.head.at + this.#entries, value)
  }

  get isFull(): boolean {
    return this.count >= this.#capacity
  }

  /** The least hash below entry `index`; bit 0 is set when names of that hash stand in the leaf before, too. */
  hash(index: number): number {
    return index === 0 ? 0 : DxEntry.hash.get(this.head.view, this.#at(index))
  }

  /** Logical block of entry `index`. Throws CorruptError when the directory has no such block. */
  block(index: number): number {
    const block = DxEntry.block.get(this.head.view, this.#at(index)) & BLOCK_MASK
    if (block === 0 || block >= dirBlocks(this.dir)) {
      this.#expect(`block of entry ${index}`, block, 1, dirBlocks(this.dir) - 1)
    }
    return block
  }

  /** Position of the last entry whose hash is not above `hash`. */
  search(hash: number): number {
    let low = 0
    for (let high = this.count - 1; low < high; ) {
      const middle = (low + high + 1) >>> 1
      if (this.hash(middle) > hash) high = middle - 1
      else low = middle
    }
    return low
  }

  /** To be called before each change. */
  modify(handle: Handle): void {
    const { dir, head } = this
    handle.getWriteAccess(head)
    dir.volume.checksums.dirIndex(handle, head.block, dir.checksumSeed, this.#entries)
    dir.syncTid = handle.tid
    dir.datasyncTid = handle.tid
  }

  /** Inserts an entry at `index`, above 0; there must be room. */
  insert(handle: Handle, index: number, hash: number, block: number): void {
    this.modify(handle)
    const { bytes } = this.head
    const count = this.count
    bytes.copyWithin(this.#at(index + 1), this.#at(index), this.#at(count))
    this.#count = count + 1
    DxEntry.hash.set(this.head.view, this.#at(index), hash)
    this.#setBlock(index, block)
  }

  /** Moves the entries from `index` to the empty node `to`. Both are being modified. */
  moveTail(to: DxNode, index: number): void {
    const count = this.count
    to.head.bytes.set(this.head.bytes.subarray(this.#at(index), this.#at(count)), to.#at(0))
    to.#count = count - index
    to.#limit = to.#capacity
    this.#count = index
  }

  /** Moves all entries of this root to the empty node `to` at `logical`, which becomes its only entry. */
  deepen(to: DxNode, logical: number): void {
    this.moveTail(to, 0)
    this.#count = 1
    this.#setBlock(0, logical)
    DxRoot.indirect_levels.set(this.head.view, this.head.at, this.indirectLevels + 1)
  }

  get #capacity(): number {
    const { volume } = this.dir
    const tail = volume.hasMetadataCsum ? DxTail.SIZE : 0
    return Math.floor((volume.blockSize - this.#entries - tail) / DxEntry.SIZE)
  }

  get #limit(): number {
    return DxCountLimit.limit.get(this.head.view, this.head.at + this.#entries)
  }

  set #limit(value: number) {
    DxCountLimit.limit.set(this.head.view, this.head.at + this.#entries, value)
  }

  #at(index: number): number {
    return this.head.at + this.#entries + index * DxEntry.SIZE
  }

  #setBlock(index: number, block: number): void {
    DxEntry.block.set(this.head.view, this.#at(index), block)
  }

  #format(): void {
    this.#limit = this.#capacity
    this.#count = 0
  }

  /** What keeps walks in bounds each time; checksum and order once. */
  #check(): void {
    this.#expect('limit', this.#limit, this.#capacity, this.#capacity)
    this.#expect('count', this.count, 1, this.#capacity)
    if (this.head.verified) return
    this.#verifyChecksum()
    for (let index = 2; index < this.count; index++) {
      if (this.hash(index) < this.hash(index - 1)) {
        this.#expect(`hash of entry ${index}`, this.hash(index), this.hash(index - 1), 0xffff_ffff)
      }
    }
    this.head.verified = true
  }

  #verifyChecksum(): void {
    const { dir, head } = this
    if (!dir.volume.hasMetadataCsum) return
    const where = { countOffset: this.#entries, count: this.count, limit: this.#limit }
    const found = DxTail.dt_checksum.get(head.view, this.#at(where.limit))
    const expected = dirIndexChecksum(dir.checksumSeed, head.bytes, head.at, where)
    if (found === expected) return
    const place = { structure: DxTail.NAME, ino: dir.ino, block: head.block, field: 'dt_checksum' }
    throw new CorruptError({ ...place, found, expected }, 'EBADMSG')
  }

  #expect(field: string, found: number, least: number, most: number): void {
    if (found >= least && found <= most) return
    const structure = this.#entries === ROOT_ENTRIES ? DxRoot.NAME : 'dx_node'
    const expected = least === most ? least : `${least} to ${most}`
    throw new CorruptError({ structure, ino: this.dir.ino, block: this.head.block, field, found, expected })
  }
}

import { CorruptError, UnsupportedError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { appendBlock, mapBlock } from './file-blocks.js'
import type { Inode } from './inode.js'
import {
  DiskDqblk,
  ENTRIES_PER_BLOCK,
  EntryBlockHeader,
  isUnusedEntry,
  QUOTA_BLOCK,
  QUOTA_TYPES,
  QUOTA_VERSION,
  QuotaHeader,
  TREE_DEPTH,
  TREE_ROOT,
  treeIndex,
} from './quota-format.js'

/** A place in a block of the file; it begins at `head.at + offset`. */
export interface QuotaPlace {
  readonly head: BufferHead
  readonly offset: number
}

/**
 * One quota file: finds the entry of an id, and makes one where there is none. Its blocks are journaled with the
 * operation that changes them. Entries stay where they are until they are removed.
 */
export class QuotaFile {
  readonly #inode: Inode
  /** Byte of the file where the entry of an id stands. */
  readonly #places = new Map<number, number>()

  /** Throws CorruptError unless the inode is a quota file of `type` (index of QUOTA_TYPES), UnsupportedError for another revision. */
  constructor(inode: Inode, type: number) {
    this.#inode = inode
    const { head, offset } = this.#block(0)
    const at = head.at + offset
    const { name, magic } = QUOTA_TYPES[type] as (typeof QUOTA_TYPES)[number]
    const found = QuotaHeader.dqh_magic.get(head.view, at)
    if (found !== magic) this.#corrupt('dqh_magic', found, `${magic}, a ${name} quota file`)
    const version = QuotaHeader.dqh_version.get(head.view, at)
    if (version !== QUOTA_VERSION)
      throw new UnsupportedError('quota file not supported', [`revision ${version}`])
    const most = Math.floor(inode.size / QUOTA_BLOCK)
    if (this.#blocks <= TREE_ROOT || this.#blocks > most)
      this.#corrupt('dqi_blocks', this.#blocks, `2 to ${most}`)
  }

  /** Seconds for which a soft limit may be passed. */
  get spaceGrace(): number {
    const { head, offset } = this.#block(0)
    return QuotaHeader.dqi_bgrace.get(head.view, head.at + offset)
  }

  get inodeGrace(): number {
    const { head, offset } = this.#block(0)
    return QuotaHeader.dqi_igrace.get(head.view, head.at + offset)
  }

  /** The entry of `id`; undefined when it never used anything and has no limits. */
  find(id: number): QuotaPlace | undefined {
    const known = this.#places.get(id)
    if (known !== undefined) return this.#place(known)
    let number = TREE_ROOT
    for (let level = 0; level < TREE_DEPTH; level++) {
      number = this.#reference(number, id, level)
      if (number === 0) return undefined
    }
    const byte = this.#search(number, (view, at) => {
      return DiskDqblk.dqb_id.get(view, at) === id && !isUnusedEntry(view, at)
    })
    if (byte === undefined) this.#corrupt(`block ${number}`, 'other entries', `one of id ${id}`)
    this.#places.set(id, byte)
    return this.#place(byte)
  }

  /** The entry of `id` with write access in `handle`; a new one when there is none. Throws ENOSPC. */
  modify(handle: Handle, id: number): QuotaPlace {
    const place = this.find(id) ?? this.#insert(handle, id)
    handle.getWriteAccess(place.head)
    return place
  }

  /** Takes the entry of `id` away, and what of the tree led to it alone. The entry must be there. */
  remove(handle: Handle, id: number): void {
    const nodes: number[] = [TREE_ROOT]
    for (let level = 0; level < TREE_DEPTH; level++) nodes.push(this.#reference(nodes[level]!, id, level))
    const entries = nodes.pop()!
    const { head, offset } = this.modify(handle, id)
    head.bytes.fill(0, head.at + offset, head.at + offset + DiskDqblk.SIZE)
    const byte = this.#places.get(id)!
    this.#places.delete(id)
    handle.onRevert(() => this.#places.set(id, byte))
    this.#uncountEntry(handle, entries)
    for (let level = TREE_DEPTH - 1; level >= 0; level--) {
      const number = nodes[level]!
      const node = this.#block(number)
      handle.getWriteAccess(node.head)
      const at = node.head.at + node.offset
      node.head.view.setUint32(at + 4 * treeIndex(id, level), 0, true)
      if (number === TREE_ROOT || node.head.bytes.subarray(at, at + QUOTA_BLOCK).some((byte) => byte !== 0))
        return
      this.#freeBlock(handle, number)
    }
  }

  #insert(handle: Handle, id: number): QuotaPlace {
    const entries = this.#entryBlock(handle)
    const byte = this.#search(entries, isUnusedEntry)
    if (byte === undefined)
      this.#corrupt(`block ${entries}`, 'no free entry', 'one, as dqi_free_entry names it')
    this.#countEntry(handle, entries)
    const place = this.#place(byte)
    handle.getWriteAccess(place.head)
    DiskDqblk.dqb_id.set(place.head.view, place.head.at + place.offset, id)
    // Of id 0 an entry of zeroes would look unused; Linux marks it in the same way.
    if (id === 0) DiskDqblk.dqb_itime.set(place.head.view, place.head.at + place.offset, 1)
    let number = TREE_ROOT
    for (let level = 0; level < TREE_DEPTH; level++) {
      let next = this.#reference(number, id, level)
      if (next === 0) {
        next = level === TREE_DEPTH - 1 ? entries : this.#newBlock(handle)
        const { head, offset } = this.#block(number)
        handle.getWriteAccess(head)
        head.view.setUint32(head.at + offset + 4 * treeIndex(id, level), next, true)
      }
      number = next
    }
    this.#places.set(id, byte)
    handle.onRevert(() => this.#places.delete(id))
    return place
  }

  /** A block of entries with room. */
  #entryBlock(handle: Handle): number {
    const known = this.#header('dqi_free_entry')
    if (known !== 0) return this.#checked(known)
    const number = this.#newBlock(handle)
    this.#setHeader(handle, 'dqi_free_entry', number)
    return number
  }

  /** One more entry of a block that heads the list of those with room; when it is full, it leaves the list. */
  #countEntry(handle: Handle, number: number): void {
    const { head, offset } = this.#block(number)
    handle.getWriteAccess(head)
    const at = head.at + offset
    const entries = EntryBlockHeader.dqdh_entries.get(head.view, at) + 1
    EntryBlockHeader.dqdh_entries.set(head.view, at, entries)
    if (entries < ENTRIES_PER_BLOCK) return
    const next = EntryBlockHeader.dqdh_next_free.get(head.view, at)
    EntryBlockHeader.dqdh_next_free.set(head.view, at, 0)
    this.#setHeader(handle, 'dqi_free_entry', next)
    if (next === 0) return
    const behind = this.#block(this.#checked(next))
    handle.getWriteAccess(behind.head)
    EntryBlockHeader.dqdh_prev_free.set(behind.head.view, behind.head.at + behind.offset, 0)
  }

  /** One entry fewer of a block: it has room now, and when it has no other it is a block to be used anew. */
  #uncountEntry(handle: Handle, number: number): void {
    const { head, offset } = this.#block(number)
    handle.getWriteAccess(head)
    const at = head.at + offset
    const entries = EntryBlockHeader.dqdh_entries.get(head.view, at)
    if (entries < 1 || entries > ENTRIES_PER_BLOCK)
      this.#corrupt('dqdh_entries', entries, `1 to ${ENTRIES_PER_BLOCK}`)
    EntryBlockHeader.dqdh_entries.set(head.view, at, entries - 1)
    const next = EntryBlockHeader.dqdh_next_free.get(head.view, at)
    const previous = EntryBlockHeader.dqdh_prev_free.get(head.view, at)
    if (entries === 1) {
      if (previous !== 0) this.#link(handle, previous, 'dqdh_next_free', next)
      else if (this.#header('dqi_free_entry') === number) this.#setHeader(handle, 'dqi_free_entry', next)
      if (next !== 0) this.#link(handle, next, 'dqdh_prev_free', previous)
      this.#freeBlock(handle, number)
    } else if (entries === ENTRIES_PER_BLOCK) {
      const first = this.#header('dqi_free_entry')
      EntryBlockHeader.dqdh_next_free.set(head.view, at, first)
      EntryBlockHeader.dqdh_prev_free.set(head.view, at, 0)
      if (first !== 0) this.#link(handle, first, 'dqdh_prev_free', number)
      this.#setHeader(handle, 'dqi_free_entry', number)
    }
  }

  #link(handle: Handle, number: number, field: 'dqdh_next_free' | 'dqdh_prev_free', to: number): void {
    const { head, offset } = this.#block(this.#checked(number))
    handle.getWriteAccess(head)
    EntryBlockHeader[field].set(head.view, head.at + offset, to)
  }

  /** To the list of unused blocks. */
  #freeBlock(handle: Handle, number: number): void {
    const { head, offset } = this.#block(number)
    handle.getWriteAccess(head)
    const at = head.at + offset
    head.bytes.fill(0, at, at + QUOTA_BLOCK)
    EntryBlockHeader.dqdh_next_free.set(head.view, at, this.#header('dqi_free_blk'))
    this.#setHeader(handle, 'dqi_free_blk', number)
  }

  /** A block of zeroes: an unused one, or the file grows. */
  #newBlock(handle: Handle): number {
    const unused = this.#header('dqi_free_blk')
    if (unused !== 0) {
      const { head, offset } = this.#block(this.#checked(unused))
      const next = EntryBlockHeader.dqdh_next_free.get(head.view, head.at + offset)
      handle.getWriteAccess(head)
      head.bytes.fill(0, head.at + offset, head.at + offset + QUOTA_BLOCK)
      this.#setHeader(handle, 'dqi_free_blk', next)
      return unused
    }
    const inode = this.#inode
    const { blockSize } = inode.volume
    const number = this.#blocks
    const end = (number + 1) * QUOTA_BLOCK
    const size = Math.max(inode.size, end)
    if (end > Math.ceil(inode.size / blockSize) * blockSize) appendBlock(handle, inode)
    inode.modifyData(handle)
    inode.size = size
    this.#setHeader(handle, 'dqi_blocks', number + 1)
    const { head, offset } = this.#block(number)
    handle.getWriteAccess(head)
    head.bytes.fill(0, head.at + offset, head.at + offset + QUOTA_BLOCK)
    return number
  }

  get #blocks(): number {
    return this.#header('dqi_blocks')
  }

  #header(field: 'dqi_blocks' | 'dqi_free_blk' | 'dqi_free_entry'): number {
    const { head, offset } = this.#block(0)
    return QuotaHeader[field].get(head.view, head.at + offset)
  }

  #setHeader(handle: Handle, field: 'dqi_blocks' | 'dqi_free_blk' | 'dqi_free_entry', value: number): void {
    const { head, offset } = this.#block(0)
    handle.getWriteAccess(head)
    QuotaHeader[field].set(head.view, head.at + offset, value)
  }

  /** The block that node `number` of `level` names for `id`; 0: none. */
  #reference(number: number, id: number, level: number): number {
    const { head, offset } = this.#block(number)
    const next = head.view.getUint32(head.at + offset + 4 * treeIndex(id, level), true)
    return next === 0 ? 0 : this.#checked(next)
  }

  /** Byte of the first entry of a block that `matches`. */
  #search(number: number, matches: (view: DataView, at: number) => boolean): number | undefined {
    const { head, offset } = this.#block(number)
    for (let index = 0; index < ENTRIES_PER_BLOCK; index++) {
      const place = EntryBlockHeader.SIZE + index * DiskDqblk.SIZE
      if (matches(head.view, head.at + offset + place)) return number * QUOTA_BLOCK + place
    }
    return undefined
  }

  #checked(number: number): number {
    if (number <= TREE_ROOT || number >= this.#blocks)
      this.#corrupt('block number', number, `${TREE_ROOT + 1} to ${this.#blocks - 1}`)
    return number
  }

  #block(number: number): QuotaPlace {
    return this.#place(number * QUOTA_BLOCK)
  }

  #place(byte: number): QuotaPlace {
    const { blockSize, cache } = this.#inode.volume
    const block = mapBlock(this.#inode, Math.floor(byte / blockSize))
    if (block === 0) this.#corrupt(`byte ${byte}`, 'a hole', 'a block')
    return { head: cache.get(block), offset: byte % blockSize }
  }

  #corrupt(field: string, found: number | string, expected: string): never {
    throw new CorruptError({ structure: 'quota file', ino: this.#inode.ino, field, found, expected })
  }
}

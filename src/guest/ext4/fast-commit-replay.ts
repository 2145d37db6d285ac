import { CorruptError } from '../../../lib/errno.js'
import { layout, le32 } from '../../../lib/layout.js'
import type { Handle } from '../jbd2/handle.js'
import type { BlockRun } from './block-allocator.js'
import { entryType } from './dir-block.js'
import { countSubdirectory, uncountSubdirectory } from './dir-change.js'
import { addEntry, entryInode, findEntry, initDirectory, removeEntry } from './directory.js'
import { evict } from './evict.js'
import { Extent, MAX_LOGICAL_BLOCK, MAX_WRITTEN_LENGTH } from './extent.js'
import { storeFastCommitInode } from './fast-commit-inode.js'
import {
  type FastCommitTag,
  FC_TAG_ADD_RANGE,
  FC_TAG_CREAT,
  FC_TAG_DEL_RANGE,
  FC_TAG_INODE,
  FC_TAG_LINK,
} from './fast-commit-tag.js'
import { freeRange } from './file-blocks.js'
import { findMapping, insertMapping, removeLastMapping } from './file-map.js'
import type { Inode } from './inode.js'
import type { Mapping } from './mapping.js'
import { touchModified } from './timestamps.js'
import type { Volume } from './volume.js'

/** struct ext4_fc_del_range; the first field of all but those of names is the inode's number. */
const FcRange = layout('ext4_fc_del_range', 12, { fc_ino: le32(0x0), fc_lblk: le32(0x4), fc_len: le32(0x8) })
/** struct ext4_fc_add_range has an ext4_extent behind the number. */
const EXTENT = 4
/** struct ext4_fc_dentry_info without the name. */
const FcDentry = layout('ext4_fc_dentry_info', 8, { fc_parent_ino: le32(0x0), fc_ino: le32(0x4) })

/**
 * Does again what fast commits say, in one handle, so that a crash meanwhile leaves all or nothing of it. The tags tell
 * the outcome and not the way: of ranges and inodes what they are at last, of names one by one.
 */
export class FastCommitReplay {
  readonly #volume: Volume
  readonly #handle: Handle
  /** Names of each directory that was made, moved or removed; not counting, a directory has one. */
  readonly #names = new Map<number, number>()
  readonly #changed = new Set<number>()
  /** Blocks of ranges, taken before all else so that nothing else gets them; by tag, until they have an owner. */
  readonly #taken = new Map<FastCommitTag, readonly BlockRun[]>()

  constructor(volume: Volume, handle: Handle) {
    this.#volume = volume
    this.#handle = handle
  }

  /** Throws CorruptError for what cannot be, ENOSPC when it is more than the journal holds. */
  run(tags: readonly FastCommitTag[]): void {
    for (const tag of tags) if (tag.tag === FC_TAG_ADD_RANGE) this.#take(tag)
    for (const tag of tags) this.#replay(tag)
    for (const runs of this.#taken.values()) {
      for (const { start, count } of runs) this.#volume.blockAllocator.free(this.#handle, start, count)
    }
    for (const ino of this.#changed) {
      const inode = this.#inode(ino)
      if (inode !== undefined && inode.linksCount === 0) this.#evict(inode)
    }
  }

  #replay(tag: FastCommitTag): void {
    switch (tag.tag) {
      case FC_TAG_INODE: {
        const ino = this.#checked(FcRange.fc_ino.get(tag.view, tag.at))
        if (storeFastCommitInode(this.#volume, this.#handle, ino, tag) !== undefined) this.#changed.add(ino)
        return
      }
      case FC_TAG_ADD_RANGE:
        this.#addRange(tag)
        return
      case FC_TAG_DEL_RANGE:
        this.#removeRange(tag)
        return
      default:
        this.#name(tag)
    }
  }

  #take(tag: FastCommitTag): void {
    const volume = this.#volume
    const { physical, length } = extentOf(tag)
    if (!volume.isValidBlock(physical) || !volume.isValidBlock(physical + length - 1))
      throw corrupt('fc_ex', `${physical}+${length}`, `below ${volume.blocksCount}`)
    this.#taken.set(tag, volume.blockAllocator.claim(this.#handle, physical, length))
  }

  #addRange(tag: FastCommitTag): void {
    const inode = this.#inode(FcRange.fc_ino.get(tag.view, tag.at))
    if (inode === undefined) return
    this.#taken.delete(tag)
    const { logical, physical, length, unwritten } = extentOf(tag)
    for (let done = 0; done < length; ) {
      const found = findMapping(inode, logical + done)
      const count = Math.min(found.length, length - done)
      this.#map(inode, found, {
        logical: logical + done,
        physical: physical + done,
        length: count,
        unwritten,
      })
      done += count
    }
  }

  /** `found` becomes `wanted`, which begins where it does and is no longer. */
  #map(inode: Inode, found: Mapping, wanted: Mapping): void {
    const handle = this.#handle
    const { blockAllocator, blockSize } = this.#volume
    const { logical, length } = wanted
    if (found.physical === wanted.physical && found.unwritten === wanted.unwritten) return
    inode.modifyData(handle)
    if (found.physical === 0) inode.addBlocks(handle, length * (blockSize / 512))
    else {
      removeLastMapping(handle, inode, logical, logical + length)
      if (found.physical !== wanted.physical) blockAllocator.free(handle, found.physical, length)
    }
    insertMapping(handle, inode, wanted)
  }

  #removeRange({ view, at }: FastCommitTag): void {
    const inode = this.#inode(FcRange.fc_ino.get(view, at))
    if (inode === undefined) return
    const from = FcRange.fc_lblk.get(view, at)
    const to = Math.min(from + FcRange.fc_len.get(view, at), MAX_LOGICAL_BLOCK + 1)
    freeRange(this.#handle, inode, from, to, inode.isDirectory)
  }

  #name({ tag, view, bytes, at, length }: FastCommitTag): void {
    const parent = FcDentry.fc_parent_ino.get(view, at)
    const dir = this.#inode(parent)
    const inode = this.#inode(FcDentry.fc_ino.get(view, at))
    // Deleted since, by a transaction that a later fast commit tells the rest of.
    if (dir === undefined || inode === undefined) return
    if (!dir.isDirectory) throw corrupt('fc_parent_ino', parent, 'a directory')
    const name = bytes.subarray(at + FcDentry.SIZE, at + length)
    const place = findEntry(dir, name)
    const isThere = place !== undefined && entryInode(dir, place) === inode.ino
    if (tag === FC_TAG_CREAT || tag === FC_TAG_LINK) {
      if (place !== undefined) {
        if (!isThere) throw corrupt('fc_dname', 'the name of another inode', 'a new name')
        return
      }
      if (tag === FC_TAG_CREAT) this.#create(inode, parent)
      else this.#count(inode, 1)
      touchModified(this.#handle, dir)
      if (inode.isDirectory) countSubdirectory(this.#handle, dir)
      addEntry(this.#handle, dir, { ino: inode.ino, name, type: entryType(inode) })
    } else if (place !== undefined && isThere) {
      touchModified(this.#handle, dir)
      removeEntry(this.#handle, dir, place)
      if (inode.isDirectory) uncountSubdirectory(this.#handle, dir)
      this.#count(inode, -1)
      if (inode.linksCount === 0) this.#evict(inode)
    }
  }

  #create(inode: Inode, parent: number): void {
    inode.modify(this.#handle)
    inode.linksCount = inode.isDirectory ? 2 : 1
    if (inode.isDirectory && inode.size === 0) initDirectory(this.#handle, inode, parent)
  }

  /** One link more or less. Of a directory i_links_count counts something else, and its last name is its end. */
  #count(inode: Inode, change: number): void {
    inode.modify(this.#handle)
    if (!inode.isDirectory) {
      inode.linksCount = Math.max(0, inode.linksCount + change)
      return
    }
    const names = (this.#names.get(inode.ino) ?? 1) + change
    this.#names.set(inode.ino, names)
    if (names === 0) inode.linksCount = 0
  }

  #evict(inode: Inode): void {
    // Without a journal set for it the volume has no transaction that could be too full for all of this.
    if (!evict(this.#handle, inode)) throw corrupt('inode', inode.ino, 'to be freed')
  }

  /** The inode if it is in use. */
  #inode(ino: number): Inode | undefined {
    const { inodeAllocator, inodeCache } = this.#volume
    return inodeAllocator.isAllocated(this.#checked(ino)) ? inodeCache.get(ino) : undefined
  }

  #checked(ino: number): number {
    const { inodesCount } = this.#volume
    if (ino < 1 || ino > inodesCount) throw corrupt('fc_ino', ino, `1 to ${inodesCount}`)
    return ino
  }
}

function extentOf({ view, at }: FastCommitTag): Mapping {
  const extent = at + EXTENT
  const length = Extent.ee_len.get(view, extent)
  const unwritten = length > MAX_WRITTEN_LENGTH
  return {
    logical: Extent.ee_block.get(view, extent),
    physical: Extent.ee_start_lo.get(view, extent) + Extent.ee_start_hi.get(view, extent) * 0x1_0000_0000,
    length: unwritten ? length - MAX_WRITTEN_LENGTH : length,
    unwritten,
  }
}

function corrupt(field: string, found: number | string, expected: string): CorruptError {
  return new CorruptError({ structure: 'fast commit', field, found, expected })
}

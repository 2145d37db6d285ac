import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { XATTR_CREATE, XATTR_REPLACE, XATTR_SIZE_MAX } from '../vfs/xattr.js'
import { createEaInode, eaInodeHash, hasEaInodes, readEaInode } from './ea-inode.js'
import { COMPAT } from './features.js'
import { convertInline } from './inline-convert.js'
import { isInline } from './inline-data.js'
import type { Inode } from './inode.js'
import { SuperBlock } from './superblock.js'
import { touchChanged } from './timestamps.js'
import { blockXattrRoom, blockXattrs, releaseXattrBlock, writeBlockXattrs } from './xattr-block.js'
import {
  entryHash,
  findValue,
  readEntries,
  sameName,
  sizeOf,
  type Xattr,
  type XattrArea,
} from './xattr-entry.js'
import { inodeXattrRoom, inodeXattrs, writeInodeXattrs } from './xattr-inode.js'
import { INDEX_SECURITY, prefixOf, type XattrName } from './xattr-namespace.js'

/**
 * Extended attributes of one inode: as many as there is room for in the inode itself, the others in one block. An
 * attribute stands in one of the two places only.
 */

/** The value, a view that lives until the next change; undefined when the attribute is not there. */
export function getXattr(inode: Inode, name: XattrName): Uint8Array | undefined {
  const own = inodeXattrs(inode)
  const value = own && findValue(own, name)
  if (value !== undefined || inode.fileAcl === 0) return value
  const block = blockXattrs(inode)
  return block && findValue(block, name)
}

/** Whether the inode has no attribute at all: told by its own fields. */
export function hasNoXattrs(inode: Inode): boolean {
  return inode.fileAcl === 0 && inodeXattrs(inode) === undefined
}

/** All names with their prefixes, each ended by a NUL, of the namespaces (INDEX_*) that `isListed` lets pass. */
export function listXattrs(inode: Inode, isListed: (index: number) => boolean): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { index, name } of [...entriesOf(inodeXattrs(inode)), ...entriesOf(blockXattrs(inode))]) {
    const prefix = prefixOf(index)
    if (prefix === undefined || !isListed(index)) continue
    parts.push(prefix, name, NUL)
  }
  return Buffer.concat(parts)
}

const NUL = new Uint8Array(1)

/**
 * Sets an attribute. `flags`: XATTR_CREATE, XATTR_REPLACE. Nothing is changed when it has that value already. Throws
 * EEXIST, ENODATA, E2BIG for more than 64 KiB, ENOSPC when there is no room in the inode nor in a block.
 */
export function setXattr(
  handle: Handle,
  inode: Inode,
  name: XattrName,
  value: Uint8Array,
  flags: number,
): void {
  if (value.length > XATTR_SIZE_MAX) throw new FsError('E2BIG', `attribute of ${value.length} bytes`)
  const places = placesOf(inode, name)
  const { old } = places
  if (old === undefined && (flags & XATTR_REPLACE) !== 0) throw noData(inode)
  if (old !== undefined && (flags & XATTR_CREATE) !== 0) {
    throw new FsError('EEXIST', `attribute of inode ${inode.ino}`)
  }
  if (old !== undefined && hasValue(inode, old, value)) return
  const added = { index: name.index, name: name.name.slice() }
  const whole = { ...added, value, hash: entryHash(added.name, value) }
  const stored =
    place(handle, inode, places, whole) ??
    placeLarge(handle, inode, places, added, value) ??
    placeForInline(handle, inode, whole)
  if (stored === undefined) {
    throw new FsError('ENOSPC', `attribute of ${value.length} bytes in inode ${inode.ino}`)
  }
  if (name.index === INDEX_SECURITY) inode.noCapability = false
  markFeature(handle, inode)
  touchChanged(handle, inode)
  inode.addBlocks(handle, largeBlocks(inode, stored) - largeBlocks(inode, old))
  chargeLarge(handle, inode, stored, old)
}

/** Returns whether there was such an attribute. */
export function removeXattr(handle: Handle, inode: Inode, name: XattrName): boolean {
  const { own, block, old, isOwn } = placesOf(inode, name)
  if (old === undefined) return false
  if (isOwn) writeInodeXattrs(handle, inode, own)
  else writeBlockXattrs(handle, inode, block)
  touchChanged(handle, inode)
  inode.addBlocks(handle, -largeBlocks(inode, old))
  chargeLarge(handle, inode, undefined, old)
  return true
}

/** The inode is about to be freed: lets go of what its attributes hold. */
export function releaseXattrs(handle: Handle, inode: Inode): void {
  const own = inodeXattrs(inode)
  if (own !== undefined && hasEaInodes(inode.volume)) writeInodeXattrs(handle, inode, [])
  releaseXattrBlock(handle, inode)
}

/** All attributes but one, and that one. */
interface Places {
  readonly own: readonly Xattr[]
  readonly block: readonly Xattr[]
  readonly old: Xattr | undefined
  /** `old` stands in the inode itself. */
  readonly isOwn: boolean
}

function placesOf(inode: Inode, name: XattrName): Places {
  const own = entriesOf(inodeXattrs(inode))
  const block = entriesOf(blockXattrs(inode))
  const ofOwn = own.findIndex((entry) => sameName(entry, name))
  const ofBlock = ofOwn >= 0 ? -1 : block.findIndex((entry) => sameName(entry, name))
  const old = own[ofOwn] ?? block[ofBlock]
  return { own: without(own, ofOwn), block: without(block, ofBlock), old, isOwn: ofOwn >= 0 }
}

/** Stores `added` in place of `old`: in the inode if it fits there, else in the block. Undefined: there is no room. */
function place(
  handle: Handle,
  inode: Inode,
  { own, block, old, isOwn }: Places,
  added: Xattr,
): Xattr | undefined {
  if (sizeOf([...own, added]) <= inodeXattrRoom(inode)) {
    writeInodeXattrs(handle, inode, [...own, added])
    if (old !== undefined && !isOwn) writeBlockXattrs(handle, inode, block)
    return added
  }
  // e2fsck does not look for the attribute block of a symlink whose target is inline, and calls the block free.
  const mayHaveBlock = inode.isRegular || inode.isDirectory || !isInline(inode)
  if (!mayHaveBlock || sizeOf([...block, added]) > blockXattrRoom(inode.volume)) return undefined
  writeBlockXattrs(handle, inode, [...block, added])
  if (old !== undefined && isOwn) writeInodeXattrs(handle, inode, own)
  return added
}

/** As {@link place}, with the value in an inode of its own where the file system has such. */
function placeLarge(
  handle: Handle,
  inode: Inode,
  places: Places,
  name: XattrName,
  value: Uint8Array,
): Xattr | undefined {
  if (!hasEaInodes(inode.volume)) return undefined
  const large = createEaInode(handle, inode, value)
  const word = new Uint8Array(4)
  new DataView(word.buffer).setUint32(0, eaInodeHash(inode.volume, large.ino), true)
  const hash = entryHash(name.name, word)
  return place(handle, inode, places, { ...name, value: new Uint8Array(0), large, hash })
}

/** As {@link place}, in the room that content of the inode itself leaves when it moves to a block. */
function placeForInline(handle: Handle, inode: Inode, whole: Xattr): Xattr | undefined {
  if (!isInline(inode)) return undefined
  convertInline(handle, inode)
  return place(handle, inode, placesOf(inode, whole), whole)
}

/** What a large value counts for in the i_blocks of each inode that has it: sectors of whole clusters. */
function largeBlocks({ volume }: Inode, entry: Xattr | undefined): number {
  const { clusterSectors } = volume
  return Math.ceil((entry?.large?.size ?? 0) / (clusterSectors * 512)) * clusterSectors
}

/** Each user of a large value counts its inode, too. */
function chargeLarge(handle: Handle, inode: Inode, added: Xattr | undefined, old: Xattr | undefined): void {
  const inodes = (added?.large === undefined ? 0 : 1) - (old?.large === undefined ? 0 : 1)
  if (inodes !== 0) inode.volume.quotas?.charge(handle, inode, 0, inodes)
}

/** Inodes that quotas count for this one: itself and those of its large values. */
export function quotaInodes(inode: Inode): number {
  if (inode.volume.quotas === undefined || !hasEaInodes(inode.volume)) return 1
  const entries = [...entriesOf(inodeXattrs(inode)), ...entriesOf(blockXattrs(inode))]
  return 1 + entries.filter(({ large }) => large !== undefined).length
}

function hasValue({ volume }: Inode, { value, large }: Xattr, wanted: Uint8Array): boolean {
  if (large === undefined) return Buffer.compare(value, wanted) === 0
  return large.size === wanted.length && Buffer.compare(readEaInode(volume, large), wanted) === 0
}

export function noData(inode: Inode): FsError {
  return new FsError('ENODATA', `no such attribute of inode ${inode.ino}`)
}

function entriesOf(area: XattrArea | undefined): Xattr[] {
  return area === undefined ? [] : readEntries(area)
}

function without(entries: readonly Xattr[], index: number): Xattr[] {
  return entries.filter((_, each) => each !== index)
}

/** The first attribute of a file system sets the compat feature ext_attr. */
function markFeature(handle: Handle, { volume }: Inode): void {
  const { superblock, superblockOffset } = volume
  const compat = SuperBlock.s_feature_compat.get(superblock.view, superblock.at + superblockOffset)
  if ((compat & COMPAT.ext_attr) !== 0) return
  const { view, at } = volume.modifySuperblock(handle)
  SuperBlock.s_feature_compat.set(view, at + superblockOffset, (compat | COMPAT.ext_attr) >>> 0)
}

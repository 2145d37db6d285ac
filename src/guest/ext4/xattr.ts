import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { XATTR_CREATE, XATTR_REPLACE, XATTR_SIZE_MAX } from '../vfs/xattr.js'
import { COMPAT } from './features.js'
import type { Inode } from './inode.js'
import { SuperBlock } from './superblock.js'
import { touchChanged } from './timestamps.js'
import { blockXattrRoom, blockXattrs, writeBlockXattrs } from './xattr-block.js'
import { findValue, readEntries, sameName, sizeOf, type Xattr, type XattrArea } from './xattr-entry.js'
import { inodeXattrRoom, inodeXattrs, writeInodeXattrs } from './xattr-inode.js'
import { INDEX_SECURITY, INDEX_TRUSTED, prefixOf, type XattrName } from './xattr-namespace.js'

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

/** All names with their prefixes, each ended by a NUL. `privileged`: `trusted.` names too. */
export function listXattrs(inode: Inode, privileged: boolean): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { index, name } of [...entriesOf(inodeXattrs(inode)), ...entriesOf(blockXattrs(inode))]) {
    const prefix = prefixOf(index)
    if (prefix === undefined || (index === INDEX_TRUSTED && !privileged)) continue
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
  const own = entriesOf(inodeXattrs(inode))
  const block = entriesOf(blockXattrs(inode))
  const ofOwn = own.findIndex((entry) => sameName(entry, name))
  const ofBlock = ofOwn >= 0 ? -1 : block.findIndex((entry) => sameName(entry, name))
  const old = own[ofOwn] ?? block[ofBlock]
  if (old === undefined && (flags & XATTR_REPLACE) !== 0) throw noData(inode)
  if (old !== undefined && (flags & XATTR_CREATE) !== 0) {
    throw new FsError('EEXIST', `attribute of inode ${inode.ino}`)
  }
  if (old !== undefined && Buffer.compare(old.value, value) === 0) return
  const added: Xattr = { index: name.index, name: name.name.slice(), value }
  const ownThen = [...without(own, ofOwn), added]
  const blockThen = [...without(block, ofBlock), added]
  if (sizeOf(ownThen) <= inodeXattrRoom(inode)) {
    writeInodeXattrs(handle, inode, ownThen)
    if (ofBlock >= 0) writeBlockXattrs(handle, inode, without(block, ofBlock))
  } else if (sizeOf(blockThen) <= blockXattrRoom(inode.volume)) {
    writeBlockXattrs(handle, inode, blockThen)
    if (ofOwn >= 0) writeInodeXattrs(handle, inode, without(own, ofOwn))
  } else {
    throw new FsError('ENOSPC', `no room for an attribute of ${value.length} bytes in inode ${inode.ino}`)
  }
  if (name.index === INDEX_SECURITY) inode.noCapability = false
  markFeature(handle, inode)
  touchChanged(handle, inode)
}

/** Returns whether there was such an attribute. */
export function removeXattr(handle: Handle, inode: Inode, name: XattrName): boolean {
  const own = entriesOf(inodeXattrs(inode))
  const ofOwn = own.findIndex((entry) => sameName(entry, name))
  if (ofOwn >= 0) {
    writeInodeXattrs(handle, inode, without(own, ofOwn))
  } else {
    const block = entriesOf(blockXattrs(inode))
    const ofBlock = block.findIndex((entry) => sameName(entry, name))
    if (ofBlock < 0) return false
    writeBlockXattrs(handle, inode, without(block, ofBlock))
  }
  touchChanged(handle, inode)
  return true
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

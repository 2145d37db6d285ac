import { layout, le32 } from '../../../lib/layout.js'
import type { Handle } from '../jbd2/handle.js'
import type { Inode } from './inode.js'
import { GOOD_OLD_INODE_SIZE } from './raw-inode.js'
import { XATTR_MAGIC } from './xattr-block.js'
import {
  countLargeUsers,
  END_SIZE,
  readEntries,
  writeEntries,
  type Xattr,
  type XattrArea,
} from './xattr-entry.js'

/**
 * Attributes in the inode itself, behind the fields that i_extra_isize counts. Kernel docs: ext4, "Extended
 * Attributes", struct ext4_xattr_ibody_header.
 */
const XattrIbodyHeader = layout('ext4_xattr_ibody_header', 4, { h_magic: le32(0x0) })

/** Bytes for entries and values; 0 when the inode has no room for attributes. */
export function inodeXattrRoom(inode: Inode): number {
  const extra = inode.extraSize
  if (extra === 0) return 0
  const room = inode.volume.inodeSize - GOOD_OLD_INODE_SIZE - extra - XattrIbodyHeader.SIZE
  return room > END_SIZE ? room : 0
}

/** Where the inode's own attributes stand; undefined when it has none. */
export function inodeXattrs(inode: Inode): XattrArea | undefined {
  if (inodeXattrRoom(inode) === 0) return undefined
  const area = areaOf(inode)
  return XattrIbodyHeader.h_magic.get(area.view, area.first - XattrIbodyHeader.SIZE) === XATTR_MAGIC
    ? area
    : undefined
}

/** Replaces the inode's own attributes by these, which must fit. */
export function writeInodeXattrs(handle: Handle, inode: Inode, entries: readonly Xattr[]): void {
  const old = inodeXattrs(inode)
  countLargeUsers(handle, inode.volume, old === undefined ? [] : readEntries(old), entries)
  inode.modify(handle)
  const area = areaOf(inode)
  const header = area.first - XattrIbodyHeader.SIZE
  XattrIbodyHeader.h_magic.set(area.view, header, entries.length === 0 ? 0 : XATTR_MAGIC)
  writeEntries(area, entries)
}

function areaOf(inode: Inode): XattrArea {
  const { head, offset, volume } = inode
  const at = head.at + offset
  const first = at + GOOD_OLD_INODE_SIZE + inode.extraSize + XattrIbodyHeader.SIZE
  return {
    view: head.view,
    bytes: head.bytes,
    first,
    base: first,
    end: at + volume.inodeSize,
    volume,
    corrupt: (field, found, expected) => inode.corrupt(field, found, expected, 'ext4_xattr_entry'),
  }
}

/** Attributes from the file system's form to the wire's. */
import { type Attributes, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from '../guest/vfs/attributes.js'
import { ATTR_OUT_ATTR, Attr, AttrOut, ENTRY_ATTR, EntryOut } from './abi/attr.js'
import { FUSE_ROOT_ID } from './abi/header.js'
import { STATX_BASIC_STATS, STATX_BTIME, STATX_OUT_STAT, Statx, StatxOut } from './abi/statx.js'

/**
 * Seconds that names and attributes may be cached: 136 years. All changes go through this connection, and the
 * kernel itself invalidates what its own operations change beside their subject: attributes of the directory,
 * link count and change time of what was unlinked, linked or renamed, size and times after a write.
 */
export const VALID_FOREVER = 0xffff_ffff

/**
 * The exception: a write drops the set-id bits (HANDLE_KILLPRIV_V2) without the kernel looking, so the attributes of
 * a file that has them are not cached.
 */
function attrValid(attributes: Attributes): number {
  const { mode } = attributes
  return (mode & S_IFMT) === S_IFREG && (mode & (S_ISUID | S_ISGID)) !== 0 ? 0 : VALID_FOREVER
}

function encodeAttr(view: DataView, at: number, attributes: Attributes): void {
  const { atime, mtime, ctime } = attributes
  Attr.ino.set(view, at, attributes.ino)
  Attr.size.set(view, at, attributes.size)
  Attr.blocks.set(view, at, attributes.blocks)
  Attr.atime.set(view, at, atime.sec)
  Attr.mtime.set(view, at, mtime.sec)
  Attr.ctime.set(view, at, ctime.sec)
  Attr.atimensec.set(view, at, atime.nsec)
  Attr.mtimensec.set(view, at, mtime.nsec)
  Attr.ctimensec.set(view, at, ctime.nsec)
  Attr.mode.set(view, at, attributes.mode)
  Attr.nlink.set(view, at, attributes.nlink)
  Attr.uid.set(view, at, attributes.uid)
  Attr.gid.set(view, at, attributes.gid)
  Attr.rdev.set(view, at, attributes.rdev)
  Attr.blksize.set(view, at, attributes.blockSize)
  Attr.flags.set(view, at, 0)
}

/** Writes a struct fuse_attr_out; returns its size. */
export function encodeAttrOut(view: DataView, at: number, attributes: Attributes): number {
  AttrOut.attr_valid.set(view, at, attrValid(attributes))
  AttrOut.attr_valid_nsec.set(view, at, 0)
  view.setUint32(at + 12, 0, true)
  encodeAttr(view, at + ATTR_OUT_ATTR, attributes)
  return AttrOut.SIZE
}

/** Writes a struct fuse_entry_out for an inode of the file system with this root; returns its size. */
export function encodeEntry(view: DataView, at: number, attributes: Attributes, root: number): number {
  EntryOut.nodeid.set(view, at, attributes.ino === root ? FUSE_ROOT_ID : attributes.ino)
  EntryOut.generation.set(view, at, attributes.generation)
  EntryOut.entry_valid.set(view, at, VALID_FOREVER)
  EntryOut.attr_valid.set(view, at, attrValid(attributes))
  EntryOut.entry_valid_nsec.set(view, at, 0)
  EntryOut.attr_valid_nsec.set(view, at, 0)
  encodeAttr(view, at + ENTRY_ATTR, attributes)
  return EntryOut.SIZE
}

/** Writes the entry that says: no such name, and remember it. */
export function encodeNegativeEntry(bytes: Uint8Array, view: DataView, at: number): number {
  bytes.fill(0, at, at + EntryOut.SIZE)
  EntryOut.entry_valid.set(view, at, VALID_FOREVER)
  return EntryOut.SIZE
}

/** Writes a struct fuse_statx_out; returns its size. */
export function encodeStatx(bytes: Uint8Array, view: DataView, at: number, attributes: Attributes): number {
  const { atime, mtime, ctime, btime, rdev } = attributes
  bytes.fill(0, at, at + StatxOut.SIZE)
  StatxOut.attr_valid.set(view, at, attrValid(attributes))
  const stat = at + STATX_OUT_STAT
  Statx.mask.set(view, stat, btime === undefined ? STATX_BASIC_STATS : STATX_BASIC_STATS | STATX_BTIME)
  Statx.blksize.set(view, stat, attributes.blockSize)
  Statx.nlink.set(view, stat, attributes.nlink)
  Statx.uid.set(view, stat, attributes.uid)
  Statx.gid.set(view, stat, attributes.gid)
  Statx.mode.set(view, stat, attributes.mode)
  Statx.ino.set(view, stat, attributes.ino)
  Statx.size.set(view, stat, attributes.size)
  Statx.blocks.set(view, stat, attributes.blocks)
  Statx.atime.set(view, stat, atime.sec)
  Statx.atime_nsec.set(view, stat, atime.nsec)
  Statx.btime.set(view, stat, btime?.sec ?? 0)
  Statx.btime_nsec.set(view, stat, btime?.nsec ?? 0)
  Statx.ctime.set(view, stat, ctime.sec)
  Statx.ctime_nsec.set(view, stat, ctime.nsec)
  Statx.mtime.set(view, stat, mtime.sec)
  Statx.mtime_nsec.set(view, stat, mtime.nsec)
  Statx.rdev_major.set(view, stat, (rdev & 0xfff00) >>> 8)
  Statx.rdev_minor.set(view, stat, (rdev & 0xff) | ((rdev >>> 12) & 0xfff00))
  return StatxOut.SIZE
}

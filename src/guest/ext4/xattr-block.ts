import { CorruptError } from '../../../lib/errno.js'
import { layout, le32 } from '../../../lib/layout.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { xattrBlockChecksum } from './checksum.js'
import type { Inode } from './inode.js'
import type { Volume } from './volume.js'
import {
  blockHash,
  compareNames,
  countLargeUsers,
  readEntries,
  sameName,
  writeEntries,
  type Xattr,
  type XattrArea,
} from './xattr-entry.js'

/** struct ext4_xattr_header, at the start of an extended attribute block. Kernel docs: ext4, "Extended Attributes". */
export const XattrHeader = layout('ext4_xattr_header', 32, {
  h_magic: le32(0x0),
  h_refcount: le32(0x4),
  h_blocks: le32(0x8),
  h_hash: le32(0xc),
  h_checksum: le32(0x10),
})

export const XATTR_MAGIC = 0xea020000

/** Inodes that may share a block. */
const REFCOUNT_MAX = 1024

/** Bytes for entries and values in a block. */
export function blockXattrRoom(volume: Volume): number {
  return volume.blockSize - XattrHeader.SIZE
}

/** The attributes in the inode's block; undefined when it has none. Throws CorruptError. */
export function blockXattrs(inode: Inode): XattrArea | undefined {
  const block = inode.fileAcl
  return block === 0 ? undefined : areaOf(inode, xattrBlock(inode, block))
}

/**
 * Replaces the attributes in the inode's block by these, which must fit: in a block that other inodes have too if
 * there is one of this content, in the inode's own if it is its alone, else in a new one. Throws ENOSPC, CorruptError.
 */
export function writeBlockXattrs(handle: Handle, inode: Inode, entries: readonly Xattr[]): void {
  if (entries.length === 0) {
    releaseXattrBlock(handle, inode)
    return
  }
  const { volume } = inode
  const sorted = entries.toSorted(compareNames)
  const hash = blockHash(sorted)
  const old = inode.fileAcl
  const shared = sharedBlock(inode, sorted, hash)
  if (shared !== undefined) {
    if (shared.block === old) return
    handle.getWriteAccess(shared)
    const users = XattrHeader.h_refcount.get(shared.view, shared.at)
    XattrHeader.h_refcount.set(shared.view, shared.at, users + 1)
    volume.checksums.xattrBlock(handle, shared.block)
    exchangeBlock(handle, inode, shared.block)
    return
  }
  if (old !== 0 && usersOf(xattrBlock(inode, old)) === 1) {
    const head = xattrBlock(inode, old)
    countLargeUsers(handle, volume, readEntries(areaOf(inode, head)), sorted)
    handle.getWriteAccess(head)
    fill(handle, inode, head, sorted, hash)
    return
  }
  countLargeUsers(handle, volume, [], sorted)
  const { start } = volume.blockAllocator.allocate(handle, goalOf(inode), 1)
  const head = volume.cache.get(start)
  handle.getCreateAccess(head)
  handle.onRevert(() => volume.xattrBlocks.forget(start))
  XattrHeader.h_magic.set(head.view, head.at, XATTR_MAGIC)
  XattrHeader.h_refcount.set(head.view, head.at, 1)
  XattrHeader.h_blocks.set(head.view, head.at, 1)
  fill(handle, inode, head, sorted, hash)
  exchangeBlock(handle, inode, start)
}

/** The inode lets go of its attribute block, which is freed with its last user. */
export function releaseXattrBlock(handle: Handle, inode: Inode): void {
  const { volume } = inode
  const block = inode.fileAcl
  if (block === 0) return
  const head = xattrBlock(inode, block)
  const users = usersOf(head)
  if (users > 1) {
    handle.getWriteAccess(head)
    XattrHeader.h_refcount.set(head.view, head.at, users - 1)
    volume.checksums.xattrBlock(handle, block)
  } else {
    countLargeUsers(handle, volume, readEntries(areaOf(inode, head)), [])
    volume.blockAllocator.free(handle, block, 1, { metadata: true })
    volume.xattrBlocks.forget(block)
    volume.checksums.forget(handle, block)
  }
  inode.modify(handle)
  inode.fileAcl = 0
  inode.addBlocks(handle, -volume.clusterSectors)
}

/** The inode's block becomes `block`, of which it is a user already. */
function exchangeBlock(handle: Handle, inode: Inode, block: number): void {
  releaseXattrBlock(handle, inode)
  inode.modify(handle)
  inode.fileAcl = block
  inode.addBlocks(handle, inode.volume.clusterSectors)
}

/** A block of this very content that may have one more user, or has the inode as user already. */
function sharedBlock(inode: Inode, sorted: readonly Xattr[], hash: number): BufferHead | undefined {
  const { volume } = inode
  const block = hash === 0 ? undefined : volume.xattrBlocks.get(hash)
  if (block === undefined) return undefined
  const head = xattrBlock(inode, block)
  if (XattrHeader.h_hash.get(head.view, head.at) !== hash) return undefined
  if (usersOf(head) >= REFCOUNT_MAX && block !== inode.fileAcl) return undefined
  const there = readEntries(areaOf(inode, head))
  const same = there.length === sorted.length && there.every((each, index) => isSame(each, sorted[index]!))
  return same ? head : undefined
}

function isSame(a: Xattr, b: Xattr): boolean {
  return sameName(a, b) && a.large?.ino === b.large?.ino && Buffer.compare(a.value, b.value) === 0
}

function fill(handle: Handle, inode: Inode, head: BufferHead, sorted: readonly Xattr[], hash: number): void {
  const { volume } = inode
  writeEntries(areaOf(inode, head), sorted)
  XattrHeader.h_hash.set(head.view, head.at, hash)
  volume.xattrBlocks.set(head.block, hash)
  volume.checksums.xattrBlock(handle, head.block)
}

function usersOf(head: BufferHead): number {
  return XattrHeader.h_refcount.get(head.view, head.at)
}

/** The attribute block, checked. Throws CorruptError. */
function xattrBlock(inode: Inode, block: number): BufferHead {
  const { volume } = inode
  if (!volume.isValidBlock(block)) inode.corrupt('i_file_acl', block, `below ${volume.blocksCount}`)
  const head = volume.cache.get(block)
  check(inode, head, 'h_magic', XattrHeader.h_magic.get(head.view, head.at), XATTR_MAGIC)
  check(inode, head, 'h_blocks', XattrHeader.h_blocks.get(head.view, head.at), 1)
  const users = usersOf(head)
  if (users === 0 || users > REFCOUNT_MAX) corrupt(inode, block, 'h_refcount', users, `1 to ${REFCOUNT_MAX}`)
  if (head.verified) return head
  if (volume.hasMetadataCsum) {
    const { bytes, at, view } = head
    const sum = xattrBlockChecksum(volume.checksumSeed, block, bytes, at, volume.blockSize)
    check(inode, head, 'h_checksum', XattrHeader.h_checksum.get(view, at), sum)
  }
  head.verified = true
  volume.xattrBlocks.set(block, XattrHeader.h_hash.get(head.view, head.at))
  return head
}

function check(inode: Inode, { block }: BufferHead, field: string, found: number, expected: number): void {
  if (found === expected) return
  const where = { structure: 'ext4_xattr_header', ino: inode.ino, block, field, found, expected }
  throw new CorruptError(where, field === 'h_checksum' ? 'EBADMSG' : 'EUCLEAN')
}

function corrupt(inode: Inode, block: number, field: string, found: number, expected: string): never {
  throw new CorruptError({ structure: 'ext4_xattr_header', ino: inode.ino, block, field, found, expected })
}

function areaOf(inode: Inode, head: BufferHead): XattrArea {
  const { view, bytes, at, block } = head
  return {
    view,
    bytes,
    first: at + XattrHeader.SIZE,
    base: at,
    end: at + inode.volume.blockSize,
    volume: inode.volume,
    corrupt: (field, found, expected) => corrupt(inode, block, field, found, expected),
  }
}

/** Where a new block is wanted: at the start of the inode's group. */
function goalOf({ volume, ino }: Inode): number {
  return volume.firstBlockOfGroup(volume.groupOfInode(ino))
}

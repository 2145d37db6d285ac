import { UnsupportedError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { S_IFDIR, S_IFMT, S_IFREG } from '../vfs/attributes.js'
import { ExtentNode } from './extent-node.js'
import type { FastCommitTag } from './fast-commit-tag.js'
import type { Inode } from './inode.js'
import { EXTENTS_FL, INDEX_FL, RawInode } from './raw-inode.js'
import type { Volume } from './volume.js'

/** struct ext4_fc_inode: the inode's number, and of the raw inode as much as is in use. */
const RAW = 4

/**
 * Stores what a fast commit says of an inode, all but its map of blocks and their count: these follow from the ranges.
 * A directory also keeps its size, its index and its links, since these follow from the names. Returns the inode;
 * undefined for one that is not in use and has no name: it was deleted before the crash.
 */
export function storeFastCommitInode(
  volume: Volume,
  handle: Handle,
  ino: number,
  tag: FastCommitTag,
): Inode | undefined {
  const raw = tag.at + RAW
  const type = RawInode.i_mode.get(tag.view, raw) & S_IFMT
  const isDirectory = type === S_IFDIR
  const hasExtents = (RawInode.i_flags.get(tag.view, raw) & EXTENTS_FL) !== 0
  if ((isDirectory || type === S_IFREG) && !hasExtents)
    throw new UnsupportedError('journal holds fast commits, which e2fsck can replay', ['indirect blocks'])
  if (volume.inodeAllocator.isAllocated(ino)) {
    const inode = volume.inodeCache.get(ino)
    change(handle, inode, tag)
    return inode
  }
  if (RawInode.i_links_count.get(tag.view, raw) === 0) return undefined
  volume.inodeAllocator.claim(handle, ino, isDirectory)
  const inode = volume.inodeCache.adopt(ino)
  handle.onRevert(() => volume.inodeCache.forget(ino))
  inode.modifyData(handle)
  const { head, offset } = inode
  head.bytes.fill(0, head.at + offset, head.at + offset + volume.inodeSize)
  copy(inode, tag)
  inode.fileAcl = 0
  inode.blocks = 0
  if ((inode.flags & EXTENTS_FL) !== 0) {
    blockMap(inode).fill(0)
    ExtentNode.formatRoot(inode)
  }
  if (isDirectory) {
    inode.size = 0
    inode.flags &= ~INDEX_FL
  }
  volume.quotas?.charge(handle, inode, 0, 1)
  return inode
}

function change(handle: Handle, inode: Inode, tag: FastCommitTag): void {
  const { volume, blocks, fileAcl, size, flags, linksCount, isDirectory } = inode
  const raw = tag.at + RAW
  inode.modifyData(handle)
  volume.quotas?.transfer(handle, inode, ownersOf(volume, tag), 1)
  const map = blockMap(inode).slice()
  copy(inode, tag)
  if ((RawInode.i_flags.get(tag.view, raw) & EXTENTS_FL) !== 0) blockMap(inode).set(map)
  if (isDirectory) {
    inode.size = size
    inode.linksCount = linksCount
    inode.flags = (inode.flags & ~INDEX_FL) | (flags & INDEX_FL)
  }
  inode.blocks = blocks
  inode.fileAcl = fileAcl
  // Else the next inode of an orphan list that was not committed.
  if (inode.linksCount > 0) inode.dtime = 0
}

function copy({ head, offset, volume }: Inode, { bytes, at, length }: FastCommitTag): void {
  const end = at + RAW + Math.min(length - RAW, volume.inodeSize)
  head.bytes.set(bytes.subarray(at + RAW, end), head.at + offset)
}

function blockMap({ head, offset }: Inode): Uint8Array {
  const from = head.at + offset + RawInode.i_block.offset
  return head.bytes.subarray(from, from + RawInode.i_block.size)
}

function ownersOf(
  volume: Volume,
  { view, at, length }: FastCommitTag,
): { uid: number; gid: number; projectId?: number } {
  const raw = at + RAW
  const owners = {
    uid: RawInode.i_uid.get(view, raw) + RawInode.l_i_uid_high.get(view, raw) * 0x10000,
    gid: RawInode.i_gid.get(view, raw) + RawInode.l_i_gid_high.get(view, raw) * 0x10000,
  }
  const hasProject = volume.hasProjects && length - RAW >= RawInode.i_projid.offset + 4
  return hasProject ? { ...owners, projectId: RawInode.i_projid.get(view, raw) } : owners
}

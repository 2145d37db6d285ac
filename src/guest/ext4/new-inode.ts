import type { Handle } from '../jbd2/handle.js'
import { type Owner, S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG, S_ISGID } from '../vfs/attributes.js'
import { inheritFrom, storeInherited } from './acl.js'
import { EXTENT_MAGIC, ExtentHeader, ROOT_ENTRIES } from './extent.js'
import { RO_COMPAT } from './features.js'
import type { Inode } from './inode.js'
import { inheritedFlags } from './inode-flags.js'
import { EXTENTS_FL, GOOD_OLD_INODE_SIZE, RawInode } from './raw-inode.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** Bytes behind the first 128 that struct ext4_inode has today. */
const EXTRA_SIZE = 32

/**
 * A new inode, linked once (a directory twice) though no entry names it yet; empty, and with an empty extent tree
 * when it is a file or a directory. In a set-group-id directory it gets the directory's group, and a directory also
 * that bit. The directory's default ACL is inherited; without one the owner's umask counts. `rdev` counts for device
 * nodes only. Throws ENOSPC or CorruptError.
 */
export function createInode(
  volume: Volume,
  handle: Handle,
  parent: Inode,
  mode: number,
  owner: Owner,
  rdev: number,
): Inode {
  const type = mode & S_IFMT
  const isDirectory = type === S_IFDIR
  const inherited = inheritFrom(parent, mode, owner.umask ?? 0, isDirectory)
  const ino = volume.inodeAllocator.allocate(handle, parent, mode)
  const inode = volume.inodeCache.adopt(ino)
  handle.onRevert(() => volume.inodeCache.forget(ino))
  handle.onRevert(() => volume.inodeCache.forget(ino))
  inode.modifyData(handle)
  const generation = volume.inodeAllocator.generation.next(inode.generation)
  // Its place in the table may hold anything: nothing else ever initialises it.
  const { head, offset } = inode
  head.bytes.fill(0, head.at + offset, head.at + offset + volume.inodeSize)
  if (volume.inodeSize > GOOD_OLD_INODE_SIZE) {
    RawInode.i_extra_isize.set(head.view, head.at + offset, extraSizeOf(volume))
  }
  const ofGroup = (parent.mode & S_ISGID) !== 0
  inode.mode = ofGroup && isDirectory ? inherited.mode | S_ISGID : inherited.mode
  inode.uid = owner.uid
  inode.gid = ofGroup ? parent.gid : owner.gid
  inode.linksCount = isDirectory ? 2 : 1
  inode.generation = generation
  const now = volume.now()
  inode.setTime('atime', now)
  inode.setTime('mtime', now)
  inode.setTime('ctime', now)
  inode.crtime = now
  inode.flags = inheritedFlags(parent.flags, mode)
  if (isDirectory || type === S_IFREG) initialiseExtents(inode)
  if (type === S_IFCHR || type === S_IFBLK) setDevice(inode, rdev)
  storeInherited(handle, inode, inherited)
  return inode
}

/** i_extra_isize of new inodes. Kernel docs: ext4, "Inode Size". */
function extraSizeOf(volume: Volume): number {
  const room = volume.inodeSize - GOOD_OLD_INODE_SIZE
  if ((volume.roCompat & RO_COMPAT.extra_isize) === 0) return Math.min(EXTRA_SIZE, room)
  const { superblock, superblockOffset } = volume
  const at = superblock.at + superblockOffset
  const least = SuperBlock.s_min_extra_isize.get(superblock.view, at)
  const wanted = Math.max(EXTRA_SIZE, least, SuperBlock.s_want_extra_isize.get(superblock.view, at))
  return wanted <= room && wanted % 4 === 0 ? wanted : Math.min(EXTRA_SIZE, room)
}

function initialiseExtents(inode: Inode): void {
  inode.flags |= EXTENTS_FL
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  ExtentHeader.eh_magic.set(head.view, at, EXTENT_MAGIC)
  ExtentHeader.eh_max.set(head.view, at, ROOT_ENTRIES)
}

/** The device number in i_block[0] when it fits the old 8:8 encoding, else in i_block[1], encoded as `rdev` is. */
function setDevice(inode: Inode, rdev: number): void {
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  head.view.setUint32(at + (rdev <= 0xffff ? 0 : 4), rdev, true)
}

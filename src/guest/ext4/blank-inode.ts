import type { Handle } from '../jbd2/handle.js'
import { RO_COMPAT } from './features.js'
import type { Inode } from './inode.js'
import { GOOD_OLD_INODE_SIZE, RawInode } from './raw-inode.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** Bytes behind the first 128 that struct ext4_inode has today. */
const EXTRA_SIZE = 32

/**
 * An inode for `mode`, near the inode `parent`: all zero but for its generation, its times, which are now, and
 * i_extra_isize. Throws ENOSPC or CorruptError.
 */
export function blankInode(volume: Volume, handle: Handle, parent: Inode, mode: number): Inode {
  const ino = volume.inodeAllocator.allocate(handle, parent, mode)
  const inode = volume.inodeCache.adopt(ino)
  handle.onRevert(() => volume.inodeCache.forget(ino))
  inode.modifyData(handle)
  const generation = volume.inodeAllocator.generation.next(inode.generation)
  // Its place in the table may hold anything: nothing else ever initialises it.
  const { head, offset } = inode
  head.bytes.fill(0, head.at + offset, head.at + offset + volume.inodeSize)
  if (volume.inodeSize > GOOD_OLD_INODE_SIZE) {
    RawInode.i_extra_isize.set(head.view, head.at + offset, extraSizeOf(volume))
  }
  inode.generation = generation
  const now = volume.now()
  inode.setTime('atime', now)
  inode.setTime('mtime', now)
  inode.setTime('ctime', now)
  inode.crtime = now
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

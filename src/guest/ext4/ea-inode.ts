import { crc32c } from '../../../lib/crc32c.js'
import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { S_IFREG } from '../vfs/attributes.js'
import { blankInode } from './blank-inode.js'
import { INCOMPAT } from './features.js'
import { appendDataBlock, readBlocks } from './file-blocks.js'
import { initialiseMap } from './file-map.js'
import type { Inode } from './inode.js'
import { EA_INODE_FL, RawInode } from './raw-inode.js'
import type { Volume } from './volume.js'

/**
 * Values too large for an attribute block, each in an inode of its own that no directory names (feature ea_inode).
 * Attributes of several inodes may share one: l_i_version counts them, i_atime is the value's hash. Kernel docs: ext4,
 * "Extended Attributes", and fs/ext4/xattr.c for the use of the times.
 */

/** EXT4_XATTR_SIZE_MAX, bytes: more than programs can set. */
const SIZE_MAX = 1 << 24

/** What an entry knows of its value's inode. */
export interface LargeValue {
  readonly ino: number
  /** Bytes. */
  readonly size: number
}

export function hasEaInodes({ incompat }: Volume): boolean {
  return (incompat & INCOMPAT.ea_inode) !== 0
}

/** CRC-32C of a value, as i_atime of its inode and as the word that e_hash takes in. */
function hashOf(volume: Volume, value: Uint8Array): number {
  return crc32c(volume.checksumSeed, value)
}

/** A new inode with the value, near `owner`. Nobody uses it yet: {@link changeUsers} must follow. Throws ENOSPC. */
export function createEaInode(handle: Handle, owner: Inode, value: Uint8Array): LargeValue {
  const { volume } = owner
  const inode = blankInode(volume, handle, owner, S_IFREG)
  inode.mode = S_IFREG | 0o600
  inode.uid = owner.uid
  inode.gid = owner.gid
  inode.flags = EA_INODE_FL
  initialiseMap(inode)
  const { blockSize, device } = volume
  for (let done = 0; done < value.length; done += blockSize) {
    const block = appendDataBlock(handle, inode)
    const end = Math.min(done + blockSize, value.length)
    device.write(block * blockSize, value, done, end)
    inode.size = end
  }
  inode.setTime('atime', { sec: 0, nsec: 0 })
  inode.setTime('ctime', { sec: 0, nsec: 0 })
  const { head, offset } = inode
  RawInode.i_atime.set(head.view, head.at + offset, hashOf(volume, value))
  return { ino: inode.ino, size: value.length }
}

/** A copy of the value. Throws CorruptError when the inode holds none, or another one. */
export function readEaInode(volume: Volume, { ino, size }: LargeValue): Uint8Array {
  const inode = eaInode(volume, ino)
  if (inode.size !== size) inode.corrupt('i_size', inode.size, size)
  if (size > SIZE_MAX) inode.corrupt('i_size', size, `at most ${SIZE_MAX}`)
  const value = readBlocks(inode, size)
  const hash = eaInodeHash(volume, ino)
  const found = hashOf(volume, value)
  if (found !== hash) inode.corrupt('i_atime', hash, found)
  return value
}

/** The hash of the value, as its inode has it. */
export function eaInodeHash(volume: Volume, ino: number): number {
  const { head, offset } = eaInode(volume, ino)
  return RawInode.i_atime.get(head.view, head.at + offset)
}

/** `count` more or (negative) fewer attributes use the inode. Without users it becomes an orphan, to be evicted. */
export function changeUsers(handle: Handle, volume: Volume, ino: number, count: number): void {
  const inode = eaInode(volume, ino)
  inode.modify(handle)
  const { view, at } = inode.head
  const users = RawInode.l_i_version.get(view, at + inode.offset) + count
  if (users < 0) inode.corrupt('l_i_version', users - count, `at least ${-count}`)
  RawInode.l_i_version.set(view, at + inode.offset, users)
  inode.linksCount = users > 0 ? 1 : 0
  if (users > 0) {
    volume.orphans.remove(handle, inode)
    return
  }
  volume.orphans.add(handle, inode)
  volume.unusedInodes.add(ino)
  handle.onRevert(() => volume.unusedInodes.delete(ino))
}

function eaInode(volume: Volume, ino: number): Inode {
  try {
    const inode = volume.inodeCache.get(ino)
    if ((inode.flags & EA_INODE_FL) === 0) inode.corrupt('i_flags', inode.flags, 'EXT4_EA_INODE_FL')
    return inode
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ESTALE') throw error
    throw new FsError('EIO', `attribute value in inode ${ino}, which is not in use`)
  }
}

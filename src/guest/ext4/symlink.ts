import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { S_IFLNK, S_IFMT } from '../vfs/attributes.js'
import { appendDataBlock, mapBlock, readBlocks } from './file-blocks.js'
import { initialiseMap } from './file-map.js'
import { hasInlineData, inlineRoom, isInline, readInline, storeInline } from './inline-data.js'
import type { Inode } from './inode.js'
import { EXTENTS_FL, RawInode } from './raw-inode.js'

/**
 * Targets shorter than i_block stand in it ("fast" symlinks), longer ones in the inode where that can hold inline data,
 * else in a block. Kernel docs: ext4, "Symbolic Links".
 */
const FAST_SIZE = RawInode.i_block.size

/** Throws what symlink(2) does for a target that cannot be: ENOENT when empty, ENAMETOOLONG when it needs over a block with its NUL. */
export function checkTarget(target: Uint8Array, blockSize: number): void {
  if (target.length === 0) throw new FsError('ENOENT', 'empty symlink target')
  if (target.length >= blockSize)
    throw new FsError('ENAMETOOLONG', `symlink target of ${target.length} bytes`)
  if (target.includes(0)) throw new FsError('EINVAL', 'NUL in a symlink target')
}

/** Gives a new symlink its target. */
export function storeTarget(handle: Handle, inode: Inode, target: Uint8Array): void {
  const { volume } = inode
  inode.modifyData(handle)
  if (target.length < FAST_SIZE) {
    inode.flags &= ~EXTENTS_FL
    RawInode.i_block.set(inode.head.view, inode.head.at + inode.offset, target)
  } else if (hasInlineData(volume) && target.length <= inlineRoom(inode)) {
    storeInline(handle, inode, target)
  } else {
    initialiseMap(inode)
    // Data, as a file's: the first FLUSH of this transaction's commit covers it, and nothing names it before.
    const block = appendDataBlock(handle, inode)
    volume.device.write(block * volume.blockSize, target)
    inode.dataSequence = volume.device.storeSequence
  }
  inode.size = target.length
}

/** A copy of the target. Throws EINVAL when the inode is no symlink. */
export function readlink(inode: Inode): Uint8Array {
  if ((inode.mode & S_IFMT) !== S_IFLNK) throw new FsError('EINVAL', `inode ${inode.ino} is no symlink`)
  const { volume, size } = inode
  if (size === 0 || size >= volume.blockSize)
    inode.corrupt('i_size', size, `1 to ${volume.blockSize - 1} for a symlink`)
  const target = targetOf(inode, size)
  if (target.includes(0)) inode.corrupt('symlink target', 'NUL inside', `${size} bytes without NUL`)
  return target
}

function targetOf(inode: Inode, size: number): Uint8Array {
  if (isInline(inode)) return readInline(inode, size)
  if (size < FAST_SIZE) return fastTarget(inode, size)
  if (mapBlock(inode, 0) === 0) inode.corrupt('symlink target', 'a hole', 'a block')
  return readBlocks(inode, size)
}

function fastTarget(inode: Inode, size: number): Uint8Array {
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  return head.bytes.slice(at, at + size)
}

import { EXTENTS_FL, RawInode } from '../raw-inode.js'
import type { FsckContext } from './context.js'
import type { InodeBlocks } from './inode-blocks.js'
import type { ScannedInode } from './inode-scan.js'

/** Whether the target stands in i_block itself. */
export function isFastSymlink(ctx: FsckContext, inode: ScannedInode): boolean {
  const { blockSize, clusterRatio } = ctx.geometry
  const xattr = inode.xattrBlock === 0 ? 0 : (blockSize * clusterRatio) / 512
  return (inode.flags & EXTENTS_FL) === 0 && inode.sectors === xattr
}

/** A symbolic link: i_size bytes of target, a zero behind them and none among them, in the inode or in one block. */
export function checkSymlink(ctx: FsckContext, inode: ScannedInode, blocks: InodeBlocks): void {
  const fault = isFastSymlink(ctx, inode) ? fastFault(inode) : slowFault(ctx, inode, blocks)
  if (fault !== undefined) ctx.error('bad-symlink', 'ext4_inode', fault, { ino: inode.ino })
}

const WRONG_LENGTH = 'the target of the symbolic link is not i_size bytes long'

function fastFault({ bytes, at, size }: ScannedInode): string | undefined {
  const room = RawInode.i_block.size
  if (size === 0 || size >= room) return `a symbolic link of ${size} bytes, expected 1 to ${room - 1}`
  return endsAt(bytes, at + RawInode.i_block.offset, size) ? undefined : WRONG_LENGTH
}

function slowFault(ctx: FsckContext, { size }: ScannedInode, blocks: InodeBlocks): string | undefined {
  const room = ctx.geometry.blockSize
  if (size === 0 || size >= room) return `a symbolic link of ${size} bytes, expected 1 to ${room - 1}`
  if (blocks.damaged) return undefined
  if (blocks.first === 0 || blocks.last !== 0) return 'the target of the symbolic link is not in one block'
  ctx.medium.open(blocks.first)
  return endsAt(ctx.medium.bytes, ctx.medium.at, size) ? undefined : WRONG_LENGTH
}

function endsAt(bytes: Uint8Array, at: number, size: number): boolean {
  for (let index = 0; index < size; index++) if (bytes[at + index] === 0) return false
  return bytes[at + size] === 0
}

import { FsError } from '../../../lib/errno.js'
import type { FiemapExtent } from '../vfs/fiemap.js'
import { MAX_LOGICAL_BLOCK } from './extent.js'
import { findMapping } from './file-map.js'
import { inlineCapacity, isInline } from './inline-data.js'
import type { Inode } from './inode.js'
import { RawInode } from './raw-inode.js'

/**
 * FIEMAP: the extents that begin or go on within `length` bytes from `offset`, the first cut to begin in that block.
 * Throws FsError EINVAL for an empty range, EFBIG for one past the greatest offset.
 */
export function fiemap(inode: Inode, offset: number, length: number): FiemapExtent[] {
  const { blockSize } = inode.volume
  if (length <= 0) throw new FsError('EINVAL', `fiemap of ${length} bytes`)
  if (offset / blockSize > MAX_LOGICAL_BLOCK) throw new FsError('EFBIG', `fiemap at ${offset}`)
  const extents: FiemapExtent[] = []
  if (isInline(inode)) return inlineExtent(inode, offset)
  let last = true
  for (let block = Math.floor(offset / blockSize); block <= MAX_LOGICAL_BLOCK; ) {
    const { physical, length: count, unwritten } = findMapping(inode, block)
    const run = { logical: block * blockSize, physical: physical * blockSize, length: count * blockSize }
    block += count
    if (physical === 0) continue
    if (run.logical >= offset + length) {
      last = false
      break
    }
    extents.push({ ...run, unwritten, last: false })
  }
  const final = extents.at(-1)
  if (final !== undefined) final.last = last
  return extents
}

function inlineExtent(inode: Inode, offset: number): FiemapExtent[] {
  const length = Math.min(inlineCapacity(inode), inode.size)
  if (offset >= length) return []
  const physical = inode.block * inode.volume.blockSize + inode.offset + RawInode.i_block.offset
  return [{ logical: 0, physical, length, unwritten: false, last: true, inline: true }]
}

/** FIBMAP: the block that holds block `logical` of the file; 0 where nothing was written. */
export function bmap(inode: Inode, logical: number): number {
  if (logical < 0 || logical > MAX_LOGICAL_BLOCK || isInline(inode)) return 0
  const { physical, unwritten } = findMapping(inode, logical)
  return unwritten ? 0 : physical
}

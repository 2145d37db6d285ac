import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import { MAX_LOGICAL_BLOCK } from './extent.js'
import { joinAt, requireRoomBehind, shiftLeft, shiftRight, splitAt } from './extent-shift.js'
import { maxFileSize, preallocate, zeroBehindEnd, zeroRange } from './file.js'
import { freeRange } from './file-blocks.js'
import { hasExtents } from './file-map.js'
import { isInline } from './inline-data.js'
import { convertInlineFile } from './inline-file.js'
import type { Inode } from './inode.js'
import { touchModified } from './timestamps.js'
import { repeatStep, runStep } from './truncate.js'

/** FALLOC_FL_*, linux/falloc.h. */
export const FALLOC_FL_KEEP_SIZE = 0x1
export const FALLOC_FL_PUNCH_HOLE = 0x2
export const FALLOC_FL_COLLAPSE_RANGE = 0x8
export const FALLOC_FL_ZERO_RANGE = 0x10
export const FALLOC_FL_INSERT_RANGE = 0x20

/** One step of a fallocate: returns whether all is done. */
type Step = (handle: Handle) => boolean

/**
 * Whether the mode moves blocks to other places of the file: in between, nobody else may change the file.
 */
export function isShift(mode: number): boolean {
  return (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) !== 0
}

/**
 * fallocate(2) of a regular file: plain, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, COLLAPSE_RANGE, INSERT_RANGE.
 * Others are EOPNOTSUPP. What does not fit in one transaction goes on in others; a crash in between leaves a file that
 * is sound, with a part of the range allocated, freed or moved, as with Linux.
 */
export function fallocate(
  journal: Journal,
  inode: Inode,
  mode: number,
  offset: number,
  length: number,
): void | Promise<void> {
  if (!inode.isRegular) throw new FsError(inode.isDirectory ? 'EISDIR' : 'ENODEV', `inode ${inode.ino}`)
  if (offset < 0 || length <= 0) throw new FsError('EINVAL', `range ${offset}+${length}`)
  if (offset + length > maxFileSize(inode.volume)) throw new FsError('EFBIG', `range ${offset}+${length}`)
  const keepSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0
  // A map of indirect blocks can only lose blocks: it knows neither unwritten ones nor places to move to.
  if (!hasExtents(inode) && !isInline(inode) && (mode & FALLOC_FL_PUNCH_HOLE) === 0)
    throw new FsError('EOPNOTSUPP', `fallocate mode 0x${mode.toString(16)} of a file without extents`)
  // All modes are about blocks.
  if (isInline(inode)) {
    runStep(journal, (handle) => {
      convertInlineFile(handle, inode)
      return true
    })
  }
  switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
      return run(journal, allocateStep(journal, inode, offset, length, keepSize))
    case FALLOC_FL_PUNCH_HOLE:
      if (!keepSize) throw new FsError('EOPNOTSUPP', 'FALLOC_FL_PUNCH_HOLE needs FALLOC_FL_KEEP_SIZE')
      return run(journal, punchStep(inode, offset, length))
    case FALLOC_FL_ZERO_RANGE:
      return run(journal, zeroStep(journal, inode, offset, length, keepSize))
    case FALLOC_FL_COLLAPSE_RANGE:
      touchFirst(journal, inode)
      requireCollapsible(inode, keepSize, offset, length)
      return run(journal, collapseStep(inode, offset, length))
    case FALLOC_FL_INSERT_RANGE:
      touchFirst(journal, inode)
      requireInsertable(inode, keepSize, offset, length)
      return run(journal, insertStep(inode, offset, length))
    default:
      throw new FsError('EOPNOTSUPP', `fallocate mode 0x${mode.toString(16)}`)
  }
}

/** ext4 of Linux changes the times of a file also when it then refuses to shift. */
function touchFirst(journal: Journal, inode: Inode): void {
  runStep(journal, (handle) => {
    touchModified(handle, inode)
    return true
  })
}

/** Shifts go by themselves, and by whole clusters: blocks without bigalloc. */
function requireWholeClusters(inode: Inode, keepSize: boolean, offset: number, length: number): void {
  const { blockSize, clusterRatio } = inode.volume
  const unit = blockSize * clusterRatio
  if (keepSize || offset % unit !== 0 || length % unit !== 0)
    throw new FsError('EINVAL', `range ${offset}+${length} is not of whole blocks of ${unit}`)
}

function requireCollapsible(inode: Inode, keepSize: boolean, offset: number, length: number): void {
  requireWholeClusters(inode, keepSize, offset, length)
  if (offset + length >= inode.size)
    throw new FsError('EINVAL', `range ${offset}+${length} reaches the end at ${inode.size}`)
}

function requireInsertable(inode: Inode, keepSize: boolean, offset: number, length: number): void {
  const { blockSize } = inode.volume
  requireWholeClusters(inode, keepSize, offset, length)
  if (inode.size + length > maxFileSize(inode.volume))
    throw new FsError('EFBIG', `size ${inode.size} and ${length} more`)
  if (offset >= inode.size)
    throw new FsError('EINVAL', `offset ${offset} is not before the end at ${inode.size}`)
  requireRoomBehind(inode, length / blockSize)
}

function run(journal: Journal, step: Step): void | Promise<void> {
  return runStep(journal, step) ? undefined : repeatStep(journal, step)
}

function allocateStep(
  journal: Journal,
  inode: Inode,
  offset: number,
  length: number,
  keepSize: boolean,
): Step {
  const { blockSize } = inode.volume
  const end = Math.ceil((offset + length) / blockSize)
  let next = Math.floor(offset / blockSize)
  return (handle) => {
    next = preallocate(journal, handle, inode, next, end)
    const reached = Math.min(next * blockSize, offset + length)
    if (!keepSize && reached > inode.size) {
      zeroBehindEnd(inode, reached)
      inode.modifyData(handle)
      inode.size = reached
    }
    touchModified(handle, inode)
    return next >= end
  }
}

function punchStep(inode: Inode, offset: number, length: number): Step {
  const { blockSize } = inode.volume
  const first = Math.ceil(offset / blockSize)
  const end = Math.floor((offset + length) / blockSize)
  zeroEdges(inode, offset, length)
  return (handle) => {
    touchModified(handle, inode)
    return freeRange(handle, inode, first, end, false)
  }
}

/** Whole blocks become unwritten by way of a hole; the edges are zeroed in place. */
function zeroStep(journal: Journal, inode: Inode, offset: number, length: number, keepSize: boolean): Step {
  const { blockSize } = inode.volume
  const first = Math.ceil(offset / blockSize)
  const end = Math.floor((offset + length) / blockSize)
  zeroEdges(inode, offset, length)
  const allocate = allocateStep(journal, inode, offset, length, keepSize)
  let freed = false
  return (handle) => {
    if (!freed) freed = freeRange(handle, inode, first, end, false)
    return freed && allocate(handle)
  }
}

/** The size shrinks last: until then the file ends with a hole. */
function collapseStep(inode: Inode, offset: number, length: number): Step {
  const { blockSize } = inode.volume
  const first = offset / blockSize
  const count = length / blockSize
  let freed = false
  let next: number | undefined = first + count
  return (handle) => {
    touchModified(handle, inode)
    if (!freed) freed = freeRange(handle, inode, first, first + count, false)
    if (!freed) return false
    if (next !== undefined) next = shiftLeft(handle, inode, next, count)
    if (next !== undefined) return false
    joinAt(handle, inode, first)
    inode.modifyData(handle)
    inode.size -= length
    return true
  }
}

/** The size grows first, so that what was moved is not behind the end. */
function insertStep(inode: Inode, offset: number, length: number): Step {
  const { blockSize } = inode.volume
  const first = offset / blockSize
  const count = length / blockSize
  let begun = false
  let to: number | undefined = MAX_LOGICAL_BLOCK + 1
  zeroBehindEnd(inode, inode.size + length)
  return (handle) => {
    touchModified(handle, inode)
    if (!begun) {
      splitAt(handle, inode, first)
      inode.modifyData(handle)
      inode.size += length
      begun = true
    }
    if (to !== undefined) to = shiftRight(handle, inode, first, to, count)
    return to === undefined
  }
}

/** Zeroes the parts of the range that do not fill a block. */
function zeroEdges(inode: Inode, offset: number, length: number): void {
  const { blockSize } = inode.volume
  const end = offset + length
  const first = Math.ceil(offset / blockSize) * blockSize
  const last = Math.floor(end / blockSize) * blockSize
  if (first > last) {
    zeroRange(inode, offset, end)
    return
  }
  zeroRange(inode, offset, Math.min(first, end))
  zeroRange(inode, Math.max(last, offset), end)
}

import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import { maxFileSize, preallocate, zeroBehindEnd, zeroRange } from './file.js'
import { freeRange } from './file-blocks.js'
import type { Inode } from './inode.js'
import { touchModified } from './timestamps.js'
import { STEP_CREDITS } from './truncate.js'

/** FALLOC_FL_*, linux/falloc.h. */
export const FALLOC_FL_KEEP_SIZE = 0x1
export const FALLOC_FL_PUNCH_HOLE = 0x2
export const FALLOC_FL_ZERO_RANGE = 0x10

/** One step of a fallocate: returns whether all is done. */
type Step = (handle: Handle) => boolean

/** fallocate(2) of a regular file: plain, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE. Others are EOPNOTSUPP. */
export function fallocate(
  journal: Journal,
  inode: Inode,
  mode: number,
  offset: number,
  length: number,
): void | Promise<void> {
  if (!inode.isRegular) throw new FsError(inode.isDirectory ? 'EISDIR' : 'ENODEV', `inode ${inode.ino}`)
  if (offset < 0 || length <= 0) throw new FsError('EINVAL', `range ${offset}+${length}`)
  if (offset + length > maxFileSize(inode.volume.blockSize))
    throw new FsError('EFBIG', `range ${offset}+${length}`)
  const keepSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0
  switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
      return run(journal, allocateStep(journal, inode, offset, length, keepSize))
    case FALLOC_FL_PUNCH_HOLE:
      if (!keepSize) throw new FsError('EOPNOTSUPP', 'FALLOC_FL_PUNCH_HOLE needs FALLOC_FL_KEEP_SIZE')
      return run(journal, punchStep(inode, offset, length))
    case FALLOC_FL_ZERO_RANGE:
      return run(journal, zeroStep(journal, inode, offset, length, keepSize))
    default:
      throw new FsError('EOPNOTSUPP', `fallocate mode 0x${mode.toString(16)}`)
  }
}

function run(journal: Journal, step: Step): void | Promise<void> {
  return runOnce(journal, step) ? undefined : runRest(journal, step)
}

function runOnce(journal: Journal, step: Step): boolean {
  const handle = journal.start()
  try {
    const done = step(handle)
    handle.stop()
    return done
  } catch (error) {
    handle.revert()
    throw error
  }
}

async function runRest(journal: Journal, step: Step): Promise<void> {
  do {
    for (let wait = journal.ready(STEP_CREDITS); wait !== undefined; wait = journal.ready(STEP_CREDITS))
      await wait
  } while (!runOnce(journal, step))
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

import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import { MAX_LOGICAL_BLOCK } from './extent.js'
import { zeroBehindEnd, zeroRange } from './file.js'
import { freeRange } from './file-blocks.js'
import { mostBlocks } from './file-map.js'
import { isInline } from './inline-data.js'
import { truncateInlineFile } from './inline-file.js'
import type { Inode } from './inode.js'
import { touchModified } from './timestamps.js'

/** Metadata blocks that a step needs to begin. */
export const STEP_CREDITS = 48

/**
 * Sets the size. What does not fit in this transaction leaves the inode on the orphan list, so that a crash in
 * between is finished at the next mount; {@link continueTruncate} goes on. Returns whether all is done.
 */
export function truncate(handle: Handle, inode: Inode, size: number): boolean {
  const { blockSize } = inode.volume
  const limit = mostBlocks(inode) * blockSize
  if (size > limit) throw new FsError('EFBIG', `size ${size}, limit ${limit}`)
  if (isInline(inode) && truncateInlineFile(handle, inode, size)) {
    touchModified(handle, inode)
    return true
  }
  const old = inode.size
  if (size < old && size % blockSize !== 0) {
    zeroRange(inode, size, Math.min(old, Math.ceil(size / blockSize) * blockSize))
  }
  zeroBehindEnd(inode, size)
  inode.modifyData(handle)
  inode.size = size
  touchModified(handle, inode)
  if (size > old) return true
  const done = freeRange(handle, inode, Math.ceil(size / blockSize), MAX_LOGICAL_BLOCK + 1, false)
  if (!done) inode.volume.orphans.add(handle, inode)
  return done
}

/** The next transactions of a truncate that did not fit in one. Undefined when all is done. */
export function continueTruncate(journal: Journal, inode: Inode): Promise<void> | undefined {
  return repeatStep(journal, (handle) => finishTruncate(handle, inode))
}

/**
 * Runs a step in one transaction after the other, each when the journal has room for it, until it says that all is done:
 * undefined when that needed no waiting.
 */
export function repeatStep(journal: Journal, step: (handle: Handle) => boolean): Promise<void> | undefined {
  do {
    const wait = journal.ready(STEP_CREDITS)
    if (wait !== undefined) return repeatBehind(wait, journal, step)
  } while (!runStep(journal, step))
  return undefined
}

async function repeatBehind(
  wait: Promise<void>,
  journal: Journal,
  step: (handle: Handle) => boolean,
): Promise<void> {
  await wait
  do {
    for (let again = journal.ready(STEP_CREDITS); again !== undefined; again = journal.ready(STEP_CREDITS))
      await again
  } while (!runStep(journal, step))
}

/** One transaction's part. What fails is undone. */
export function runStep(journal: Journal, step: (handle: Handle) => boolean): boolean {
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

/** One more step towards i_size. Returns whether all is done; the inode is then off the orphan list. */
export function finishTruncate(handle: Handle, inode: Inode): boolean {
  const first = Math.ceil(inode.size / inode.volume.blockSize)
  if (!isInline(inode) && !freeRange(handle, inode, first, MAX_LOGICAL_BLOCK + 1, false)) return false
  inode.volume.orphans.remove(handle, inode)
  return true
}

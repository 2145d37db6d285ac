import createDebug from 'debug'
import { FsError } from '../../../lib/errno.js'
import type { Journal } from '../jbd2/journal.js'
import type { TrimRange } from '../vfs/file-system.js'
import type { BlockRun } from './block-allocator.js'
import type { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/** Groups between two pauses, in which other operations may run. */
const GROUPS_A_STEP = 16

/**
 * FITRIM: discards the free blocks of a range, as ext4_trim_fs() of Linux does. Groups that were trimmed, and in which
 * nothing was freed since, are left out; what waits for a commit is committed first. Returns the bytes discarded, and
 * the least run that was.
 *
 * Throws FsError EINVAL for a range that begins past the end or is shorter than a block, or for a least run longer
 * than a group; EOPNOTSUPP when the device cannot discard.
 */
export async function trim(volume: Volume, journal: Journal, range: TrimRange): Promise<TrimRange> {
  const { device, blockSize, blocksCount, firstDataBlock, blocksPerGroup } = volume
  const granularity = device.discardGranularity ?? 0
  if (granularity === 0) throw new FsError('EOPNOTSUPP', `${device.name} cannot discard`)
  const start = Math.floor(range.start / blockSize)
  const asked = Math.floor(range.least / blockSize)
  if (asked > blocksPerGroup || start >= blocksCount || range.length < blockSize)
    throw new FsError('EINVAL', `trim ${range.length} bytes from ${range.start}, ${range.least} at least`)
  const least = Math.max(1, Math.ceil(Math.max(range.least, granularity) / blockSize))
  const end = Math.min(start + Math.floor(range.length / blockSize), blocksCount)
  const trimmed = { start: range.start, length: 0, least: least * blockSize }
  if (end <= firstDataBlock + 1 || least > blocksPerGroup) return trimmed
  const first = volume.groupOfBlock(Math.max(start, firstDataBlock))
  const last = volume.groupOfBlock(end - 1)
  if (volume.blockAllocator.hasPending) await journal.commit()
  for (let group = first; group <= last; ) {
    const runs: BlockRun[] = []
    const stop = Math.min(last + 1, group + GROUPS_A_STEP)
    for (; group < stop; group++) collect(volume, group, { start, end, least }, runs)
    trimmed.length += discardRuns(volume, runs) * blockSize
    await undefined
  }
  return trimmed
}

function collect(
  volume: Volume,
  group: number,
  limits: { start: number; end: number; least: number },
  runs: BlockRun[],
): void {
  const { blockAllocator, clusterRatio } = volume
  const { start, end } = limits
  const least = Math.ceil(limits.least / clusterRatio)
  const first = volume.firstBlockOfGroup(group)
  const size = volume.blocksInGroup(group)
  const whole = start <= first && end >= first + size
  if (whole && !blockAllocator.takeUntrimmed(group, least)) return
  // Of a range that begins or ends within a cluster that cluster is left out; the last one of all may be cut short.
  const from = Math.ceil(Math.max(start - first, 0) / clusterRatio)
  const to = end >= first + size ? Math.ceil(size / clusterRatio) : Math.floor((end - first) / clusterRatio)
  blockAllocator.forEachFreeRun(group, from, to, least, (run, count) => {
    const behind = Math.min((run + count) * clusterRatio, size)
    runs.push({ start: first + run * clusterRatio, count: behind - run * clusterRatio })
  })
}

/**
 * Discards runs of blocks that are free in all states to come; joins those that touch, so that pages which they
 * share are discarded too. Returns the number of blocks. Throws FsError EOPNOTSUPP.
 */
export function discardRuns(volume: Volume, runs: BlockRun[]): number {
  const { device, blockSize } = volume
  let count = 0
  let joined: BlockRun | undefined
  const discard = (): void => {
    if (joined === undefined) return
    const count = Math.min(joined.count, volume.blocksCount - joined.start)
    device.discard?.(joined.start * blockSize, count * blockSize)
  }
  for (const run of runs.sort((a, b) => a.start - b.start)) {
    count += run.count
    if (joined !== undefined && joined.start + joined.count === run.start) {
      joined.count += run.count
    } else {
      discard()
      joined = { ...run }
    }
  }
  discard()
  return count
}

/** The `discard` mount option: each commit's freed blocks are discarded as they become free. */
export function discardOnCommit(volume: Volume): void {
  const { device, blockAllocator } = volume
  if ((device.discardGranularity ?? 0) === 0) {
    log('mounting with "discard", but %s cannot discard', device.name)
    return
  }
  blockAllocator.onReleased = (runs) => {
    try {
      discardRuns(volume, runs)
    } catch (error) {
      // Nothing is lost but space of the host's; FITRIM tells who asks.
      log('discard is off: %s', (error as Error).message)
      blockAllocator.onReleased = undefined
    }
  }
}

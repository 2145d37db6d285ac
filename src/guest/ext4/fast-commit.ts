import createDebug from 'debug'
import { FsError, UnsupportedError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import { FastCommitReplay } from './fast-commit-replay.js'
import { readFastCommits } from './fast-commit-tag.js'
import { INCOMPAT, RO_COMPAT } from './features.js'
import type { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/**
 * After the journal's recovery: replays the fast commits that follow its last transaction, as one transaction, and
 * empties the log. Until that is durable, whoever finds the image will find the fast commits as well. Returns how many
 * tags there were. The volume and its journal must be opened anew. Throws CorruptError and UnsupportedError; what is
 * refused, e2fsck and Linux can still replay.
 */
export async function recoverFastCommits(volume: Volume, journal: Journal): Promise<number> {
  const { tid, fastCommits } = journal.resume()
  const tags = readFastCommits(fastCommits, volume.blockSize, tid)
  log('%d tags of fast commits of transaction %d', tags.length, tid)
  if (tags.length > 0) {
    refuseFeatures(volume)
    journal.beforeCommit = (handle) => {
      volume.blockAllocator.settleCounters(handle)
      volume.checksums.seal(handle)
    }
    inHandle(journal, (handle) => new FastCommitReplay(volume, handle).run(tags))
    await journal.commit()
  }
  await journal.close()
  return tags.length
}

function refuseFeatures({ incompat, roCompat }: Volume): void {
  const names = []
  if ((incompat & INCOMPAT.inline_data) !== 0) names.push('inline_data')
  if ((roCompat & RO_COMPAT.bigalloc) !== 0) names.push('bigalloc')
  if (names.length === 0) return
  throw new UnsupportedError('journal holds fast commits, which e2fsck can replay', ['fast_commit', ...names])
}

function inHandle(journal: Journal, operation: (handle: Handle) => void): void {
  const handle = journal.start()
  try {
    operation(handle)
    handle.stop()
  } catch (error) {
    handle.revert()
    if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error
    const what = 'fast commits need more room than the journal has, e2fsck can replay them'
    throw new UnsupportedError(what, ['fast_commit'])
  }
}

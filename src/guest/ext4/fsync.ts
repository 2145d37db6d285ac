import { FsError } from '../../../lib/errno.js'
import type { Journal } from '../jbd2/journal.js'
import { nextTid, tidGeq } from '../jbd2/tid.js'
import type { Inode } from './inode.js'
import { DIRSYNC_FL, SYNC_FL } from './raw-inode.js'
import type { Volume } from './volume.js'

/** What makes a mounted file system durable. */
export interface Durability {
  readonly volume: Volume
  readonly journal: Journal
  /** False: no FLUSH is sent. */
  readonly barrier: boolean
}

/**
 * One FLUSH when only data was overwritten, a commit (two) when metadata changed, nothing (undefined) when all is
 * durable. Throws EIO for ever once the journal is aborted.
 */
export function fsync(by: Durability, inode: Inode, dataOnly: boolean): Promise<void> | undefined {
  requireSound(by.journal)
  const isLazy = !dataOnly && inode.lazyTimes !== undefined
  const settled = isLazy ? by.volume.lazyTimes?.settle([inode]) : undefined
  if (settled !== undefined) return settled.then(() => fsync(by, inode, dataOnly))
  const tid = dataOnly ? inode.datasyncTid : inode.syncTid
  const { journal } = by
  if (tid !== 0 && !tidGeq(journal.committedTid, tid)) {
    const committed = journal.waitForCommit(tid)
    if (journal.aborted !== undefined) {
      // Told here, once.
      committed.catch(() => {})
      requireSound(journal)
    }
    if (!tidGeq(journal.committedTid, tid)) return flushBehind(committed, by, inode)
  }
  return flushIfDirty(by, inode)
}

/** Everything stored so far. Throws EIO once the journal is aborted. */
export async function syncfs(by: Durability): Promise<void> {
  const { volume, journal, barrier } = by
  requireSound(journal)
  await volume.lazyTimes?.settle()
  const stored = volume.device.storeSequence
  await journal.commit()
  if (barrier && stored > volume.device.flushedSequence) await flush(by, volume.device.flush())
}

/** Whether changes of the inode, or of the entries that it lists, are durable before they are answered. */
export function isSynchronous({ volume, flags }: Inode, entries: boolean): boolean {
  const { sync, dirsync } = volume.behaviour
  return sync || (entries && dirsync) || (flags & (entries ? SYNC_FL | DIRSYNC_FL : SYNC_FL)) !== 0
}

/**
 * All operations so far, but not the data that they stored in place; undefined when they are durable. Throws EIO once the
 * journal is aborted.
 */
export function commit({ journal }: Durability): Promise<void> | undefined {
  requireSound(journal)
  const committed = journal.commit()
  if (journal.aborted !== undefined) {
    committed.catch(() => {})
    requireSound(journal)
  }
  return !journal.dirty && nextTid(journal.committedTid) === journal.runningTid ? undefined : committed
}

function requireSound({ aborted }: Journal): void {
  if (aborted !== undefined) throw new FsError('EIO', 'the journal is aborted', { cause: aborted })
}

async function flushBehind(committed: Promise<void>, by: Durability, inode: Inode): Promise<void> {
  await committed
  await flushIfDirty(by, inode)
}

function flushIfDirty(by: Durability, inode: Inode): Promise<void> | undefined {
  const { device } = by.volume
  if (!by.barrier || inode.dataSequence <= device.flushedSequence) return undefined
  if (device.flushAtOnce === undefined) return flush(by, device.flush())
  try {
    const wait = device.flushAtOnce()
    return wait && flush(by, wait)
  } catch (error) {
    by.journal.abort(error)
    throw error
  }
}

/** A failed FLUSH leaves unknown what is durable: from then on the journal cannot be trusted. */
async function flush({ journal }: Durability, flushed: Promise<void>): Promise<void> {
  try {
    await flushed
  } catch (error) {
    journal.abort(error)
    throw error
  }
}

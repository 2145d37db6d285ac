import createDebug from 'debug'
import { FsError, UnsupportedError } from '../../../lib/errno.js'
import type { BlockDevice } from '../block/block-device.js'
import type { Journal } from '../jbd2/journal.js'
import type { RecoveryReport } from '../jbd2/recovery.js'
import { continueEvict } from './evict.js'
import { recoverFastCommits } from './fast-commit.js'
import { checkVerity, INCOMPAT, readOnlyFeatures } from './features.js'
import { openJournal, withoutJournal } from './journal-inode.js'
import { LazyTimes } from './lazy-times.js'
import { DEFAULT_BEHAVIOUR, type ErrorsBehaviour, type MountOptions } from './mount-options.js'
import { markMounted, markRecovered } from './mount-state.js'
import { openVolume } from './torn-superblock.js'
import { discardOnCommit } from './trim.js'
import { continueTruncate } from './truncate.js'
import { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/** What a mount found and did. */
export interface MountReport {
  readOnly: boolean
  /** Why a mount that was asked to be writable is not. */
  readOnlyReason?: string
  recovery?: RecoveryReport
  /** Changes replayed from the fast commits behind the log. */
  fastCommits?: number
  /** Orphans freed or truncated. */
  orphans: number
}

export interface Mounted {
  volume: Volume
  /** Undefined when read-only. */
  journal: Journal | undefined
  errors: ErrorsBehaviour
  barrier: boolean
  report: MountReport
}

/** Recovers the journal if need be, and opens the volume for use. Throws UnsupportedError, CorruptError or FsError. */
export async function mountVolume(device: BlockDevice, options: MountOptions): Promise<Mounted> {
  const settings = {
    clock: options.clock,
    commitInterval: options.commitInterval ?? 5000,
    barrier: options.barrier ?? true,
    checksum: options.journalChecksum,
  }
  const behaviour = { ...DEFAULT_BEHAVIOUR, ...options.behaviour }
  const isCopy = behaviour.superblock !== DEFAULT_BEHAVIOUR.superblock
  let { volume, journal, isTorn } = openVolume(device, options.now, behaviour, settings)
  checkVerity(volume.roCompat)
  const report: MountReport = { orphans: 0, ...access(volume, options) }
  if (isCopy && !report.readOnly)
    throw new FsError('EINVAL', 'sb= needs ro: the first superblock would stay as it is')
  if (!report.readOnly && options.data === undefined) checkDataMode(volume)
  // A copy of the superblock never says.
  const needsRecovery = isTorn || isCopy || (volume.incompat & INCOMPAT.needs_recovery) !== 0
  if (options.noload) {
    if (!report.readOnly)
      throw new FsError('EINVAL', 'noload needs ro: without the journal the file system may be inconsistent')
    // Opened again for what is wrong with it.
    if (isTorn) volume = new Volume(device, options.now, behaviour)
  } else if (journal?.needsRecovery && needsRecovery) {
    if (device.readOnly)
      throw new FsError(
        'EROFS',
        `${device.name}: the journal needs recovery, but the device is read-only; noload mounts without it`,
      )
    if ((volume.incompat & INCOMPAT.mmp) !== 0)
      throw new UnsupportedError('cannot recover the journal, noload mounts without it', ['mmp'])
    report.recovery = await journal.recover()
    log('recovered the journal: %o', report.recovery)
    volume = new Volume(device, options.now, behaviour)
    journal = openJournal(volume, settings)
    if (journal?.needsRecovery) {
      const changes = await recoverFastCommits(volume, journal)
      if (changes > 0) report.fastCommits = changes
      volume = new Volume(device, options.now, behaviour)
      journal = openJournal(volume, settings)
    }
    if (report.readOnly && journal !== undefined) await markRecovered(volume, journal)
  } else if (journal?.needsRecovery && !report.readOnly) {
    // Linux too takes the superblock's word for it that all of this is home.
    await journal.wipe()
  }
  const errors = options.errors ?? volume.defaults.errors
  const barrier = options.barrier ?? volume.defaults.barrier
  if (report.readOnly) return { volume, journal: undefined, errors, barrier, report }
  // What was recovered was flushed all the same.
  if (barrier !== settings.barrier) journal = openJournal(volume, { ...settings, barrier })
  journal ??= withoutJournal(volume, { ...settings, barrier })
  volume.quotas?.load()
  await markMounted(volume, journal)
  volume.journal = journal
  if (volume.behaviour.discard) discardOnCommit(volume)
  volume.lazyTimes = new LazyTimes(volume, journal, options.clock)
  report.orphans = await cleanOrphans(volume, journal)
  return { volume, journal, errors, barrier, report }
}

function access(volume: Volume, options: MountOptions): { readOnly: boolean; readOnlyReason?: string } {
  if (options.readOnly) return { readOnly: true }
  if (volume.device.readOnly) return { readOnly: true, readOnlyReason: `${volume.device.name} is read-only` }
  const features = readOnlyFeatures(volume.roCompat)
  if (features.length > 0) {
    return { readOnly: true, readOnlyReason: `unsupported ro_compat features: ${features.join(', ')}` }
  }
  if ((volume.incompat & INCOMPAT.mmp) !== 0) {
    const reason = 'feature mmp: its heartbeat, which keeps other hosts from writing, is not kept up here'
    return { readOnly: true, readOnlyReason: reason }
  }
  return { readOnly: false }
}

/** Throws UnsupportedError where the superblock asks for a mode of the journal that is not to be had. */
function checkDataMode({ hasJournal, defaults: { dataMode } }: Volume): void {
  if (!hasJournal || dataMode === undefined) return
  throw new UnsupportedError(
    'cannot mount but with data=ordered: file data is stored in place before its commit, and the default mount options are',
    [dataMode],
  )
}

/** Finishes what a crash left undone: frees inodes without links, truncates the others to their size. */
async function cleanOrphans(volume: Volume, journal: Journal): Promise<number> {
  const found = volume.orphans.load()
  for (const ino of found) {
    const inode = volume.inodeCache.get(ino)
    if (inode.linksCount === 0) await continueEvict(journal, inode)
    else await continueTruncate(journal, inode)
  }
  if (found.length > 0) {
    log('%d orphans cleaned', found.length)
    await journal.commit()
  }
  return found.length
}

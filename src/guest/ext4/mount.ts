import createDebug from 'debug'
import { FsError, UnsupportedError } from '../../../lib/errno.js'
import type { BlockDevice } from '../block/block-device.js'
import type { Journal } from '../jbd2/journal.js'
import type { RecoveryReport } from '../jbd2/recovery.js'
import { continueEvict } from './evict.js'
import { recoverFastCommits } from './fast-commit.js'
import { INCOMPAT, readOnlyFeatures } from './features.js'
import { openJournal, withoutJournal } from './journal-inode.js'
import { LazyTimes } from './lazy-times.js'
import { DEFAULT_BEHAVIOUR, type ErrorsBehaviour, type MountOptions } from './mount-options.js'
import { markMounted, markRecovered } from './mount-state.js'
import { ERRORS_CONTINUE, ERRORS_PANIC, ERRORS_RO, SuperBlock } from './superblock.js'
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
  const barrier = options.barrier ?? true
  const settings = { clock: options.clock, commitInterval: options.commitInterval ?? 5000, barrier }
  const behaviour = { ...DEFAULT_BEHAVIOUR, ...options.behaviour }
  const isCopy = behaviour.superblock !== DEFAULT_BEHAVIOUR.superblock
  let { volume, journal, isTorn } = openVolume(device, options.now, behaviour, settings)
  const report: MountReport = { orphans: 0, ...access(volume, options) }
  if (isCopy && !report.readOnly)
    throw new FsError('EINVAL', 'sb= needs ro: the first superblock would stay as it is')
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
  const errors = options.errors ?? errorsOf(volume)
  if (report.readOnly) return { volume, journal: undefined, errors, barrier, report }
  journal ??= withoutJournal(volume, settings)
  volume.quotas?.load()
  await markMounted(volume, journal)
  volume.journal = journal
  if (behaviour.discard) discardOnCommit(volume)
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

function errorsOf(volume: Volume): ErrorsBehaviour {
  const head = volume.superblock
  const value = SuperBlock.s_errors.get(head.view, head.at + volume.superblockOffset)
  const names: Record<number, ErrorsBehaviour> = {
    [ERRORS_CONTINUE]: 'continue',
    [ERRORS_RO]: 'remount-ro',
    [ERRORS_PANIC]: 'panic',
  }
  return names[value] ?? 'continue'
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

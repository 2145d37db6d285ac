import createDebug from 'debug'
import { FsError, UnsupportedError } from '../../../lib/errno.js'
import type { BlockDevice } from '../block/block-device.js'
import type { Journal } from '../jbd2/journal.js'
import type { RecoveryReport } from '../jbd2/recovery.js'
import { continueEvict } from './evict.js'
import { INCOMPAT, readOnlyFeatures } from './features.js'
import { openJournal, withoutJournal } from './journal-inode.js'
import { DEFAULT_BEHAVIOUR, type ErrorsBehaviour, type MountOptions } from './mount-options.js'
import { ERROR_FS, ERRORS_CONTINUE, ERRORS_PANIC, ERRORS_RO, SuperBlock, VALID_FS } from './superblock.js'
import { writeSuperblock } from './superblock-write.js'
import { continueTruncate } from './truncate.js'
import { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/** What a mount found and did. */
export interface MountReport {
  readOnly: boolean
  /** Why a mount that was asked to be writable is not. */
  readOnlyReason?: string
  recovery?: RecoveryReport
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
  }
  const behaviour = { ...DEFAULT_BEHAVIOUR, ...options.behaviour }
  let volume = new Volume(device, options.now, behaviour)
  const report: MountReport = { orphans: 0, ...access(volume, options) }
  let journal: Journal | undefined = openJournal(volume, settings)
  if (journal?.needsRecovery && !options.noload) {
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
    if (report.readOnly) writeSuperblock(volume, clearNeedsRecovery)
    journal = openJournal(volume, settings)
  } else if (options.noload && !report.readOnly) {
    throw new FsError('EINVAL', 'noload needs ro: without the journal the file system may be inconsistent')
  }
  if (behaviour.superblock !== DEFAULT_BEHAVIOUR.superblock && !report.readOnly)
    throw new FsError('EINVAL', 'sb= needs ro: the first superblock would stay as it is')
  const errors = options.errors ?? errorsOf(volume)
  const { barrier } = settings
  if (report.readOnly) return { volume, journal: undefined, errors, barrier, report }
  journal ??= withoutJournal(volume, settings)
  await markMounted(volume, journal)
  volume.journal = journal
  // Before the first transaction, which may be that of the orphans.
  journal.beforeCommit = (handle) => {
    volume.blockAllocator.settleCounters(handle)
    volume.checksums.seal(handle)
  }
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

function clearNeedsRecovery(view: DataView, at: number): void {
  SuperBlock.s_feature_incompat.set(
    view,
    at,
    SuperBlock.s_feature_incompat.get(view, at) & ~INCOMPAT.needs_recovery,
  )
}

/**
 * From the first transaction on, whoever finds the image must look into the journal, or where there is none check it as
 * a whole: said before it can be needed.
 */
async function markMounted(volume: Volume, journal: Journal): Promise<void> {
  const found = journal.recordedError
  writeSuperblock(volume, (view, at) => {
    if (volume.hasJournal) {
      const incompat = SuperBlock.s_feature_incompat.get(view, at)
      SuperBlock.s_feature_incompat.set(view, at, (incompat | INCOMPAT.needs_recovery) >>> 0)
    } else SuperBlock.s_state.set(view, at, volume.state & ~VALID_FS)
    SuperBlock.s_mnt_count.set(view, at, (SuperBlock.s_mnt_count.get(view, at) + 1) & 0xffff)
    SuperBlock.s_mtime.set(view, at, volume.now().sec >>> 0)
    if (found !== 0) SuperBlock.s_state.set(view, at, SuperBlock.s_state.get(view, at) | ERROR_FS)
  })
  if (found !== 0) journal.clearError()
  await volume.device.flush()
}

/** Marks the image as cleanly unmounted; the journal is closed and empty. */
export async function markUnmounted(volume: Volume): Promise<void> {
  writeSuperblock(volume, (view, at) => {
    clearNeedsRecovery(view, at)
    if (!volume.hasJournal)
      SuperBlock.s_state.set(view, at, SuperBlock.s_state.get(view, at) | (volume.state & VALID_FS))
    volume.orphans.markUnmounted(view, at)
  })
  await volume.device.flush()
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

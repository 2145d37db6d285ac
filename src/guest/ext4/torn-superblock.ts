import createDebug from 'debug'
import { CorruptError } from '../../../lib/errno.js'
import type { BlockDevice } from '../block/block-device.js'
import type { Journal } from '../jbd2/journal.js'
import type { Timespec } from '../vfs/attributes.js'
import { superblockChecksum } from './checksum.js'
import { INCOMPAT } from './features.js'
import { type JournalSettings, openJournal } from './journal-inode.js'
import type { Behaviour } from './mount-options.js'
import { SuperBlock } from './superblock.js'
import { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/** A file system and its journal, as found. */
export interface OpenedVolume {
  readonly volume: Volume
  readonly journal: Journal | undefined
  /**
   * The superblock is partly the old and partly the new one, as a power failure leaves it whose sectors were not all
   * written. The journal holds it whole, and must be replayed before anything else is read.
   */
  readonly isTorn: boolean
}

/**
 * All that ever changes in a superblock here is in the log before it is stored in place, and stays there until that is
 * durable. So a wrong checksum is no damage as long as the log has a good copy of the same file system's.
 */
export function openVolume(
  device: BlockDevice,
  now: () => Timespec,
  behaviour: Readonly<Behaviour>,
  settings: JournalSettings,
): OpenedVolume {
  try {
    const volume = new Volume(device, now, behaviour)
    return { volume, journal: openJournal(volume, settings), isTorn: false }
  } catch (error) {
    if (!isBadChecksum(error)) throw error
    const opened = openTorn(device, now, behaviour, settings)
    if (opened === undefined) throw error
    log('the superblock is torn, the journal has it: %s', error.message)
    return opened
  }
}

function isBadChecksum(error: unknown): error is CorruptError {
  if (!(error instanceof CorruptError)) return false
  const { structure, field } = error.corruption
  return structure === SuperBlock.NAME && field === 's_checksum'
}

/** Undefined when anything is wrong that a tear does not explain. */
function openTorn(
  device: BlockDevice,
  now: () => Timespec,
  behaviour: Readonly<Behaviour>,
  settings: JournalSettings,
): OpenedVolume | undefined {
  try {
    const volume = new Volume(device, now, behaviour, { unsummed: true })
    const journal = openJournal(volume, settings)
    const copy = journal?.committedCopy(volume.superblockBlock)
    if (copy === undefined || !isSameFileSystem(volume, copy)) return undefined
    return { volume, journal, isTorn: true }
  } catch (error) {
    log('the superblock is wrong, and the journal no help: %s', error)
    return undefined
  }
}

/** What leads to the journal, and never changes while it is in use. */
const CONSTANT = [
  's_inodes_count',
  's_blocks_count_lo',
  's_blocks_count_hi',
  's_first_data_block',
  's_log_block_size',
  's_blocks_per_group',
  's_inodes_per_group',
  's_magic',
  's_rev_level',
  's_inode_size',
  's_desc_size',
  's_journal_inum',
  's_checksum_seed',
] as const

/** Whether `copy`, of the superblock's block, is a good superblock that leads to the journal it comes from. */
function isSameFileSystem(volume: Volume, copy: Uint8Array): boolean {
  const { view, at: block } = volume.superblock
  const at = block + volume.superblockOffset
  const its = new DataView(copy.buffer, copy.byteOffset, copy.byteLength)
  const offset = volume.superblockOffset
  if (SuperBlock.s_checksum.get(its, offset) !== superblockChecksum(copy, offset)) return false
  const uuid = SuperBlock.s_uuid.get(its, offset)
  const incompat = SuperBlock.s_feature_incompat.get(its, offset)
  return (
    Buffer.compare(uuid, volume.uuid) === 0 &&
    ((incompat ^ volume.incompat) & ~INCOMPAT.needs_recovery) === 0 &&
    CONSTANT.every((field) => SuperBlock[field].get(its, offset) === SuperBlock[field].get(view, at))
  )
}

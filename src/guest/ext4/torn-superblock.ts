import createDebug from 'debug'
import { CorruptError, type FsError, UnsupportedError } from '../../../lib/errno.js'
import type { BlockDevice } from '../block/block-device.js'
import type { Journal } from '../jbd2/journal.js'
import { CHECKSUM_NOT_SUPPORTED } from '../jbd2/journal-superblock.js'
import type { Timespec } from '../vfs/attributes.js'
import { superblockChecksum } from './checksum.js'
import { INCOMPAT } from './features.js'
import { GroupDesc } from './group-descriptor.js'
import { type JournalSettings, openJournal } from './journal-inode.js'
import type { Behaviour } from './mount-options.js'
import { SuperBlock } from './superblock.js'
import { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/** A file system and its journal, as found. */
export interface OpenedVolume {
  readonly volume: Volume
  readonly journal: Journal | undefined
  /** Superblock or descriptors are partly old and partly new: the journal must be replayed before anything else is read. */
  readonly isTorn: boolean
}

/**
 * Opens what a power failure may have torn: superblock, group descriptors, the journal's superblock. All that ever
 * changes in the first two is in the log before it is stored in place, and stays there until that is durable. So a wrong
 * checksum is no damage as long as the log has a good copy of the same file system's.
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
    if (!mayBeTear(error)) throw error
    const opened = openTorn(device, now, behaviour, settings)
    if (opened === undefined) throw error
    log('torn, and the journal tells how it was: %s', error.message)
    return opened
  }
}

function mayBeTear(error: unknown): error is FsError {
  if (error instanceof CorruptError) return error.code === 'EBADMSG'
  return error instanceof UnsupportedError && error.message.includes(CHECKSUM_NOT_SUPPORTED)
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
    const journal = openJournal(volume, settings, { acceptTorn: true })
    if (journal === undefined) return undefined
    const isTorn = !isSuperblockGood(volume)
    if (!isTorn && (volume.incompat & INCOMPAT.needs_recovery) === 0) {
      // The log is void, whatever its tail.
      const whole = new Volume(device, now, behaviour)
      return { volume: whole, journal: openJournal(whole, settings, { acceptTorn: true }), isTorn }
    }
    const isKnown =
      (!journal.isTorn || journal.isHarmlessTear(volume.uuid)) &&
      (!isTorn || isSuperblockLogged(volume, journal)) &&
      isDescriptorKnown(volume, journal)
    return isKnown ? { volume, journal, isTorn } : undefined
  } catch (error) {
    log('a wrong checksum, and the journal no help: %s', error)
    return undefined
  }
}

function isSuperblockGood(volume: Volume): boolean {
  const { bytes, view, at: block } = volume.superblock
  const at = block + volume.superblockOffset
  return !volume.hasMetadataCsum || SuperBlock.s_checksum.get(view, at) === superblockChecksum(bytes, at)
}

function isSuperblockLogged(volume: Volume, journal: Journal): boolean {
  const copy = journal.committedCopy(volume.superblockBlock)
  return copy !== undefined && isSameFileSystem(volume, copy)
}

/** Whether the descriptor that led to the journal's inode is good, or the log has a good one that leads there too. */
function isDescriptorKnown(volume: Volume, journal: Journal): boolean {
  const { groups, superblock, superblockOffset } = volume
  const ino = SuperBlock.s_journal_inum.get(superblock.view, superblock.at + superblockOffset)
  const group = volume.groupOfInode(ino)
  const isGood = (view: DataView, bytes: Uint8Array, at: number): boolean => {
    const sum = groups.checksum(group, bytes, at)
    return sum === undefined || sum === GroupDesc.bg_checksum.get(view, at)
  }
  const { view, bytes, at, block } = groups.head(group)
  const offset = groups.offsetOf(group)
  if (isGood(view, bytes, at + offset)) return true
  const copy = journal.committedCopy(block)
  if (copy === undefined) return false
  const its = new DataView(copy.buffer)
  const leadsThere =
    GroupDesc.bg_inode_table_lo.get(its, offset) === GroupDesc.bg_inode_table_lo.get(view, at + offset)
  return leadsThere && isGood(its, copy, offset)
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

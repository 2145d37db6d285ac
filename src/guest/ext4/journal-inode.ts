import { FsError, UnsupportedError } from '../../../lib/errno.js'
import { Journal } from '../jbd2/journal.js'
import type { JournalRun } from '../jbd2/journal-map.js'
import { INCOMPAT } from './features.js'
import { mappings } from './file-map.js'
import { Inode } from './inode.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

export interface JournalSettings {
  /** Milliseconds of a steady clock. */
  clock: () => number
  /** Milliseconds between a change and its commit. */
  commitInterval: number
  barrier: boolean
  /** What is written to the log has checksums; undefined: where the file system's metadata has. */
  checksum?: boolean | undefined
}

/** What stands for the journal in a file system without one. */
export function withoutJournal(
  { cache }: Volume,
  { clock, commitInterval, barrier }: JournalSettings,
): Journal {
  return Journal.withoutLog({ cache, now: clock, commitInterval, barrier })
}

/** Where the journal's blocks lie; empty when the file system has none. Throws CorruptError and UnsupportedError. */
export function journalRuns(volume: Volume): JournalRun[] {
  if (!volume.hasJournal) return []
  const head = volume.superblock
  const at = head.at + volume.superblockOffset
  const ino = SuperBlock.s_journal_inum.get(head.view, at)
  if (ino === 0 || SuperBlock.s_journal_dev.get(head.view, at) !== 0) {
    throw new UnsupportedError('cannot mount: the journal is not in the file system', ['external journal'])
  }
  if (ino > volume.inodesCount) throw new FsError('EUCLEAN', `ext4_super_block: s_journal_inum is ${ino}`)
  const inode = new Inode(volume, ino)
  inode.verifyChecksum()
  return Array.from(mappings(inode), ({ logical, physical, length }) => ({ logical, physical, length }))
}

/** Opens the journal that the superblock names, undefined when the file system has none. */
export function openJournal(
  volume: Volume,
  settings: JournalSettings,
  { acceptTorn = false } = {},
): Journal | undefined {
  if (!volume.hasJournal) return undefined
  return Journal.open({
    cache: volume.cache,
    map: journalRuns(volume),
    now: settings.clock,
    commitInterval: settings.commitInterval,
    barrier: settings.barrier,
    checksum: settings.checksum ?? volume.hasMetadataCsum,
    wide: (volume.incompat & INCOMPAT['64bit']) !== 0,
    acceptTorn,
  })
}

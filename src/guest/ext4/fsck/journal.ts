import { CorruptError, UnsupportedError } from '../../../../lib/errno.js'
import { JournalSuperblock } from '../../jbd2/journal-superblock.js'
import { COMPAT, INCOMPAT } from '../features.js'
import type { FsckContext } from './context.js'

/** The journal's superblock at block `first`; `mapped`: blocks of its inode. The log itself is recovery's business. */
export function checkJournal(ctx: FsckContext, first: number, mapped: number): void {
  const { geometry, medium } = ctx
  const place = { ino: ctx.journalIno, block: first }
  if (first === 0) {
    ctx.error('bad-journal', 'ext4_inode', 'the journal has no first block', { ino: ctx.journalIno })
    return
  }
  medium.open(first)
  const start = readStart(ctx, mapped, first)
  if (start === undefined) return
  const needsRecovery = (geometry.incompat & INCOMPAT.needs_recovery) !== 0
  if (start !== 0 && !needsRecovery) {
    ctx.error(
      'bad-journal',
      'journal_superblock_s',
      'the log is not empty, but needs_recovery is not set',
      place,
    )
  }
  if (needsRecovery) {
    const state = start === 0 ? 'the journal is empty, but needs_recovery is set' : 'the journal is not empty'
    const message = `${state}: what follows is the state before recovery`
    ctx.problem('needs-recovery', 'warning', 'ext4_super_block', message, place)
  }
}

function readStart(ctx: FsckContext, mapped: number, block: number): number | undefined {
  const { medium, geometry } = ctx
  try {
    return JournalSuperblock.read(medium.bytes, medium.at, { blockSize: geometry.blockSize, mapped, block })
      .start
  } catch (error) {
    if (!(error instanceof CorruptError || error instanceof UnsupportedError)) throw error
    ctx.error('bad-journal', 'journal_superblock_s', error.message, { ino: ctx.journalIno, block })
    return undefined
  }
}

/** What the superblock says of the journal, and whether its inode was found (`hasInode`). */
export function checkJournalFeature(ctx: FsckContext, hasInode: boolean): void {
  const { compat, incompat } = ctx.geometry
  if ((compat & COMPAT.has_journal) !== 0) {
    if (!hasInode)
      ctx.error('bad-journal', 'ext4_super_block', `s_journal_inum ${ctx.journalIno} is not a file in use`)
    return
  }
  if (ctx.journalIno !== 0) {
    const message = `s_journal_inum is ${ctx.journalIno} without the feature has_journal`
    ctx.problem('bad-journal', 'warning', 'ext4_super_block', message)
  }
  if ((incompat & INCOMPAT.needs_recovery) !== 0) {
    ctx.error('bad-flag', 'ext4_super_block', 'needs_recovery is set, but there is no journal')
  }
}

import { CorruptError, UnsupportedError } from '../../../../lib/errno.js'
import { BlockHeader, SUPERBLOCK_V2 } from '../../jbd2/block-header.js'
import { JournalSuperblock, SuperblockLayout } from '../../jbd2/journal-superblock.js'
import { COMPAT, INCOMPAT } from '../features.js'
import { SuperBlock } from '../superblock.js'
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
  const superblock = readSuperblock(ctx, mapped, first)
  if (superblock === undefined) return
  const { start, errno } = superblock
  checkUsers(ctx, first)
  const needsRecovery = (geometry.incompat & INCOMPAT.needs_recovery) !== 0
  if (start !== 0 && !needsRecovery) {
    ctx.error(
      'bad-journal',
      'journal_superblock_s',
      'the log is not empty, but needs_recovery is not set',
      place,
    )
  }
  // The mount that recovers the journal takes it over as EXT2_ERROR_FS.
  if (errno !== 0 && !needsRecovery)
    ctx.error('bad-journal', 'journal_superblock_s', `the journal was aborted: s_errno is ${errno}`, place)
  if (needsRecovery) {
    const state = start === 0 ? 'the journal is empty, but needs_recovery is set' : 'the journal is not empty'
    const message = `${state}: what follows is the state before recovery`
    ctx.problem('needs-recovery', 'warning', 'ext4_super_block', message, place)
  }
}

/** A journal inside a file system is that one's only. Linux does not look; e2fsck and other tools refuse it. */
function checkUsers(ctx: FsckContext, block: number): void {
  const { view, at } = ctx.medium
  const users = SuperblockLayout.s_nr_users.get(view, at)
  if (BlockHeader.h_blocktype.get(view, at) !== SUPERBLOCK_V2 || users <= 1) return
  const message = `s_nr_users is ${users}, expected at most 1`
  ctx.error('bad-journal', 'journal_superblock_s', message, { ino: ctx.journalIno, block })
}

function readSuperblock(ctx: FsckContext, mapped: number, block: number): JournalSuperblock | undefined {
  const { medium, geometry } = ctx
  try {
    return JournalSuperblock.read(medium.bytes, medium.at, { blockSize: geometry.blockSize, mapped, block })
  } catch (error) {
    if (!(error instanceof CorruptError || error instanceof UnsupportedError)) throw error
    ctx.error('bad-journal', 'journal_superblock_s', error.message, { ino: ctx.journalIno, block })
    return undefined
  }
}

/** What the superblock at `at` says of the journal, and whether its inode was found (`hasInode`). */
export function checkJournalFeature(
  ctx: FsckContext,
  { view, at }: { view: DataView; at: number },
  hasInode: boolean,
): void {
  const { compat, incompat } = ctx.geometry
  if ((compat & COMPAT.has_journal) !== 0) {
    if (!hasInode)
      ctx.error('bad-journal', 'ext4_super_block', `s_journal_inum ${ctx.journalIno} is not a file in use`)
    if (SuperBlock.s_journal_uuid.get(view, at).some((byte) => byte !== 0))
      ctx.error('bad-journal', 'ext4_super_block', 's_journal_uuid names an external journal')
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

import { UnsupportedError } from '../../../../lib/errno.js'
import type { BlockDevice } from '../../block/block-device.js'
import { superblockChecksum } from '../checksum.js'
import { COMPAT, checkIncompat, readOnlyFeatures, unknownCompat } from '../features.js'
import { ERROR_FS, EXT4_MAGIC, SUPERBLOCK_OFFSET, SuperBlock, VALID_FS } from '../superblock.js'
import { checkBitmaps } from './bitmaps.js'
import { checkConnectivity, checkLinks } from './connectivity.js'
import { FsckContext, type Report } from './context.js'
import { DirBlocks } from './dir-blocks.js'
import { DirectoryScan } from './directory-scan.js'
import { checkEaInodes } from './ea-inodes.js'
import { type BadField, type FsGeometry, readGeometry } from './fs-geometry.js'
import { GroupDescs } from './group-descs.js'
import { InodeScan } from './inode-scan.js'
import { checkJournalFeature } from './journal.js'
import { Medium } from './medium.js'
import { checkMetadata } from './metadata.js'
import { findOrphans } from './orphans.js'
import type { Problem, ProblemCode } from './problem.js'
import { QuotaCheck } from './quotas.js'
import { checkXattrUsers } from './xattrs.js'

export interface FsckResult {
  /** As e2fsck -fn exits: 0 clean, 4 errors (left as they are), 8 not checked. */
  readonly status: 0 | 4 | 8
  readonly errors: number
  readonly warnings: number
  readonly notes: number
  readonly inodesUsed: number
  readonly inodesCount: number
  readonly directories: number
  readonly blocksUsed: number
  readonly blocksCount: number
}

interface SuperblockPlace {
  readonly view: DataView
  readonly bytes: Uint8Array
  readonly at: number
}

/**
 * Checks a file system without writing: every structure this project writes, as e2fsck -fn does. Straight on the
 * device's memory; each checksum is computed once. Never throws for what is on the medium.
 */
export function fsck(device: BlockDevice, options: { report: Report }): FsckResult {
  const { report } = options
  if (device.size < SUPERBLOCK_OFFSET + SuperBlock.SIZE) {
    return unchecked(report, 'not-ext4', `${device.size} bytes are too few for a file system`)
  }
  const superblock = device.directAccess(SUPERBLOCK_OFFSET)
  const { view, at } = superblock
  if (SuperBlock.s_magic.get(view, at) !== EXT4_MAGIC)
    return unchecked(report, 'not-ext4', 'no ext4 file system')
  const unsupported = unsupportedFeatures(view, at)
  if (unsupported !== undefined) return unchecked(report, 'unsupported', unsupported)
  const geometry = readGeometry(view, at, device.size)
  if ('field' in geometry) return unchecked(report, 'bad-geometry', describe(geometry))
  return check(device, superblock, geometry, report)
}

function check(
  device: BlockDevice,
  superblock: SuperblockPlace,
  geometry: FsGeometry,
  report: Report,
): FsckResult {
  const medium = new Medium(device, geometry.blockSize, geometry.blocksCount)
  const groups = new GroupDescs(geometry, medium)
  const { view, at } = superblock
  const ctx = new FsckContext({
    geometry,
    medium,
    groups,
    dirBlocks: new DirBlocks(),
    journalIno: SuperBlock.s_journal_inum.get(view, at),
    orphanFile: SuperBlock.s_orphan_file_inum.get(view, at),
    report,
  })
  checkSuperblock(ctx, superblock)
  checkMetadata(ctx)
  findOrphans(ctx, superblock)
  const quotas = new QuotaCheck(ctx, superblock)
  const scan = new InodeScan(ctx, quotas)
  scan.run()
  quotas.run()
  checkJournalFeature(ctx, superblock, scan.foundJournal)
  checkXattrUsers(ctx)
  checkEaInodes(ctx)
  new DirectoryScan(ctx, superblock).run()
  checkConnectivity(ctx)
  checkLinks(ctx, quotas)
  checkBitmaps(ctx, superblock)
  return conclude(ctx)
}

function checkSuperblock(ctx: FsckContext, { view, bytes, at }: SuperblockPlace): void {
  const { geometry } = ctx
  if (geometry.hasMetadataCsum) {
    const expected = superblockChecksum(bytes, at)
    const found = SuperBlock.s_checksum.get(view, at)
    if (found !== expected) {
      ctx.error('bad-checksum', 'ext4_super_block', `s_checksum is ${found}, expected ${expected}`)
    }
  }
  const state = SuperBlock.s_state.get(view, at)
  if ((state & ERROR_FS) !== 0)
    ctx.problem('not-clean', 'note', 'ext4_super_block', 's_state: errors were detected')
  else if ((state & VALID_FS) === 0) {
    ctx.problem('not-clean', 'note', 'ext4_super_block', 's_state: not cleanly unmounted')
  }
  const reserved =
    SuperBlock.s_r_blocks_count_lo.get(view, at) +
    SuperBlock.s_r_blocks_count_hi.get(view, at) * 0x1_0000_0000
  if (reserved > geometry.blocksCount / 2) {
    ctx.error(
      'bad-geometry',
      'ext4_super_block',
      `s_r_blocks_count is ${reserved} of ${geometry.blocksCount}`,
    )
  }
}

function conclude(ctx: FsckContext): FsckResult {
  const { geometry, counts } = ctx
  const sum = (values: Uint32Array) => values.reduce((total, value) => total + value, 0)
  return {
    status: counts.error > 0 ? 4 : 0,
    errors: counts.error,
    warnings: counts.warning,
    notes: counts.note,
    inodesUsed: sum(ctx.usedInodes),
    inodesCount: geometry.inodesCount,
    directories: ctx.dirBlocks.directories.length,
    blocksUsed: ctx.blocksUsed,
    blocksCount: geometry.blocksCount,
  }
}

function unsupportedFeatures(view: DataView, at: number): string | undefined {
  try {
    checkIncompat(SuperBlock.s_feature_incompat.get(view, at))
  } catch (error) {
    if (error instanceof UnsupportedError) return error.message
    throw error
  }
  const hasJournal = (SuperBlock.s_feature_compat.get(view, at) & COMPAT.has_journal) !== 0
  if (hasJournal && SuperBlock.s_journal_dev.get(view, at) !== 0) return 'external journal'
  // A mount may pass over those; what they mean for the structures nobody can say.
  const compat = unknownCompat(SuperBlock.s_feature_compat.get(view, at))
  if (compat.length > 0) return `unsupported compat features: ${compat.join(', ')}`
  const readOnly = readOnlyFeatures(SuperBlock.s_feature_ro_compat.get(view, at))
  return readOnly.length > 0 ? `unsupported ro_compat features: ${readOnly.join(', ')}` : undefined
}

function describe({ field, found, expected }: BadField): string {
  return `${field} is ${found}, expected ${expected}`
}

/** The file system cannot be checked at all. */
function unchecked(report: (problem: Problem) => void, code: ProblemCode, message: string): FsckResult {
  report({ code, severity: 'error', structure: 'ext4_super_block', message })
  const none = { inodesUsed: 0, inodesCount: 0, directories: 0, blocksUsed: 0, blocksCount: 0 }
  return { status: 8, errors: 1, warnings: 0, notes: 0, ...none }
}

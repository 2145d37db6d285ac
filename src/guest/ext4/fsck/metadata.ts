import { superblockChecksum } from '../checksum.js'
import { COMPAT, INCOMPAT, RO_COMPAT } from '../features.js'
import { BLOCK_UNINIT, INODE_UNINIT } from '../group-descriptor.js'
import { hasSuper, superAndDescriptorBlocks } from '../group-layout.js'
import { EXT4_MAGIC, SuperBlock } from '../superblock.js'
import type { FsckContext } from './context.js'
import { blocksInGroup, clustersInGroup, firstBlockOfGroup } from './fs-geometry.js'

/** EXT4_MMP_MAGIC, at the beginning of struct mmp_struct. */
const MMP_MAGIC = 0x004d4d50

/** Descriptors and backups; claims all blocks of fixed metadata. */
export function checkMetadata(ctx: FsckContext): void {
  const { geometry, groups } = ctx
  for (const { group, block, found, expected } of groups.badChecksums) {
    const message = `bg_checksum is ${hex(found)}, expected ${hex(expected)}`
    ctx.error('bad-checksum', `ext4_group_desc ${group}`, message, { block })
  }
  if (!hasResizeInode(ctx) && geometry.reservedGdtBlocks > 0) {
    const message = `s_reserved_gdt_blocks is ${geometry.reservedGdtBlocks} without the feature resize_inode`
    ctx.problem('bad-count', 'warning', 'ext4_super_block', message)
  }
  const layout = hasResizeInode(ctx) ? geometry : { ...geometry, reservedGdtBlocks: 0 }
  for (let group = 0; group < geometry.groupCount; group++) {
    const count = Math.min(superAndDescriptorBlocks(layout, group), blocksInGroup(geometry, group))
    if (count === 0) continue
    ctx.claimMetadata(`ext4_super_block of group ${group}`, firstBlockOfGroup(geometry, group), count)
    if (group > 0 && hasSuper(geometry, group)) checkBackup(ctx, group)
  }
  claimMmpBlock(ctx)
  for (let group = 0; group < geometry.groupCount; group++) {
    claimPlace(ctx, group, 'bg_block_bitmap', groups.blockBitmap, 1)
    claimPlace(ctx, group, 'bg_inode_bitmap', groups.inodeBitmap, 1)
    claimPlace(ctx, group, 'bg_inode_table', groups.inodeTable, geometry.inodeTableBlocks)
    const limits = [
      ['bg_free_blocks_count', groups.freeBlocks, clustersInGroup(geometry, group)],
      ['bg_free_inodes_count', groups.freeInodes, geometry.inodesPerGroup],
      ['bg_itable_unused', groups.itableUnused, geometry.hasGroupCsum ? geometry.inodesPerGroup : 0xffffffff],
    ] as const
    const isUninit = (groups.flags[group]! & (INODE_UNINIT | BLOCK_UNINIT)) !== 0
    if (!geometry.hasGroupCsum && (isUninit || groups.itableUnused[group] !== 0)) {
      ctx.error('bad-flag', `ext4_group_desc ${group}`, 'marked uninitialised without the feature')
    }
    for (const [field, values, most] of limits) {
      if (values[group]! <= most) continue
      ctx.error('bad-count', `ext4_group_desc ${group}`, `${field} is ${values[group]}, at most ${most}`)
    }
  }
}

/** The block of the multiple mount protection; it belongs to no group. */
function claimMmpBlock(ctx: FsckContext): void {
  const { mmpBlock, incompat } = ctx.geometry
  if ((incompat & INCOMPAT.mmp) === 0) return
  if (!ctx.isFileBlock(mmpBlock)) {
    ctx.error('bad-place', 'ext4_super_block', `s_mmp_block is ${mmpBlock}`)
    return
  }
  const taken = ctx.claims.claim(mmpBlock, 1)
  if (taken >= 0) ctx.error('multiply-claimed', 'mmp_struct', `block ${mmpBlock} is in use by other metadata`)
  ctx.medium.open(mmpBlock)
  const magic = ctx.medium.view.getUint32(ctx.medium.at, true)
  if (magic !== MMP_MAGIC)
    ctx.error('bad-place', 'mmp_struct', `mmp_magic is ${hex(magic)}`, { block: mmpBlock })
}

/** Claims the blocks that a descriptor names; what cannot be read becomes 0. */
function claimPlace(
  ctx: FsckContext,
  group: number,
  field: string,
  places: Float64Array,
  count: number,
): void {
  const { geometry } = ctx
  const structure = `ext4_group_desc ${group}`
  const start = places[group]!
  const anywhere = (geometry.incompat & INCOMPAT.flex_bg) !== 0
  const least = anywhere ? geometry.firstDataBlock + 1 : firstBlockOfGroup(geometry, group)
  const end = anywhere
    ? geometry.blocksCount
    : firstBlockOfGroup(geometry, group) + blocksInGroup(geometry, group)
  if (start < least || start + count > end) {
    ctx.error('bad-place', structure, `${field} is ${start}, expected ${least} to ${end - count}`)
    places[group] = 0
    return
  }
  ctx.claimMetadata(`${structure} ${field}`, start, count)
}

/** Feature bits that change while the file system is used, which the backups do not follow; as e2fsck has them. */
const CHANGING_COMPAT = COMPAT.ext_attr
const CHANGING_INCOMPAT = INCOMPAT.needs_recovery | INCOMPAT.extent
const CHANGING_RO_COMPAT = RO_COMPAT.orphan_present | RO_COMPAT.large_file | RO_COMPAT.dir_nlink

/** A backup is only read when the superblock is lost: what differs in it is a warning. */
function checkBackup(ctx: FsckContext, group: number): void {
  const block = firstBlockOfGroup(ctx.geometry, group)
  const fault = backupFault(ctx, block)
  if (fault === undefined) return
  ctx.problem('backup-differs', 'warning', `ext4_super_block of group ${group}`, fault, { block })
}

function backupFault({ geometry, medium }: FsckContext, block: number): string | undefined {
  medium.open(block)
  const { view, bytes, at } = medium
  if (SuperBlock.s_magic.get(view, at) !== EXT4_MAGIC) return 'no superblock where a backup belongs'
  if (geometry.hasMetadataCsum && SuperBlock.s_checksum.get(view, at) !== superblockChecksum(bytes, at)) {
    return 's_checksum is wrong'
  }
  const same =
    SuperBlock.s_blocks_count_lo.get(view, at) === geometry.blocksCount &&
    SuperBlock.s_inodes_count.get(view, at) === geometry.inodesCount &&
    ((SuperBlock.s_feature_compat.get(view, at) ^ geometry.compat) & ~CHANGING_COMPAT) === 0 &&
    ((SuperBlock.s_feature_incompat.get(view, at) ^ geometry.incompat) & ~CHANGING_INCOMPAT) === 0 &&
    ((SuperBlock.s_feature_ro_compat.get(view, at) ^ geometry.roCompat) & ~CHANGING_RO_COMPAT) === 0 &&
    Buffer.compare(SuperBlock.s_uuid.get(view, at), geometry.uuid) === 0
  return same ? undefined : 'size, features or UUID are not those of the superblock'
}

/** Whether block numbers reserved for growth belong to the resize inode. */
export function hasResizeInode(ctx: FsckContext): boolean {
  return (ctx.geometry.compat & COMPAT.resize_inode) !== 0
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`
}

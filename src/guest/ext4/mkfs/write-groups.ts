import { setBits } from '../../../../lib/bitmap.js'
import { bitmapChecksum, groupDescChecksum } from '../checksum.js'
import { BLOCK_UNINIT, GroupDesc, INODE_UNINIT, INODE_ZEROED } from '../group-descriptor.js'
import { blocksInGroup, DESC_SIZE, firstBlockOfGroup, hasSuperblock, superblockZone } from './geometry.js'
import type { ImageWriter, Scratch } from './image-writer.js'
import { LOST_FOUND_INO, ORPHAN_FILE_INO } from './write-inodes.js'

/** Free blocks and inodes of the whole new file system. */
export interface FreeCounts {
  blocks: number
  inodes: number
}

/** Writes the bitmaps, and every copy of the descriptor table. */
export function writeGroups(writer: ImageWriter): FreeCounts {
  const { geometry, placement } = writer
  const table = writer.scratch(geometry.descBlocks)
  const bitmap = writer.scratch(1)
  const free = { blocks: 0, inodes: 0 }
  const cursor = { run: 0 }
  for (let group = 0; group < geometry.groupCount; group++) {
    const at = group * DESC_SIZE
    const { view } = table
    GroupDesc.bg_block_bitmap_lo.set(view, at, placement.blockBitmaps[group]!)
    GroupDesc.bg_inode_bitmap_lo.set(view, at, placement.inodeBitmaps[group]!)
    GroupDesc.bg_inode_table_lo.set(view, at, placement.inodeTables[group]!)
    GroupDesc.bg_flags.set(view, at, INODE_ZEROED)
    free.blocks += describeBlocks(writer, table, bitmap, group, cursor)
    free.inodes += describeInodes(writer, table, bitmap, group)
    GroupDesc.bg_checksum.set(
      view,
      at,
      groupDescChecksum(writer.checksumSeed, group, table.bytes, at, DESC_SIZE),
    )
  }
  for (let group = 0; group < geometry.groupCount; group++) {
    if (hasSuperblock(group)) writer.write(firstBlockOfGroup(geometry, group) + 1, table.bytes)
  }
  return free
}

/** Returns the group's free blocks. `cursor` follows the used runs as the groups ascend. */
function describeBlocks(
  writer: ImageWriter,
  { view }: Scratch,
  bitmap: Scratch,
  group: number,
  cursor: { run: number },
): number {
  const { geometry, placement } = writer
  const at = group * DESC_SIZE
  const first = firstBlockOfGroup(geometry, group)
  const blocks = blocksInGroup(geometry, group)
  const end = first + blocks
  const { runs } = placement.used
  bitmap.bytes.fill(0)
  let used = 0
  for (; cursor.run < runs.length; cursor.run++) {
    const run = runs[cursor.run]!
    if (run.start >= end) break
    const from = Math.max(run.start, first)
    const to = Math.min(run.end, end)
    setBits(bitmap.bytes, 0, from - first, to - first)
    used += to - from
    if (run.end > end) break
  }
  GroupDesc.bg_free_blocks_count_lo.set(view, at, (blocks - used) & 0xffff)
  GroupDesc.bg_free_blocks_count_hi.set(view, at, (blocks - used) >>> 16)
  const onlySuperblock = used === superblockZone(geometry, group)
  if (onlySuperblock && group !== 0 && group !== geometry.groupCount - 1) {
    // The kernel can tell what such a bitmap holds, and makes it on first use.
    GroupDesc.bg_flags.set(view, at, GroupDesc.bg_flags.get(view, at) | BLOCK_UNINIT)
    return blocks - used
  }
  setBits(bitmap.bytes, 0, blocks, geometry.blockSize * 8)
  const sum = bitmapChecksum(writer.checksumSeed, bitmap.bytes, 0, geometry.blocksPerGroup)
  GroupDesc.bg_block_bitmap_csum_lo.set(view, at, sum & 0xffff)
  GroupDesc.bg_block_bitmap_csum_hi.set(view, at, sum >>> 16)
  writer.write(placement.blockBitmaps[group]!, bitmap.bytes)
  return blocks - used
}

/** Returns the group's free inodes. */
function describeInodes(writer: ImageWriter, { view }: Scratch, bitmap: Scratch, group: number): number {
  const { geometry, placement } = writer
  const at = group * DESC_SIZE
  const last = placement.orphanFile.length > 0 ? ORPHAN_FILE_INO : LOST_FOUND_INO
  const used = group === 0 ? last : 0
  const free = geometry.inodesPerGroup - used
  GroupDesc.bg_free_inodes_count_lo.set(view, at, free & 0xffff)
  GroupDesc.bg_free_inodes_count_hi.set(view, at, free >>> 16)
  GroupDesc.bg_itable_unused_lo.set(view, at, free & 0xffff)
  GroupDesc.bg_itable_unused_hi.set(view, at, free >>> 16)
  if (group > 0) {
    GroupDesc.bg_flags.set(view, at, GroupDesc.bg_flags.get(view, at) | INODE_UNINIT)
    return free
  }
  GroupDesc.bg_used_dirs_count_lo.set(view, at, 2)
  bitmap.bytes.fill(0)
  setBits(bitmap.bytes, 0, 0, used)
  setBits(bitmap.bytes, 0, geometry.inodesPerGroup, geometry.blockSize * 8)
  const sum = bitmapChecksum(writer.checksumSeed, bitmap.bytes, 0, geometry.inodesPerGroup)
  GroupDesc.bg_inode_bitmap_csum_lo.set(view, at, sum & 0xffff)
  GroupDesc.bg_inode_bitmap_csum_hi.set(view, at, sum >>> 16)
  writer.write(placement.inodeBitmaps[group]!, bitmap.bytes)
  return free
}

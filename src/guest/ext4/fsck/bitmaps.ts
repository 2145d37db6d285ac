import { countClear, findClear, testBit } from '../../../../lib/bitmap.js'
import { bitmapChecksum } from '../checksum.js'
import { BLOCK_UNINIT, INODE_UNINIT } from '../group-descriptor.js'
import { SuperBlock } from '../superblock.js'
import type { FsckContext } from './context.js'
import { clustersInGroup, firstBlockOfGroup } from './fs-geometry.js'
import type { Severity } from './problem.js'

/** Ranges of a difference that are told. */
const MOST_RANGES = 8

/** What one bitmap on the medium is compared with. */
interface Expected {
  readonly structure: string
  readonly block: number
  /** The bitmap found, its first byte, and its bits. */
  readonly found: Buffer
  readonly from: number
  readonly bits: number
  /** Number of bit 0: block or inode. */
  readonly first: number
  /** Blocks that each bit stands for; 1 for inodes. */
  readonly unit: number
  /** Checksum that the descriptor states. */
  readonly checksum: number
}

/** Bitmaps, free counts and flags of all groups, and the totals in the superblock, against what was found. */
export function checkBitmaps(ctx: FsckContext, superblock: { view: DataView; at: number }): void {
  const { geometry } = ctx
  const blocks = Buffer.from(ctx.claims.bitmap.buffer)
  const inodes = Buffer.from(ctx.inodeBitmap.buffer)
  let freeClusters = 0
  let freeInodes = 0
  for (let group = 0; group < geometry.groupCount; group++) {
    freeClusters += checkBlocks(ctx, group, blocks)
    freeInodes += checkInodes(ctx, group, inodes)
  }
  const freeBlocks = freeClusters * geometry.clusterRatio
  ctx.blocksUsed = geometry.blocksCount - freeBlocks
  const { view, at } = superblock
  const statedBlocks =
    SuperBlock.s_free_blocks_count_lo.get(view, at) +
    (geometry.descSize >= 64 ? SuperBlock.s_free_blocks_count_hi.get(view, at) * 0x1_0000_0000 : 0)
  const statedInodes = SuperBlock.s_free_inodes_count.get(view, at)
  // A mount counts them anew from the groups, and e2fsck does not call a difference an error either.
  compare(ctx, 'ext4_super_block', 's_free_blocks_count', statedBlocks, freeBlocks, 'warning')
  compare(ctx, 'ext4_super_block', 's_free_inodes_count', statedInodes, freeInodes, 'warning')
}

/** Returns the group's free clusters. */
function checkBlocks(ctx: FsckContext, group: number, found: Buffer): number {
  const { geometry, groups } = ctx
  const structure = `ext4_group_desc ${group}`
  const clusters = clustersInGroup(geometry, group)
  const from = (group * geometry.clustersPerGroup) >>> 3
  const free = countClear(found, from, 0, clusters)
  compare(ctx, structure, 'bg_free_blocks_count', groups.freeBlocks[group]!, free)
  if (geometry.hasGroupCsum && (groups.flags[group]! & BLOCK_UNINIT) !== 0) {
    if (clusters - free !== ctx.metadataClusters[group]) {
      ctx.error('bad-flag', structure, 'BLOCK_UNINIT is set, but files use blocks of the group')
    }
    return free
  }
  compareBitmap(ctx, {
    structure: `block bitmap of group ${group}`,
    block: groups.blockBitmap[group]!,
    found,
    from,
    bits: geometry.clustersPerGroup,
    first: firstBlockOfGroup(geometry, group),
    unit: geometry.clusterRatio,
    checksum: groups.blockBitmapCsum[group]!,
  })
  return free
}

/** Returns the group's free inodes. */
function checkInodes(ctx: FsckContext, group: number, found: Buffer): number {
  const { geometry, groups } = ctx
  const { inodesPerGroup } = geometry
  const structure = `ext4_group_desc ${group}`
  const free = inodesPerGroup - ctx.usedInodes[group]!
  compare(ctx, structure, 'bg_free_inodes_count', groups.freeInodes[group]!, free)
  compare(ctx, structure, 'bg_used_dirs_count', groups.usedDirs[group]!, ctx.directories[group]!)
  if (geometry.hasGroupCsum && (groups.flags[group]! & INODE_UNINIT) !== 0) {
    if (free !== inodesPerGroup)
      ctx.error('bad-flag', structure, 'INODE_UNINIT is set, but inodes of the group are in use')
    return free
  }
  compareBitmap(ctx, {
    structure: `inode bitmap of group ${group}`,
    block: groups.inodeBitmap[group]!,
    found,
    from: (group * inodesPerGroup) >>> 3,
    bits: inodesPerGroup,
    first: group * inodesPerGroup + 1,
    unit: 1,
    checksum: groups.inodeBitmapCsum[group]!,
  })
  return free
}

function compare(
  ctx: FsckContext,
  structure: string,
  field: string,
  stated: number,
  found: number,
  severity: Severity = 'error',
): void {
  if (stated === found) return
  ctx.problem('bad-count', severity, structure, `${field} is ${stated}, found ${found}`)
}

function compareBitmap(ctx: FsckContext, expected: Expected): void {
  const { structure, block, found, from, bits } = expected
  const { geometry, medium } = ctx
  if (block === 0) return
  medium.open(block)
  const { bytes, at } = medium
  if (geometry.hasMetadataCsum) {
    const sum = bitmapChecksum(geometry.checksumSeed, bytes, at, bits)
    const right = geometry.descSize >= 64 ? sum : sum & 0xffff
    if (expected.checksum !== right) {
      ctx.error('bad-checksum', structure, `the checksum is ${expected.checksum}, expected ${right}`, {
        block,
      })
    }
  }
  if (findClear(bytes, at, bits, geometry.blockSize * 8) !== geometry.blockSize * 8) {
    ctx.error('bad-padding', structure, 'bits behind the end of the bitmap are clear', { block })
  }
  const length = bits >>> 3
  if (found.compare(bytes, at, at + length, from, from + length) === 0) return
  ctx.error('bad-bitmap', structure, differences(bytes, at, expected), { block })
}

/** As e2fsck tells it: +n is marked but not in use, -n in use but not marked. */
function differences(bytes: Uint8Array, at: number, { found, from, bits, first, unit }: Expected): string {
  const ranges: string[] = []
  for (let bit = 0; bit < bits && ranges.length <= MOST_RANGES; bit++) {
    const marked = testBit(bytes, at, bit)
    if (marked === testBit(found, from, bit)) continue
    let end = bit + 1
    while (end < bits && testBit(bytes, at, end) === marked && testBit(found, from, end) !== marked) end++
    const start = first + bit * unit
    const last = first + end * unit - 1
    const range = start === last ? `${start}` : `(${start}--${last})`
    ranges.push(ranges.length === MOST_RANGES ? '...' : `${marked ? '+' : '-'}${range}`)
    bit = end - 1
  }
  return `differences: ${ranges.join(' ')} (+ marked but not in use, - in use but not marked)`
}

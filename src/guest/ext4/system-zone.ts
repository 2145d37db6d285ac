import { CorruptError } from '../../../lib/errno.js'
import { COMPAT, RO_COMPAT } from './features.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** Whether `group` holds a copy of the superblock and the descriptors. Kernel docs: ext4, "Layout". */
export function hasSuper(volume: Volume, group: number): boolean {
  if (group === 0) return true
  if ((volume.compat & COMPAT.sparse_super2) !== 0) {
    const head = volume.superblock
    const at = head.at + volume.superblockOffset + SuperBlock.s_backup_bgs.offset
    return head.view.getUint32(at, true) === group || head.view.getUint32(at + 4, true) === group
  }
  if (group === 1 || (volume.roCompat & RO_COMPAT.sparse_super) === 0) return true
  return isPower(group, 3) || isPower(group, 5) || isPower(group, 7)
}

function isPower(value: number, base: number): boolean {
  let power = base
  while (power < value) power *= base
  return power === value
}

/**
 * The blocks that hold the file system's fixed metadata and never a file: superblocks and descriptors with their
 * copies, reserved descriptor blocks, bitmaps and inode tables. Kernel: fs/ext4/block_validity.c, "system zone".
 */
export class SystemZone {
  /** Ascending, neither overlapping nor touching: run i is [starts[i], ends[i]). */
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  /** Throws CorruptError when metadata of one kind lies upon metadata of another. */
  constructor(volume: Volume) {
    const runs = metadataRuns(volume).sort((a, b) => a.start - b.start)
    let end = 0
    for (const run of runs) {
      if (run.start < end) {
        throw new CorruptError({
          structure: `ext4_group_desc ${run.group}`,
          field: run.field,
          found: run.start,
          expected: `${end} or more, behind other metadata`,
        })
      }
      if (run.start === end && this.#ends.length > 0) this.#ends.pop()
      else this.#starts.push(run.start)
      end = run.start + run.count
      this.#ends.push(end)
    }
  }

  /** Whether any block of `count` from `start` is metadata. */
  overlaps(start: number, count: number): boolean {
    const run = this.#runBehind(start)
    return run < this.#starts.length && this.#starts[run]! < start + count
  }

  /** Calls `visit` for the part of each run within [from, to). */
  forEach(from: number, to: number, visit: (start: number, end: number) => void): void {
    for (let run = this.#runBehind(from); run < this.#starts.length && this.#starts[run]! < to; run++) {
      visit(Math.max(this.#starts[run]!, from), Math.min(this.#ends[run]!, to))
    }
  }

  /** Index of the first run that ends behind `block`. */
  #runBehind(block: number): number {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ends[middle]! > block) high = middle
      else low = middle + 1
    }
    return low
  }
}

interface MetadataRun {
  group: number
  field: string
  start: number
  count: number
}

function metadataRuns(volume: Volume): MetadataRun[] {
  const { groups, groupCount, blockSize } = volume
  const head = volume.superblock
  const reserved = SuperBlock.s_reserved_gdt_blocks.get(head.view, head.at + volume.superblockOffset)
  const descBlocks = Math.ceil(groupCount / Math.floor(blockSize / volume.descSize))
  const tableBlocks = Math.ceil((volume.inodesPerGroup * volume.inodeSize) / blockSize)
  const runs: MetadataRun[] = []
  for (let group = 0; group < groupCount; group++) {
    if (hasSuper(volume, group)) {
      const room = volume.blocksInGroup(group)
      const count = Math.min(1 + descBlocks + reserved, room)
      runs.push({ group, field: 'superblock', start: volume.firstBlockOfGroup(group), count })
    }
    runs.push({ group, field: 'bg_block_bitmap', start: groups.blockBitmap(group), count: 1 })
    runs.push({ group, field: 'bg_inode_bitmap', start: groups.inodeBitmap(group), count: 1 })
    runs.push({ group, field: 'bg_inode_table', start: groups.inodeTable(group), count: tableBlocks })
  }
  return runs
}

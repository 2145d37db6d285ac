import { CorruptError } from '../../../lib/errno.js'
import { superAndDescriptorBlocks } from './group-layout.js'
import { journalRuns } from './journal-inode.js'
import type { Volume } from './volume.js'

/**
 * The blocks that hold the file system's fixed metadata and never a file: superblocks and descriptors with their
 * copies, reserved descriptor blocks, bitmaps, inode tables and the journal. Kernel: fs/ext4/block_validity.c, "system
 * zone".
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
          structure: run.structure,
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
  structure: string
  field: string
  start: number
  count: number
}

function metadataRuns(volume: Volume): MetadataRun[] {
  const { groups, groupCount, blockSize } = volume
  const tableBlocks = Math.ceil((volume.inodesPerGroup * volume.inodeSize) / blockSize)
  const runs: MetadataRun[] = []
  for (let group = 0; group < groupCount; group++) {
    const structure = `ext4_group_desc ${group}`
    const count = Math.min(superAndDescriptorBlocks(volume, group), volume.blocksInGroup(group))
    if (count > 0)
      runs.push({ structure, field: 'superblock', start: volume.firstBlockOfGroup(group), count })
    runs.push({ structure, field: 'bg_block_bitmap', start: groups.blockBitmap(group), count: 1 })
    runs.push({ structure, field: 'bg_inode_bitmap', start: groups.inodeBitmap(group), count: 1 })
    runs.push({ structure, field: 'bg_inode_table', start: groups.inodeTable(group), count: tableBlocks })
  }
  for (const { physical, length } of journalRuns(volume))
    runs.push({ structure: 'journal', field: 'extent', start: physical, count: length })
  return runs
}

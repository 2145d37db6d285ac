import { CorruptError } from '../../../lib/errno.js'

/** Consecutive blocks of the journal that are consecutive on the device. Units: blocks. */
export interface JournalRun {
  logical: number
  physical: number
  length: number
}

/** Where the blocks of the journal lie: the extents of its inode. */
export class JournalMap {
  /** Blocks mapped without a gap from logical block 0. */
  readonly length: number
  readonly #runs: readonly JournalRun[]

  constructor(runs: readonly JournalRun[]) {
    this.#runs = [...runs].sort((a, b) => a.logical - b.logical)
    let end = 0
    for (const run of this.#runs) {
      if (run.logical !== end) break
      end += run.length
    }
    this.length = end
  }

  /** As from a medium of `blockCount` blocks: throws CorruptError where it is empty or past the end. */
  static checked(runs: readonly JournalRun[], blockCount: number): JournalMap {
    for (const run of runs) {
      if (run.physical <= 0 || run.physical + run.length > blockCount)
        throw new CorruptError({
          structure: 'journal',
          field: 'extent',
          found: `${run.physical}+${run.length}`,
          expected: `within ${blockCount} blocks`,
        })
    }
    const map = new JournalMap(runs)
    if (map.length === 0)
      throw new CorruptError({ structure: 'journal', field: 'blocks', found: 0, expected: 'some' })
    return map
  }

  /** File system block of journal block `logical`. Throws RangeError where nothing is mapped. */
  physical(logical: number): number {
    let low = 0
    let high = this.#runs.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const run = this.#runs[middle] as JournalRun
      if (logical < run.logical) high = middle - 1
      else if (logical >= run.logical + run.length) low = middle + 1
      else return run.physical + (logical - run.logical)
    }
    throw new RangeError(`journal block ${logical} past the ${this.length} mapped`)
  }
}

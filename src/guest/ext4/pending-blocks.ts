import { clearBits, setBits } from '../../../lib/bitmap.js'
import type { BufferHead } from '../block/buffer-head.js'
import { tidGeq } from '../jbd2/tid.js'

interface FreedRun {
  readonly group: number
  readonly from: number
  readonly to: number
}

interface BusyGroup {
  /** The block bitmap with the pending clusters still set. */
  readonly bytes: Uint8Array
  runs: number
}

/**
 * Clusters that the bitmaps call free but whose freeing is not durable yet. Until it is, a crash brings their old
 * owner back, so nobody may store into them. A group that has any is searched in a copy of its bitmap.
 */
export class PendingBlocks {
  readonly #blockSize: number
  readonly #byTid = new Map<number, FreedRun[]>()
  readonly #groups = new Map<number, BusyGroup>()
  readonly #spare: Uint8Array[] = []
  #total = 0

  constructor(blockSize: number) {
    this.#blockSize = blockSize
  }

  /** Clusters that wait. */
  get total(): number {
    return this.#total
  }

  /** The bitmap to search in place of the group's own, undefined when that may be searched itself. */
  bitmap(group: number): Uint8Array | undefined {
    return this.#groups.get(group)?.bytes
  }

  /**
   * Before the bits [from, to) of the group's bitmap are cleared by transaction `tid`. Returns whether they are the
   * first of that transaction.
   */
  add(tid: number, run: FreedRun, bitmap: BufferHead): boolean {
    let busy = this.#groups.get(run.group)
    if (busy === undefined) {
      const bytes = this.#spare.pop() ?? new Uint8Array(this.#blockSize)
      bytes.set(bitmap.bytes.subarray(bitmap.at, bitmap.at + this.#blockSize))
      busy = { bytes, runs: 0 }
      this.#groups.set(run.group, busy)
    }
    busy.runs++
    this.#total += run.to - run.from
    const runs = this.#byTid.get(tid)
    if (runs === undefined) this.#byTid.set(tid, [run])
    else runs.push(run)
    return runs === undefined
  }

  /** Takes the last {@link add} of `tid` back. */
  cancel(tid: number): void {
    const runs = this.#byTid.get(tid) ?? []
    const run = runs.pop()
    if (run !== undefined) this.#leave(run)
    if (runs.length === 0) this.#byTid.delete(tid)
  }

  /** The bits were set in the group's bitmap. */
  taken(group: number, from: number, to: number): void {
    const bytes = this.bitmap(group)
    if (bytes !== undefined) setBits(bytes, 0, from, to)
  }

  /** {@link taken} was undone. */
  restored(group: number, from: number, to: number): void {
    const bytes = this.bitmap(group)
    if (bytes !== undefined) clearBits(bytes, 0, from, to)
  }

  /** All transactions up to `tid` are durable: their blocks may be used. Calls `released` for each run. */
  committed(tid: number, released: (group: number, from: number, to: number) => void): void {
    for (const [freedBy, runs] of this.#byTid) {
      if (!tidGeq(tid, freedBy)) continue
      this.#byTid.delete(freedBy)
      for (const run of runs) {
        this.restored(run.group, run.from, run.to)
        this.#leave(run)
        released(run.group, run.from, run.to)
      }
    }
  }

  #leave(run: FreedRun): void {
    this.#total -= run.to - run.from
    const busy = this.#groups.get(run.group) as BusyGroup
    if (--busy.runs > 0) return
    this.#groups.delete(run.group)
    this.#spare.push(busy.bytes)
  }
}

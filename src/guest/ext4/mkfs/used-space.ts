/** Blocks [start, end). */
export interface Run {
  readonly start: number
  readonly end: number
}

/** The blocks that the new file system uses so far, as ascending runs that do not touch. */
export class UsedSpace {
  /** Blocks of the file system: none at or past it is given out. */
  readonly #first: number
  readonly #end: number
  readonly #runs: Run[] = []

  constructor(first: number, end: number) {
    this.#first = first
    this.#end = end
  }

  get runs(): readonly Run[] {
    return this.#runs
  }

  /** Marks blocks that are free. */
  mark(start: number, count: number): void {
    if (count === 0) return
    let at = this.#indexBehind(start)
    let run: Run = { start, end: start + count }
    const before = this.#runs[at - 1]
    const after = this.#runs[at]
    let replaced = 0
    if (after !== undefined && after.start === run.end) {
      run = { start: run.start, end: after.end }
      replaced++
    }
    if (before !== undefined && before.end === run.start) {
      run = { start: before.start, end: run.end }
      replaced++
      at--
    }
    this.#runs.splice(at, replaced, run)
  }

  /** Takes `count` contiguous blocks, the first free ones in [from, to). Undefined when there are none. */
  takeContiguous(count: number, from: number, to: number): number | undefined {
    for (const gap of this.#gaps(from, to)) {
      if (gap.end - gap.start < count) continue
      this.mark(gap.start, count)
      return gap.start
    }
    return undefined
  }

  /**
   * Takes `count` blocks: contiguous ones behind `goal`, else contiguous ones anywhere, else the first free ones
   * behind `goal` and then from the beginning. Undefined, and nothing taken, when so many are not free.
   */
  take(count: number, goal: number): Run[] | undefined {
    const start =
      this.takeContiguous(count, goal, this.#end) ?? this.takeContiguous(count, this.#first, this.#end)
    if (start !== undefined) return [{ start, end: start + count }]
    const taken: Run[] = []
    let left = count
    for (const gap of [...this.#gaps(goal, this.#end), ...this.#gaps(this.#first, goal)]) {
      if (left === 0) break
      const end = Math.min(gap.end, gap.start + left)
      taken.push({ start: gap.start, end })
      left -= end - gap.start
    }
    if (left > 0) return undefined
    for (const run of taken) this.mark(run.start, run.end - run.start)
    return taken
  }

  /** The free runs of [from, to). */
  #gaps(from: number, to: number): Run[] {
    const gaps: Run[] = []
    let at = from
    const first = Math.max(this.#indexBehind(from) - 1, 0)
    for (let index = first; index < this.#runs.length && at < to; index++) {
      const run = this.#runs[index] as Run
      if (run.start > at) gaps.push({ start: at, end: Math.min(run.start, to) })
      at = Math.max(at, run.end)
    }
    if (at < to) gaps.push({ start: at, end: to })
    return gaps
  }

  /** Index of the first run that starts behind `block`. */
  #indexBehind(block: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#runs[middle] as Run).start > block) high = middle
      else low = middle + 1
    }
    return low
  }
}

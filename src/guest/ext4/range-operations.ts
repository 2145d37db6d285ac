import type { Journal } from '../jbd2/journal.js'
import { fallocate, isShift } from './fallocate.js'
import type { Inode } from './inode.js'
import { STEP_CREDITS } from './truncate.js'

/**
 * The fallocates of a file system that take several transactions. Others go on beside them; but while extents are moved
 * to other blocks of their file, as COLLAPSE_RANGE and INSERT_RANGE do, no change may come in between.
 */
export class RangeOperations {
  readonly #running = new Set<Promise<void>>()
  #shift: Promise<void> | undefined

  /** To be waited for before any change; never rejects. */
  get shift(): Promise<void> | undefined {
    return this.#shift
  }

  /** As {@link fallocate}. */
  start(journal: Journal, inode: Inode, mode: number, offset: number, length: number): void | Promise<void> {
    const shifts = isShift(mode)
    const work =
      shifts && this.#running.size > 0
        ? this.#afterOthers(journal, inode, mode, offset, length)
        : fallocate(journal, inode, mode, offset, length)
    if (work === undefined) return
    const ended = (): void => {
      this.#running.delete(settled)
      if (this.#shift === settled) this.#shift = undefined
    }
    const settled = work.then(ended, ended)
    this.#running.add(settled)
    if (shifts) this.#shift = settled
    return work
  }

  async #afterOthers(
    journal: Journal,
    inode: Inode,
    mode: number,
    offset: number,
    length: number,
  ): Promise<void> {
    await Promise.all(this.#running)
    for (let wait = journal.ready(STEP_CREDITS); wait !== undefined; wait = journal.ready(STEP_CREDITS))
      await wait
    await fallocate(journal, inode, mode, offset, length)
  }
}

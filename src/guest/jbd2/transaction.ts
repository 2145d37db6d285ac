import { Completion } from '../../../lib/completion.js'
import type { BufferHead } from '../block/buffer-head.js'

/**
 * What becomes durable together.
 *
 *     RUNNING    handles add blocks                            [Journal.start, Handle]
 *     RUNNING -> COMMITTING  closed, copied to the log         [Journal.#close]
 *     COMMITTING -> FINISHED commit block durable              [Journal.#finish]
 *     RUNNING, COMMITTING -> aborted, `done` rejects           [Journal.abort]
 */
export class Transaction {
  readonly tid: number
  /** The metadata blocks changed; each has a shadow. */
  readonly blocks = new Set<BufferHead>()
  /** Blocks freed and not taken again in this transaction. */
  readonly revokes = new Set<number>()
  readonly commitCallbacks: (() => void)[] = []
  readonly done = new Completion()
  /** Someone waits for it: it is the next to be committed. */
  requested = false
  /** When the first change was made; ms. */
  started: number | undefined

  constructor(tid: number) {
    this.tid = tid
    // Who does not wait for a transaction learns of its failure by the journal's abort.
    this.done.promise.catch(() => {})
  }

  get empty(): boolean {
    return this.blocks.size === 0 && this.revokes.size === 0
  }
}

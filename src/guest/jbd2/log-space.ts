import type { Transaction } from './transaction.js'
import type { TransactionStore } from './transaction-store.js'

/** Blocks that the beforeCommit hook may add to a transaction that is about to close. */
export const HOOK_BLOCKS = 16

/** How much of the log a transaction takes, and may take. All in blocks. */
export class LogSpace {
  /** What one operation may ask for at most. */
  readonly maxCredits: number
  /** What one transaction can hold at the very most. */
  readonly blockLimit: number
  readonly #log: TransactionStore
  /** Log blocks of one transaction (j_max_transaction_buffers). */
  readonly #maxTransaction: number

  constructor(log: TransactionStore) {
    this.#log = log
    this.#maxTransaction = Math.floor(log.length / 4)
    const describing = log.blocksFor(this.#maxTransaction, 1) - this.#maxTransaction
    this.maxCredits = this.#maxTransaction - describing - HOOK_BLOCKS - 1
    this.blockLimit = log.length - 4 * describing - HOOK_BLOCKS - 1
  }

  /** Log blocks of the transaction with `credits` more. */
  size({ blocks, revokes }: Transaction, credits: number): number {
    return this.#log.blocksFor(blocks.size + credits + HOOK_BLOCKS, revokes.size + 1)
  }

  fits(transaction: Transaction, credits: number): boolean {
    return this.size(transaction, credits) <= Math.min(this.#maxTransaction, this.#log.free)
  }

  /** It has to be committed before `credits` more fit, be the log as empty as can be. */
  isFull(transaction: Transaction, credits: number): boolean {
    return !transaction.empty && this.size(transaction, credits) > this.#maxTransaction
  }

  /** Metadata blocks that still fit. */
  room(transaction: Transaction): number {
    const left = Math.min(this.#maxTransaction, this.#log.free) - this.size(transaction, 0)
    return Math.max(0, left - (this.#log.blocksFor(left, 0) - left))
  }
}

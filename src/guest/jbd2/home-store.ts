import { FsError } from '../../../lib/errno.js'
import type { BufferCache } from '../block/buffer-cache.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { JournalCounters } from './journal-log.js'
import type { RecoveryReport } from './recovery.js'
import type { Steps } from './steps.js'
import type { Transaction } from './transaction.js'
import type { StoredState, TransactionStore } from './transaction-store.js'

/** Transactions are closed before they hold a quarter of this: bounds the shadows. Blocks. */
const LENGTH = 1 << 15

/** A file system without a journal has nothing to remember. */
export const NO_STATE: StoredState = {
  sequence: 0,
  start: 0,
  errno: 0,
  isTorn: false,
  setErrno: () => {},
}

/**
 * For a file system without a journal: the blocks of a transaction go home when it closes, and one FLUSH makes them
 * durable. So an operation can be undone and a freed block is not used again too early, as with a journal, but a power
 * failure may leave a part of the blocks of the last transaction: e2fsck has to look at the file system then.
 */
export class HomeStore implements TransactionStore {
  readonly length = LENGTH
  readonly free = LENGTH
  readonly active = false
  readonly #cache: BufferCache
  readonly #barrier: boolean
  readonly #counters: JournalCounters
  #stopped = false

  constructor(options: { cache: BufferCache; barrier: boolean; counters: JournalCounters }) {
    this.#cache = options.cache
    this.#barrier = options.barrier
    this.#counters = options.counters
  }

  blocksFor(blocks: number): number {
    return blocks
  }

  recover(): Promise<RecoveryReport> {
    return Promise.reject(new FsError('EINVAL', 'there is no journal to recover'))
  }

  wipe(): Promise<void> {
    return Promise.reject(new FsError('EINVAL', 'there is no journal to wipe'))
  }

  isHarmlessTear(): boolean {
    return false
  }

  committedCopy(): undefined {}

  resume(): [] {
    return []
  }

  *commit({ blocks }: Transaction): Steps {
    const counters = this.#counters
    for (const head of blocks) this.#store(head)
    counters.blocksCheckpointed += blocks.size
    if (this.#barrier) {
      counters.flushes++
      const { device } = this.#cache
      const wait = device.flushAtOnce === undefined ? device.flush() : device.flushAtOnce()
      if (wait !== undefined) yield wait
    }
    if (this.#stopped) throw new FsError('EIO', 'journal aborted')
    counters.commits++
  }

  async writeHome(): Promise<void> {}

  *checkpoint(): Steps {}

  async clean(): Promise<void> {}

  stop(): void {
    this.#stopped = true
  }

  #store(head: BufferHead): void {
    const { device, blockSize } = this.#cache
    device.write(head.block * blockSize, head.bytes, head.at, head.at + blockSize)
    // The bytes stay the same, so what was verified stays so.
    const { verified } = head
    this.#cache.dropShadow(head)
    head.verified = verified
  }
}

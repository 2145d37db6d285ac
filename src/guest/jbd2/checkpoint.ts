import type { BufferCache } from '../block/buffer-cache.js'
import type { BufferHead } from '../block/buffer-head.js'
import { JBD2_MAGIC_NUMBER } from './block-header.js'
import type { Log } from './log.js'
import type { LogCopies } from './log-writer.js'

const MAGIC_BYTES = Uint8Array.of(
  JBD2_MAGIC_NUMBER >>> 24,
  (JBD2_MAGIC_NUMBER >>> 16) & 0xff,
  (JBD2_MAGIC_NUMBER >>> 8) & 0xff,
  JBD2_MAGIC_NUMBER & 0xff,
)

/**
 * The committed blocks that have not gone home, each with its latest committed copy in the log. They go home from
 * there and never from the shadow, which may hold what a later transaction has not committed.
 */
export class Checkpoint {
  readonly #cache: BufferCache
  readonly #log: Log
  readonly #pending: LogCopies = new Map()

  constructor(cache: BufferCache, log: Log) {
    this.#cache = cache
    this.#log = log
  }

  /** Blocks that have not gone home. */
  get pending(): number {
    return this.#pending.size
  }

  /** A transaction is durable: freed blocks must not go home any more, and its copies are the latest. */
  committed(revokes: Iterable<number>, copies: LogCopies): void {
    for (const block of revokes) this.#pending.delete(block)
    for (const [block, copy] of copies) this.#pending.set(block, copy)
  }

  /**
   * Copies all pending blocks home (visible at once, durable with the next FLUSH). Their heads look at pmem again,
   * but those that `isChanged` since the copy was committed. Returns how many there were.
   */
  writeHome(isChanged: (head: BufferHead) => boolean): number {
    const count = this.#pending.size
    for (const [block, copy] of this.#pending) {
      this.#copyHome(block, Math.floor(copy / 2), copy % 2 === 1)
      const head = this.#cache.get(block)
      if (head.shadow === undefined || isChanged(head)) continue
      // The bytes stay the same, so what was verified stays so.
      const verified = head.verified
      this.#cache.dropShadow(head)
      head.verified = verified
    }
    this.#pending.clear()
    return count
  }

  #copyHome(block: number, position: number, escaped: boolean): void {
    const { device, blockSize } = this.#cache
    const home = block * blockSize
    device.copy(home, this.#log.offset(position), blockSize)
    if (escaped) device.write(home, MAGIC_BYTES)
  }
}

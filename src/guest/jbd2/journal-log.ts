import { FsError } from '../../../lib/errno.js'
import type { BlockDevice, DirectAccess } from '../block/block-device.js'
import type { BufferCache } from '../block/buffer-cache.js'
import type { BufferHead } from '../block/buffer-head.js'
import { Checkpoint } from './checkpoint.js'
import { INCOMPAT_FAST_COMMIT, type JournalFeatures } from './journal-feature.js'
import type { JournalMap } from './journal-map.js'
import type { JournalSuperblock } from './journal-superblock.js'
import { Log } from './log.js'
import { type LogFormat, logFormat } from './log-format.js'
import { LogWriter } from './log-writer.js'
import { findCommitted, type RecoveryReport, replay } from './recovery.js'
import { type Steps, stepsDone } from './steps.js'
import { nextTid } from './tid.js'
import { isHarmlessTear } from './torn-tail.js'
import type { Transaction } from './transaction.js'
import type { TransactionStore } from './transaction-store.js'

/** Shadows that wait for a checkpoint hold no more than about this; bytes. */
const PENDING_LIMIT = 16 << 20

export interface JournalCounters {
  commits: number
  handles: number
  /** Metadata blocks copied to the log. */
  blocksLogged: number
  /** Freed blocks recorded in the log. */
  revokes: number
  checkpoints: number
  /** Blocks copied home. */
  blocksCheckpointed: number
  flushes: number
}

export function noCounters(): JournalCounters {
  return {
    commits: 0,
    handles: 0,
    blocksLogged: 0,
    revokes: 0,
    checkpoints: 0,
    blocksCheckpointed: 0,
    flushes: 0,
  }
}

export interface JournalLogOptions {
  cache: BufferCache
  map: JournalMap
  superblock: JournalSuperblock
  /** What the log is written with, from the next time that it is empty. */
  features: JournalFeatures
  barrier: boolean
  now: () => number
  counters: JournalCounters
}

/**
 * The medium's side of the journal: what is stored, in which order, and which FLUSH stands between. The numbers
 * are those of the invariants at {@link Journal}. One of commit, checkpoint, clean and recover runs at a time.
 */
export class JournalLog implements TransactionStore {
  readonly #options: JournalLogOptions
  readonly #device: BlockDevice
  readonly #superblock: JournalSuperblock
  readonly #ring: Log
  readonly #writer: LogWriter
  readonly #checkpoint: Checkpoint
  readonly #format: LogFormat
  /** The superblock on the medium, or on its way there, names a tail. */
  #active = false
  #stopped = false

  constructor(options: JournalLogOptions) {
    this.#options = options
    const { cache, map, superblock, features } = options
    this.#device = cache.device
    this.#superblock = superblock
    this.#format = logFormat(cache.blockSize, features, superblock.uuid)
    const { first, end } = superblock
    this.#ring = new Log({ first, end, blockSize: cache.blockSize, map })
    this.#writer = new LogWriter(this.#device, this.#ring, this.#format)
    this.#checkpoint = new Checkpoint(cache, this.#ring)
  }

  /** Blocks of the ring. */
  get length(): number {
    return this.#ring.length
  }

  /** Blocks that can be written now. */
  get free(): number {
    return this.#ring.free
  }

  get active(): boolean {
    return this.#active
  }

  /** Log blocks that a transaction takes. */
  blocksFor(blocks: number, revokes: number): number {
    return LogWriter.blocksFor(this.#format, blocks, revokes)
  }

  /**
   * Replays what the medium's log holds, and empties it. Returns with all that durable. Where there may be fast commits the
   * log stays open: see {@link resume}.
   */
  async recover(): Promise<RecoveryReport> {
    const { cache, map } = this.#options
    const report = replay(cache, map, this.#superblock)
    await this.#flush()
    if (this.#superblock.start !== 0 && this.#superblock.fastCommitStart !== undefined) {
      // They belong to the transaction after the last one found: an empty log that expects that one leaves them valid.
      this.#superblock.setFeatures(this.#options.features)
      this.#superblock.setTail(this.#superblock.first, report.endTid)
      this.#storeSuperblock()
      await this.#flush()
      return report
    }
    // (5) The number of a transaction that did not complete is not used again: its blocks may lie in the log.
    this.#superblock.setTail(0, nextTid(report.endTid))
    this.#storeSuperblock()
    await this.#flush()
    return report
  }

  /**
   * After {@link recover}: the next commit goes to where the log begins, with the number that is expected there. Returns
   * the area for fast commits, block by block; what it holds counts only if it is of that transaction.
   */
  resume(): readonly DirectAccess[] {
    this.#active = true
    const { cache, map } = this.#options
    const { fastCommitStart, length } = this.#superblock
    const blocks: DirectAccess[] = []
    for (let block = fastCommitStart ?? length; block < length; block++)
      blocks.push(this.#device.directAccess(map.physical(block) * cache.blockSize))
    return blocks
  }

  /** Empties the log without a replay. Returns with that durable. */
  async wipe(): Promise<void> {
    // A number that no block of the log has, since it holds fewer transactions than blocks.
    this.#superblock.setTail(0, (this.#superblock.sequence + this.length) >>> 0)
    this.#storeSuperblock()
    await this.#flush()
  }

  isHarmlessTear(uuid: Uint8Array): boolean {
    const { cache, map } = this.#options
    return isHarmlessTear(cache, map, this.#superblock, uuid)
  }

  /** What {@link recover} would copy to `block`. */
  committedCopy(block: number): Uint8Array | undefined {
    const { cache, map } = this.#options
    return findCommitted(cache, map, this.#superblock, block)
  }

  /**
   * Makes a closed transaction durable, with two FLUSHes. When the log is half full, or the transaction is to be
   * `alone` in it, the blocks committed before go home by the way: the first FLUSH covers them, the second the tail that
   * thereby moves.
   */
  *commit(transaction: Transaction, alone = false): Steps {
    const { tid, blocks, revokes } = transaction
    const { counters, now } = this.#options
    const start = this.#ring.head
    const startBlock = this.#ring.block(start)
    const due = alone || this.#isCheckpointDue(this.blocksFor(blocks.size, revokes.size))
    if (due) this.#writeHome((head) => blocks.has(head))
    const copies = this.#writer.writeBody(transaction)
    const commitAt = this.#ring.take()
    if (!this.#active) this.#activate(startBlock, tid)
    yield* this.#flushing()
    if (due) {
      // (5) Home copies of all before this transaction were covered by the FLUSH.
      this.#superblock.setTail(startBlock, tid)
      this.#storeSuperblock()
    }
    // (2) The FLUSH began after the body was stored.
    this.#writer.writeCommit(tid, commitAt, now())
    yield* this.#flushing()
    // (3) Durable. (6) And so is the tail.
    if (due) this.#ring.release(start)
    // (7)
    this.#checkpoint.committed(revokes, copies)
    counters.commits++
    counters.blocksLogged += copies.size
    counters.revokes += revokes.size
  }

  /** Moves the tail up to the head, for want of space. `tid`: the next transaction to be committed. */
  *checkpoint(tid: number, isChanged: (head: BufferHead) => boolean): Steps {
    if (this.#ring.used === 0) return
    const head = this.#ring.head
    this.#writeHome(isChanged)
    yield* this.#flushing()
    // (5)
    this.#superblock.setTail(this.#ring.block(head), tid)
    this.#storeSuperblock()
    yield* this.#flushing()
    // (6)
    this.#ring.release(head)
  }

  /** Copies home what is committed; with that durable, the log holds it as well. */
  async writeHome(isChanged: (head: BufferHead) => boolean): Promise<void> {
    this.#writeHome(isChanged)
    await this.#flush()
  }

  /** Brings everything home and leaves the log empty on the medium. `tid`: the next transaction. */
  async clean(tid: number): Promise<void> {
    if (!this.#active) return
    const head = this.#ring.head
    this.#writeHome(() => false)
    await this.#flush()
    // (5)
    this.#superblock.setTail(0, tid)
    this.#superblock.setHead(this.#ring.block(head))
    // As Linux does: who does not know fast commits may use the journal then, all of it.
    const { incompat, ...others } = this.#superblock.features
    this.#superblock.setFeatures({ ...others, incompat: incompat & ~INCOMPAT_FAST_COMMIT })
    this.#storeSuperblock()
    await this.#flush()
    this.#ring.release(head)
    this.#active = false
  }

  /** (8) After this nothing is stored; the reason, if there is one, is recorded if the device still takes it. */
  stop(errno: number): void {
    this.#stopped = true
    if (errno === 0 || this.#device.readOnly) return
    try {
      this.#superblock.setErrno(errno)
      this.#storeSuperblock()
      if (this.#options.barrier) this.#device.flush().catch(() => {})
    } catch {
      // The device that cannot take it is the reason for the abort: there is no one left to tell.
    }
  }

  #isCheckpointDue(needed: number): boolean {
    const pending = this.#checkpoint.pending * this.#format.blockSize
    return this.#ring.used + needed > this.#ring.length / 2 || pending > PENDING_LIMIT
  }

  /** (1) Committed copies only. */
  #writeHome(isChanged: (head: BufferHead) => boolean): void {
    const { counters } = this.#options
    counters.checkpoints++
    counters.blocksCheckpointed += this.#checkpoint.writeHome(isChanged)
  }

  /** The log begins: its features and tail ride on the first FLUSH of the first commit. */
  #activate(start: number, tid: number): void {
    this.#superblock.setFeatures(this.#options.features)
    this.#superblock.setTail(start, tid)
    this.#storeSuperblock()
    this.#active = true
  }

  #storeSuperblock(): void {
    const { cache, map } = this.#options
    this.#superblock.store(this.#device, map.physical(0) * cache.blockSize)
  }

  #flush(): Promise<void> {
    return stepsDone(this.#flushing())
  }

  *#flushing(): Steps {
    if (this.#options.barrier) {
      this.#options.counters.flushes++
      const device = this.#device
      const wait = device.flushAtOnce === undefined ? device.flush() : device.flushAtOnce()
      if (wait !== undefined) yield wait
    }
    if (this.#stopped) throw new FsError('EIO', 'journal aborted')
  }
}

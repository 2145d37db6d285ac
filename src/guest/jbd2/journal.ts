import createDebug from 'debug'
import { Completion } from '../../../lib/completion.js'
import { E, FsError } from '../../../lib/errno.js'
import type { DirectAccess } from '../block/block-device.js'
import { Handle, type HandleOwner } from './handle.js'
import { NO_STATE } from './home-store.js'
import { type JournalCounters, noCounters } from './journal-log.js'
import type { JournalOptions } from './journal-options.js'
import { HOOK_BLOCKS, LogSpace } from './log-space.js'
import { type JournalMedium, openStore, readMedium } from './open-store.js'
import type { RecoveryReport } from './recovery.js'
import { runSteps, type Steps, stepsDone } from './steps.js'
import { nextTid, previousTid, tidGeq } from './tid.js'
import { Transaction } from './transaction.js'
import type { StoredState, TransactionStore } from './transaction-store.js'
import { Undo } from './undo.js'

const log = createDebug('fakedax:jbd2')

/**
 * The journal of ext4, in the format of jbd2. All is memory work, and synchronous, but for FLUSH.
 *
 * Invariants, named by number where they are established:
 *
 * 1. Home locations of journaled blocks are written by checkpoint and recovery only, from committed log copies.
 * 2. A commit block is stored only after a FLUSH that began after the last log copy, descriptor and revoke block
 *    of its transaction was stored, and all file data that its operations stored.
 * 3. A transaction counts as committed only after a FLUSH that began after its commit block was stored.
 * 4. A transaction is written to the log only when the one before it is committed: at most one is incomplete.
 * 5. The superblock names a tail only when every block committed before it is durably home.
 * 6. A log block is used again only when a superblock with a tail behind it is durable.
 * 7. A freed block still goes home, if need be, until the transaction that frees it is committed, and not after.
 * 8. After an abort nothing is stored but the superblock with s_errno, and no wait succeeds.
 */
export class Journal {
  /** Called as the running transaction closes, to complete it: up to {@link HOOK_BLOCKS} further blocks. */
  beforeCommit: ((handle: Handle) => void) | undefined
  /** Called when a transaction is durable. */
  onCommitted: ((tid: number) => void) | undefined
  onAbort: ((error: FsError) => void) | undefined
  /** Why the journal was aborted before, as a positive errno; 0: it was not. */
  readonly recordedError: number
  /** Blocks that one operation may ask for at most: a quarter of the log, less what describes them. */
  readonly maxCredits: number
  readonly counters: JournalCounters

  readonly #superblock: StoredState
  readonly #log: TransactionStore
  readonly #space: LogSpace
  readonly #owner: HandleOwner
  readonly #interval: number
  readonly #now: () => number
  readonly #readOnly: boolean
  #needsRecovery: boolean
  #running: Transaction
  #committing: Transaction | undefined
  #committedTid: number
  #handle: Handle | undefined
  #serial = 0
  /** {@link #drain} is at work. */
  #working = false
  #wantSpace = false
  #turn: Completion | undefined
  #aborted: FsError | undefined
  #closed = false

  private constructor(options: JournalOptions, medium?: JournalMedium) {
    const { cache } = options
    this.counters = noCounters()
    const superblock = medium?.superblock ?? NO_STATE
    this.#superblock = superblock
    this.recordedError = superblock.errno
    this.#interval = options.commitInterval ?? 5000
    this.#now = options.now
    this.#readOnly = cache.device.readOnly
    this.#log = openStore(options, medium, this.counters)
    this.#space = new LogSpace(this.#log)
    this.maxCredits = this.#space.maxCredits
    const { blockLimit } = this.#space
    this.#owner = { cache, undo: new Undo(cache), blockLimit, handleEnded: () => this.#handleEnded() }
    this.#needsRecovery = superblock.start !== 0 || superblock.isTorn
    // One is left out, as Linux does: a power failure may have left blocks with that number in an empty log.
    this.#running = new Transaction(nextTid(superblock.sequence))
    this.#committedTid = superblock.sequence
  }

  /** Reads and checks the journal's superblock; writes nothing. Throws CorruptError and UnsupportedError. */
  static open(options: JournalOptions): Journal {
    return new Journal(options, readMedium(options))
  }

  /** For a file system without a journal: operations have the same transactions, which go home as they commit. */
  static withoutLog(options: Omit<JournalOptions, 'map'>): Journal {
    return new Journal({ ...options, map: [] })
  }

  /** The log holds what {@link recover} must replay before anything else is read. */
  get needsRecovery(): boolean {
    return this.#needsRecovery
  }

  /** The log on the medium holds nothing. */
  get empty(): boolean {
    return !this.#needsRecovery && !this.#log.active
  }

  get aborted(): FsError | undefined {
    return this.#aborted
  }

  /** The transaction that an operation started now belongs to. */
  get runningTid(): number {
    return this.#running.tid
  }

  /** The last durable transaction. */
  get committedTid(): number {
    return this.#committedTid
  }

  /** The running transaction holds something. */
  get dirty(): boolean {
    return !this.#running.empty
  }

  /** When the running transaction is due; ms. Undefined: it holds nothing. */
  get deadline(): number | undefined {
    const { started } = this.#running
    return started === undefined || this.#aborted !== undefined ? undefined : started + this.#interval
  }

  /** Metadata blocks that still fit into the running transaction. */
  get room(): number {
    return this.#space.room(this.#running)
  }

  /**
   * Replays the log and empties it, with two FLUSHes; with an area for fast commits it stays open (see {@link resume}).
   * Buffer heads got before must be read anew. Rejects with CorruptError or EIO, and EROFS on a read-only device.
   */
  async recover(): Promise<RecoveryReport> {
    this.#requireRecovery()
    const report = await this.#log.recover()
    log('recovered %o', report)
    this.#begin()
    return report
  }

  /**
   * After {@link recover}, in a journal opened anew that still needs it: goes on where the log begins. Returns the next
   * transaction and the area for fast commits: those of that transaction are valid until it is committed.
   */
  resume(): { tid: number; fastCommits: readonly DirectAccess[] } {
    this.#requireRecovery()
    this.#begin()
    return { tid: this.#running.tid, fastCommits: this.#log.resume() }
  }

  /** Empties the log without a replay, with one FLUSH: what it holds is void (jbd2_journal_wipe). As {@link recover}. */
  async wipe(): Promise<void> {
    this.#requireRecovery()
    await this.#log.wipe()
    this.#begin()
  }

  /** The journal's superblock is partly an older one. {@link recover} it if {@link isHarmlessTear}, or {@link wipe} it. */
  get isTorn(): boolean {
    return this.#superblock.isTorn
  }

  /** A torn superblock leads to all that was committed. `uuid`: the file system's. */
  isHarmlessTear(uuid: Uint8Array): boolean {
    return this.#log.isHarmlessTear(uuid)
  }

  /** What {@link recover} would bring home for `block`; a copy. Undefined: nothing. Throws as it does. */
  committedCopy(block: number): Uint8Array | undefined {
    return this.#needsRecovery ? this.#log.committedCopy(block) : undefined
  }

  /** Forgets {@link recordedError} with the next store of the superblock. */
  clearError(): void {
    this.#superblock.setErrno(0)
  }

  /** Begins an operation. Throws EROFS when the journal is aborted, closed, not recovered or read-only. */
  start(): Handle {
    if (this.#unwritable) throw this.#readOnlyError()
    if (this.#handle !== undefined) throw new TypeError('journal: an operation is not ended')
    this.#handle = new Handle(this.#owner, ++this.#serial, this.#running)
    return this.#handle
  }

  /**
   * Undefined when an operation on up to `credits` metadata blocks may start now; else a promise to wait for
   * before asking again, which rejects with EROFS when the journal is aborted.
   */
  ready(credits: number): Promise<void> | undefined {
    if (this.#unwritable) return Promise.reject(this.#readOnlyError())
    if (this.#space.fits(this.#running, credits)) return undefined
    if (credits > this.maxCredits)
      throw new RangeError(`journal: ${credits} credits, at most ${this.maxCredits}`)
    if (this.#space.isFull(this.#running, credits)) this.#running.requested = true
    else if (!this.#working) this.#wantSpace = true
    this.#work()
    if (this.#unwritable) return Promise.reject(this.#readOnlyError())
    // A transaction closes at once; only its FLUSHes take time.
    if (this.#space.fits(this.#running, credits)) return undefined
    this.#turn ??= new Completion()
    return this.#turn.promise
  }

  /** Makes all operations so far durable. Without any, resolves at once and without a FLUSH. Rejects with EIO. */
  commit(): Promise<void> {
    if (this.#aborted !== undefined) return Promise.reject(this.#aborted)
    if (!this.#running.empty) return this.#request()
    return this.#committing?.done.promise ?? Promise.resolve()
  }

  /** Waits until transaction `tid` is durable, and commits it if it runs. All who wait share it. Rejects with EIO. */
  waitForCommit(tid: number): Promise<void> {
    if (this.#aborted !== undefined) return Promise.reject(this.#aborted)
    if (tidGeq(this.#committedTid, tid)) return Promise.resolve()
    if (tid === this.#committing?.tid) return this.#committing.done.promise
    if (tid !== this.#running.tid) return Promise.reject(new RangeError(`journal: no transaction ${tid} yet`))
    return this.#running.empty ? Promise.resolve() : this.#request()
  }

  /** Begins to commit the running transaction when it is due. A failure shows as the journal's abort. */
  tick(now: number): void {
    const { deadline } = this
    if (deadline !== undefined && now >= deadline && this.#aborted === undefined) void this.#request()
  }

  /**
   * Copies all that is committed home, with one FLUSH; the log keeps it as well. To be called behind a commit and before
   * the next. Rejects with EIO.
   */
  async writeHome(): Promise<void> {
    if (this.#unwritable) throw this.#readOnlyError()
    if (this.#committing !== undefined) throw new TypeError('journal: a commit is under way')
    await this.#orAbort(this.#log.writeHome((head) => this.#running.blocks.has(head)))
  }

  /**
   * Commits, brings everything home and leaves the log empty. `last` makes a last change, which may say that the log
   * need not be read any more: it is committed when all else is durably home, and the log is emptied when it is, too.
   * Rejects with EIO when aborted.
   */
  async close(last?: (handle: Handle) => void): Promise<void> {
    if (this.#closed || this.#needsRecovery) return
    await this.commit()
    while (this.#working) {
      this.#turn ??= new Completion()
      await this.#turn.promise
    }
    if (this.#aborted !== undefined) throw this.#aborted
    this.#working = true
    await this.#orAbort(this.#finishLog(last))
  }

  /** (8) Ends all writing for good: the journal, or the file system above it, cannot be trusted. */
  abort(error: unknown): void {
    if (this.#aborted !== undefined) return
    log('aborted: %O', error)
    this.#stop(new FsError('EIO', 'journal aborted', { cause: error }), E.EIO)
  }

  /** As {@link abort}, but nothing is wrong, and nothing at all is stored: the next mount finds a crash to recover from. */
  shutDown(): void {
    if (this.#aborted !== undefined) return
    this.#stop(new FsError('EIO', 'journal shut down'), 0)
  }

  #stop(aborted: FsError, errno: number): void {
    this.#aborted = aborted
    this.#log.stop(errno)
    this.#committing?.done.fail(aborted)
    this.#running.done.fail(aborted)
    this.#turnOver()
    this.onAbort?.(aborted)
  }

  async #finishLog(last: ((handle: Handle) => void) | undefined): Promise<void> {
    if (last !== undefined) {
      const handle = this.start()
      last(handle)
      handle.stop()
      await stepsDone(this.#commitRunning(true))
    }
    this.#closed = true
    await this.#log.clean(this.#running.tid)
  }

  async #orAbort(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.abort(error)
      throw this.#aborted
    }
  }

  get #unwritable(): boolean {
    return this.#aborted !== undefined || this.#closed || this.#needsRecovery || this.#readOnly
  }

  #requireRecovery(): void {
    if (!this.#needsRecovery) throw new FsError('EINVAL', 'journal needs no recovery')
    if (this.#readOnly) throw new FsError('EROFS', 'journal recovery on a read-only device')
  }

  /** The log is empty: the next transaction is the one that the superblock names. */
  #begin(): void {
    this.#running = new Transaction(this.#superblock.sequence)
    this.#committedTid = previousTid(this.#superblock.sequence)
    this.#needsRecovery = false
  }

  #readOnlyError(): FsError {
    if (this.#aborted !== undefined) return new FsError('EROFS', 'journal aborted', { cause: this.#aborted })
    return new FsError('EROFS', this.#needsRecovery ? 'journal not recovered' : 'journal closed or read-only')
  }

  #handleEnded(): void {
    this.#handle = undefined
    this.counters.handles++
    if (this.#running.started === undefined && !this.#running.empty) this.#running.started = this.#now()
    if (this.#running.requested) this.#work()
  }

  #request(): Promise<void> {
    const { done } = this.#running
    this.#running.requested = true
    this.#work()
    return done.promise
  }

  #work(): void {
    if (!this.#working && this.#handle === undefined) runSteps(this.#drain())
  }

  /** (4) One commit or checkpoint after the other, as long as any is asked for. */
  *#drain(): Steps {
    this.#working = true
    try {
      while (this.#aborted === undefined) {
        if (this.#wantSpace) yield* this.#makeSpace()
        else if (this.#running.requested) yield* this.#commitRunning()
        else break
        this.#turnOver()
      }
    } catch (error) {
      this.abort(error)
    }
    this.#working = false
    this.#turnOver()
  }

  #turnOver(): void {
    const turn = this.#turn
    this.#turn = undefined
    turn?.complete()
  }

  *#makeSpace(): Steps {
    this.#wantSpace = false
    yield* this.#log.checkpoint(this.#running.tid, (head) => this.#running.blocks.has(head))
  }

  /** `alone`: all committed before goes home first, so that nothing else in the log counts any more. */
  *#commitRunning(alone = false): Steps {
    if (this.#space.size(this.#running, 0) > this.#log.free) yield* this.#makeSpace()
    const transaction = this.#close()
    yield* this.#log.commit(transaction, alone)
    this.#finish(transaction)
  }

  /** RUNNING -> COMMITTING. Operations go on in the next transaction. */
  #close(): Transaction {
    if (this.beforeCommit !== undefined) {
      const handle = this.start()
      try {
        this.beforeCommit(handle)
      } catch (error) {
        handle.revert()
        throw error
      }
      handle.stop()
      if (this.#aborted !== undefined) throw this.#aborted
    }
    const transaction = this.#running
    for (const head of transaction.blocks) head.trigger?.frozen(head)
    this.#committing = transaction
    this.#running = new Transaction(nextTid(transaction.tid))
    return transaction
  }

  /** COMMITTING -> FINISHED. */
  #finish(transaction: Transaction): void {
    this.#committing = undefined
    this.#committedTid = transaction.tid
    for (const callback of transaction.commitCallbacks) callback()
    this.onCommitted?.(transaction.tid)
    transaction.done.complete()
  }
}

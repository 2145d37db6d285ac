import type { DirectAccess } from '../block/block-device.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { RecoveryReport } from './recovery.js'
import type { Steps } from './steps.js'
import type { Transaction } from './transaction.js'

/** What a journal remembers of its life before: its superblock's. */
export interface StoredState {
  /** The first transaction expected in the log. */
  readonly sequence: number
  /** Where the log begins, 0: it is empty. */
  readonly start: number
  /** Why the journal was aborted, as a positive errno; 0: it was not. */
  readonly errno: number
  setErrno(errno: number): void
  /** What is remembered is partly older than the rest. */
  readonly isTorn: boolean
}

/** Where transactions go to become durable: a log, or home at once. One of its promises or steps is under way at a time. */
export interface TransactionStore {
  /** Blocks that it holds. */
  readonly length: number
  /** Blocks that can be written now. */
  readonly free: number
  /** It holds what has not gone home. */
  readonly active: boolean
  /** Blocks that a transaction takes. */
  blocksFor(blocks: number, revokes: number): number
  recover(): Promise<RecoveryReport>
  /** Forgets, durably, what {@link recover} would bring home. */
  wipe(): Promise<void>
  /** What is torn may be used: no transaction is lost. `uuid`: the file system's. */
  isHarmlessTear(uuid: Uint8Array): boolean
  /** What {@link recover} would bring home for `block`; a copy. */
  committedCopy(block: number): Uint8Array | undefined
  /** As {@link recover} left it, the log goes on. Returns the area for fast commits. */
  resume(): readonly DirectAccess[]
  /** Makes a closed transaction durable; `alone`: when all before it is home. */
  commit(transaction: Transaction, alone?: boolean): Steps
  /** Brings home what is committed, durably. */
  writeHome(isChanged: (head: BufferHead) => boolean): Promise<void>
  /** Makes room. `tid`: the next transaction to be committed. */
  checkpoint(tid: number, isChanged: (head: BufferHead) => boolean): Steps
  /** Brings everything home, durably. `tid`: the next transaction. */
  clean(tid: number): Promise<void>
  /** After this nothing is stored. */
  stop(errno: number): void
}

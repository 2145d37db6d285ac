import { FsError } from '../../../lib/errno.js'
import type { BufferCache } from '../block/buffer-cache.js'
import type { BufferHead, BufferTrigger } from '../block/buffer-head.js'
import type { Transaction } from './transaction.js'
import type { Undo } from './undo.js'

/** What a handle asks of its journal. */
export interface HandleOwner {
  readonly cache: BufferCache
  readonly undo: Undo
  /** Blocks that one transaction can hold at the very most. */
  readonly blockLimit: number
  handleEnded(): void
}

/**
 * One operation's part of the running transaction. It runs from {@link Journal.start} to {@link stop} or
 * {@link revert} without a suspension, so there is one at a time.
 */
export class Handle {
  readonly #owner: HandleOwner
  readonly #serial: number
  readonly #transaction: Transaction
  readonly #forgotten: BufferHead[] = []
  readonly #revertCallbacks: (() => void)[] = []
  readonly #commitCallbacks: (() => void)[] = []
  #open = true

  constructor(owner: HandleOwner, serial: number, transaction: Transaction) {
    this.#owner = owner
    this.#serial = serial
    this.#transaction = transaction
  }

  /** The transaction that this operation becomes durable with. */
  get tid(): number {
    return this.#transaction.tid
  }

  /** Whether anything was changed so far. */
  get modified(): boolean {
    return !this.#owner.undo.empty
  }

  /** Whether the block is part of this handle's transaction. */
  has(head: BufferHead): boolean {
    return this.#transaction.blocks.has(head)
  }

  /**
   * Before the block is changed: joins it to the transaction, gives it a shadow and keeps what {@link revert} needs.
   * Read the head's view, bytes and `at` anew afterwards. Cheap when repeated.
   */
  getWriteAccess(head: BufferHead, trigger?: BufferTrigger): void {
    if (head.handle !== this.#serial) {
      this.#access(head)
      this.#owner.cache.makeShadow(head)
    }
    if (trigger !== undefined) head.trigger = trigger
  }

  /** As {@link getWriteAccess} for a block newly taken for metadata: its content becomes zeroes. */
  getCreateAccess(head: BufferHead, trigger?: BufferTrigger): void {
    if (head.handle !== this.#serial) this.#access(head)
    this.#owner.cache.makeShadow(head, true)
    head.trigger = trigger
    head.verified = true
  }

  /**
   * A metadata block was freed: it leaves the transaction, and recovery will not replay its older copies once this
   * transaction is durable. It may be used for data only after that (see {@link onCommit}).
   */
  forget(block: number): void {
    this.#check()
    const { cache, undo } = this.#owner
    const head = cache.get(block)
    const { blocks, revokes } = this.#transaction
    if (blocks.has(head)) {
      undo.left(head)
      blocks.delete(head)
    }
    if (!revokes.has(block)) {
      undo.revoked(head)
      revokes.add(block)
    }
    head.trigger = undefined
    head.handle = 0
    this.#forgotten.push(head)
  }

  /** For state in memory: called by {@link revert}, the last one first. */
  onRevert(callback: () => void): void {
    this.#revertCallbacks.push(callback)
  }

  /** Called when the transaction is durable; never after {@link revert}. */
  onCommit(callback: () => void): void {
    this.#commitCallbacks.push(callback)
  }

  stop(): void {
    this.#end()
    // Not before: a revert would need what a forgotten block's shadow holds.
    for (const head of this.#forgotten) {
      if (!this.#transaction.blocks.has(head)) this.#owner.cache.dropShadow(head)
    }
    for (const callback of this.#commitCallbacks) this.#transaction.commitCallbacks.push(callback)
    this.#owner.undo.reset()
    this.#owner.handleEnded()
  }

  /** Takes back all this handle did, as if it had never started. */
  revert(): void {
    this.#end()
    this.#owner.undo.revert(this.#transaction)
    for (const callback of this.#revertCallbacks.reverse()) callback()
    this.#owner.handleEnded()
  }

  /** Everything but the shadow. */
  #access(head: BufferHead): void {
    this.#check()
    const { undo, blockLimit } = this.#owner
    const { blocks, revokes } = this.#transaction
    if (!blocks.has(head)) {
      if (blocks.size >= blockLimit) throw new FsError('ENOSPC', 'transaction larger than the journal')
      undo.joined(head)
      blocks.add(head)
      // The copy in this transaction must be replayed.
      if (revokes.delete(head.block)) undo.unrevoked(head)
    }
    if (head.shadow === undefined) undo.shadowed(head)
    else undo.changed(head)
    head.handle = this.#serial
  }

  #check(): void {
    if (!this.#open) throw new TypeError('journal handle used after its end')
  }

  #end(): void {
    this.#check()
    this.#open = false
  }
}

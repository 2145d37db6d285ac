import { DirtyLog } from '../bus/dirty-log.js'

const IDLE = 0
const WRITING_BACK = 1
const RECLAIMING = 2

/** The shared state; can be sent to a worker. */
export interface PrivatePagesHandle {
  readonly state: SharedArrayBuffer
  readonly written: SharedArrayBuffer
}

/**
 * Which pages of a private mapping hold a copy that the file has by now, shared between the thread that writes back
 * (the host's) and the one that stores and reclaims (the guest's).
 *
 * A page may be dropped only while it is neither dirty nor on its way to the file. "On its way" has no bit of its own:
 * taking the dirty log clears the bit before the bytes are written. So the two threads exclude each other:
 *
 *     IDLE → WRITING_BACK [beginWriteBack, waits while RECLAIMING] → IDLE [endWriteBack]
 *     IDLE → RECLAIMING   [takeForReclaim, gives up while WRITING_BACK] → IDLE [endReclaim]
 *     IDLE → RECLAIMING   [beginDiscard, waits while WRITING_BACK] → IDLE [endReclaim]
 */
export class PrivatePages {
  readonly handle: PrivatePagesHandle
  readonly #state: Int32Array
  readonly #written: DirtyLog

  /** Both threads construct one over the same `handle`. `size` is the mapping's, in bytes. */
  constructor(
    size: number,
    handle = { state: new SharedArrayBuffer(4), written: new SharedArrayBuffer(DirtyLog.bytesFor(size)) },
  ) {
    this.handle = handle
    this.#state = new Int32Array(handle.state)
    this.#written = new DirtyLog(size, handle.written)
  }

  /** Pages written back and not yet dropped. */
  get count(): number {
    return this.#written.count
  }

  beginWriteBack(): void {
    for (;;) {
      const was = Atomics.compareExchange(this.#state, 0, IDLE, WRITING_BACK)
      if (was === IDLE) return
      if (was === WRITING_BACK) throw new Error('two write-backs of one mapping at a time')
      Atomics.wait(this.#state, 0, RECLAIMING)
    }
  }

  /** The file has the content of these pages now. */
  wroteBack(pages: readonly number[]): void {
    this.#written.putBack(pages)
  }

  endWriteBack(): void {
    Atomics.store(this.#state, 0, IDLE)
    Atomics.notify(this.#state, 0)
  }

  /** The pages that may be dropped, or `undefined` while a write-back is under way: then try later. */
  takeForReclaim(dirty: DirtyLog): number[] | undefined {
    if (Atomics.compareExchange(this.#state, 0, IDLE, RECLAIMING) !== IDLE) return undefined
    // A page that is dirty again comes back with its next write-back.
    return this.#written.take().filter((page) => !dirty.isDirty(page))
  }

  /** Before pages are dropped whatever they hold: one that is on its way to the file would come back by it. */
  beginDiscard(): void {
    for (;;) {
      const was = Atomics.compareExchange(this.#state, 0, IDLE, RECLAIMING)
      if (was === IDLE) return
      if (was === RECLAIMING) throw new Error('two reclaims of one mapping at a time')
      Atomics.wait(this.#state, 0, WRITING_BACK)
    }
  }

  endReclaim(): void {
    Atomics.store(this.#state, 0, IDLE)
    Atomics.notify(this.#state, 0)
  }

  /** Forgets all: the mapping's private copies were dropped by other means. */
  clear(): void {
    this.#written.take()
  }
}

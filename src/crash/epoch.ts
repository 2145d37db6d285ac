import type { LogEvent } from './store-log.js'

/** A piece of a store that lies in one page. */
export interface PagePart {
  readonly page: number
  /** Which store of the epoch it belongs to, from 0. */
  readonly store: number
  readonly offset: number
  readonly bytes: Uint8Array
}

/** A moment at which the power may fail. */
export interface Position {
  /** Stores of the epoch that were made before it. */
  readonly stores: number
  /** Operations begun: the last one's number plus 1. */
  readonly begun: number
  /** Operations acknowledged before it, in order of their acknowledgement. */
  readonly acknowledged: number
}

/**
 * The time from one completed sync to the next: what is certain stays the same, what may be lost grows. `stores` are
 * those that no completed sync covers, the oldest first.
 */
export interface Epoch {
  readonly index: number
  readonly stores: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
  readonly parts: readonly PagePart[]
  readonly positions: readonly Position[]
  /** The stores that the sync at its end makes certain. */
  readonly settles: number
}

/** An epoch for each completed sync that covers anything, and one for what came after the last. */
export function* epochs(events: readonly LogEvent[], pageSize: number): Generator<Epoch> {
  let index = 0
  let floor = 0
  let unflushed: { offset: number; bytes: Uint8Array }[] = []
  let begun = 0
  let acknowledged = 0
  let positions: Position[] = [{ stores: 0, begun, acknowledged }]
  const close = (settles: number): Epoch => ({
    index: index++,
    stores: unflushed,
    parts: partsOf(unflushed, pageSize),
    positions,
    settles,
  })
  for (const event of events) {
    switch (event.type) {
      case 'store':
        unflushed.push(event)
        positions.push({ stores: unflushed.length, begun, acknowledged })
        break
      case 'operation':
        begun = event.operation + 1
        positions[positions.length - 1] = { stores: unflushed.length, begun, acknowledged }
        break
      case 'acknowledged':
        acknowledged++
        positions[positions.length - 1] = { stores: unflushed.length, begun, acknowledged }
        break
      case 'completed': {
        const settles = event.stores - floor
        if (settles <= 0) break
        yield close(settles)
        floor = event.stores
        unflushed = unflushed.slice(settles)
        positions = [{ stores: unflushed.length, begun, acknowledged }]
        break
      }
    }
  }
  yield close(0)
}

/** Cuts stores at page boundaries. */
export function partsOf(
  stores: readonly { readonly offset: number; readonly bytes: Uint8Array }[],
  pageSize: number,
): PagePart[] {
  const parts: PagePart[] = []
  for (const [store, { offset, bytes }] of stores.entries()) {
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done
      const page = Math.floor(at / pageSize)
      const length = Math.min(bytes.length - done, (page + 1) * pageSize - at)
      parts.push({ page, store, offset: at, bytes: bytes.subarray(done, done + length) })
      done += length
    }
  }
  return parts
}

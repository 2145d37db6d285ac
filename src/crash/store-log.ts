import type { PmemRegion, StoreObserver } from '../bus/pmem-region.js'

/**
 * What happened, in order. `submitted`: the guest asked for a FLUSH. `begun`, `completed`: the host's sync of that
 * number; it covers the first `stores` stores. `operation`, `ended`: of the program, by its number; `acknowledged`:
 * the program was told that what the operation promises is durable.
 */
export type LogEvent =
  | { readonly type: 'store'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: 'submitted' }
  | { readonly type: 'begun'; readonly sync: number; readonly stores: number }
  | { readonly type: 'completed'; readonly sync: number; readonly stores: number }
  | { readonly type: 'operation' | 'ended' | 'acknowledged'; readonly operation: number }

/** Every store to a pmem region, with its bytes, among the other events that crash states depend on. */
export class StoreLog implements StoreObserver {
  readonly events: LogEvent[] = []
  /** Stores so far. */
  stores = 0
  #syncs = 0
  readonly #region: PmemRegion

  constructor(region: PmemRegion) {
    this.#region = region
  }

  stored(offset: number, length: number): void {
    const { bytes, at } = this.#region.directAccess(offset)
    this.events.push({ type: 'store', offset, bytes: bytes.slice(at, at + length) })
    this.stores++
  }

  submitted(): void {
    this.events.push({ type: 'submitted' })
  }

  /** A sync of the host begins: it covers the stores so far. Returns what {@link completed} wants to know. */
  begun(): { sync: number; stores: number } {
    const sync = { sync: ++this.#syncs, stores: this.stores }
    this.events.push({ type: 'begun', ...sync })
    return sync
  }

  completed(sync: { sync: number; stores: number }): void {
    this.events.push({ type: 'completed', ...sync })
  }

  operation(operation: number): void {
    this.events.push({ type: 'operation', operation })
  }

  ended(operation: number): void {
    this.events.push({ type: 'ended', operation })
  }

  acknowledged(operation: number): void {
    this.events.push({ type: 'acknowledged', operation })
  }
}

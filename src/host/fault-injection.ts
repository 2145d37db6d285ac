import { E, type ErrorCode } from '../../lib/errno.js'
import type { HostMemory } from './host-memory.js'
import type { BackendStatistics, HostMemoryBackend } from './host-memory-backend.js'

/** A sync that is to fail. */
export interface SyncFault {
  /** Which sync of the backend fails, counted from 1. */
  at: number
  code: ErrorCode
  /** All later ones fail too. */
  sticky?: boolean
}

export interface FaultInjectionOptions {
  faults?: readonly SyncFault[]
  /** Called as sync number `sync` begins; it goes on when what is returned resolves. */
  delay?: (sync: number) => Promise<void> | undefined
}

/** A backend whose medium is bad or slow, as told. A sync that fails leaves the backend beneath it untouched. */
export class FaultInjection implements HostMemoryBackend {
  readonly #inner: HostMemoryBackend
  readonly #options: FaultInjectionOptions
  #syncs = 0
  #failures = 0

  constructor(inner: HostMemoryBackend, options: FaultInjectionOptions) {
    this.#inner = inner
    this.#options = options
  }

  get policy(): HostMemoryBackend['policy'] {
    return this.#inner.policy
  }

  get memory(): HostMemory {
    return this.#inner.memory
  }

  /** With the faults counted as syncs that failed. */
  get statistics(): BackendStatistics {
    const { syncs, failures, bytesWrittenBack } = this.#inner.statistics
    return { syncs: syncs + this.#failures, failures: failures + this.#failures, bytesWrittenBack }
  }

  get pagesDirty(): number {
    return this.#inner.pagesDirty
  }

  get writeBackDue(): boolean {
    return this.#inner.writeBackDue
  }

  sync(): number | Promise<number> {
    const sync = ++this.#syncs
    const delay = this.#options.delay?.(sync)
    return delay === undefined ? this.#attempt(sync) : delay.then(() => this.#attempt(sync))
  }

  writeBack(): number {
    return this.#inner.writeBack()
  }

  close(): void {
    this.#inner.close()
  }

  #attempt(sync: number): number | Promise<number> {
    const fault = this.#options.faults?.find(
      ({ at, sticky }) => at === sync || (sticky === true && at < sync),
    )
    if (fault === undefined) return this.#inner.sync()
    this.#failures++
    return -E[fault.code]
  }
}

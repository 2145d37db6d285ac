import type { HostMemory } from './host-memory.js'

/** What the host did for one image. Counts since it was opened. */
export interface BackendStatistics {
  /** Calls of sync. */
  syncs: number
  /** Those that returned an error. */
  failures: number
  bytesWrittenBack: number
}

/**
 * How the host keeps an image: what of the guest's stores the file has, and when. Runs in the thread that serves the
 * device.
 */
export interface HostMemoryBackend {
  readonly policy: 'kernel' | 'emulated'
  readonly memory: HostMemory
  readonly statistics: Readonly<BackendStatistics>
  /** Pages stored to and not yet synced. */
  readonly pagesDirty: number
  /** Dirty memory passed its limit: call {@link writeBack}. */
  readonly writeBackDue: boolean
  /**
   * Makes durable every store that was made, by any thread, before the call: 0 or -errno. After a failure it is not
   * known what the file has; the pages count as dirty again.
   */
  sync(): number | Promise<number>
  /** Gives dirty pages to the file without waiting for the medium: 0 or -errno. */
  writeBack(): number
  /** Unmaps and closes. Stores that were neither synced nor written back are lost, as in a host's power failure. */
  close(): void
}

import type { PmemRegion } from '../../bus/pmem-region.js'

/** Makes durable every store made before the call, or rejects with FsError EIO. */
export type FlushCallback = () => Promise<void>

/**
 * Persistent memory that some provider found, and that provider's way to flush it: what Linux keeps as struct nd_region
 * with its `flush` callback. Beside that, all providers share the rest of the path.
 */
export class NdRegion {
  readonly region: PmemRegion
  /** As in sysfs: who found the region. */
  readonly providerName: string
  readonly flush: FlushCallback
  /** As {@link flush}; undefined when all is durable by the end of the call. Throws what flush would reject with. */
  readonly flushAtOnce: (() => Promise<void> | undefined) | undefined

  constructor(
    region: PmemRegion,
    providerName: string,
    flush: FlushCallback,
    flushAtOnce?: () => Promise<void> | undefined,
  ) {
    this.region = region
    this.providerName = providerName
    this.flush = flush
    this.flushAtOnce = flushAtOnce
  }
}

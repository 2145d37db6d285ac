/** Memory at a place of the device, without a copy: valid from `at` to the end of `bytes`. */
export interface DirectAccess {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Index into `bytes` and `view`. */
  readonly at: number
  /** Address of `bytes[at]` in this process, 0 when the memory is not mapped by the system. */
  readonly address: number
}

/**
 * The one door to the medium. Places and lengths are bytes. A store is visible at once and durable only when a
 * {@link flush} that began after it has resolved.
 */
export interface BlockDevice {
  /** As Linux names it: `pmem0`. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
  /** Stores made so far. */
  readonly storeSequence: number
  /** Every store up to this one is durable. */
  readonly flushedSequence: number
  /** Copies `source[from..to)` to `offset`. */
  write(offset: number, source: Uint8Array, from?: number, to?: number): void
  /**
   * As {@link write}, for blocks that are free, or unwritten, in every state that a power failure could leave until now:
   * what they hold is nobody's. The device may make the bytes durable before a flush. Absent where that would gain nothing.
   */
  writeNew?(offset: number, source: Uint8Array, from?: number, to?: number): void
  zero(offset: number, length: number): void
  /**
   * Gives back what is free in every state that a power failure could leave from now on: REQ_OP_DISCARD. What is read
   * there afterwards is undefined. Absent where there is nothing to be gained. Throws FsError EOPNOTSUPP.
   */
  discard?(offset: number, length: number): void
  /** Bytes that a discard has to cover to be of use; 0 or absent: there is none. */
  readonly discardGranularity?: number
  /** Copies within the device; the ranges may not overlap. */
  copy(to: number, from: number, length: number): void
  /** Reading only: a store through it would escape the dirty log. */
  directAccess(offset: number): DirectAccess
  /** Makes all stores so far durable. Rejects with EIO when the device or its host failed. */
  flush(): Promise<void>
  /**
   * As {@link flush}; undefined when all is durable by the end of the call. Throws what flush would reject with. Absent
   * where that does not happen, or is not wanted.
   */
  readonly flushAtOnce?: (() => Promise<void> | undefined) | undefined
}

import type { Shadow } from './shadow-pool.js'

/** What is computed last, when a transaction closes: checksums. jbd2's buffer triggers, t_frozen. */
export interface BufferTrigger {
  /** Called once a commit, before the block is copied to the log; changes bytes of this block only. */
  frozen(head: BufferHead): void
}

/**
 * A metadata block. While clean, `view` and `bytes` look straight into pmem; the first write access in a
 * transaction gives it a shadow copy, and `view`, `bytes`, `at` then name the shadow until it has gone home.
 * So: read `view`/`at` anew after every write access, and never keep a buffer head from one operation to the next.
 */
export class BufferHead {
  /** File system block number. */
  readonly block: number
  view: DataView
  bytes: Uint8Array
  /** Index of the block's first byte in `view` and `bytes`. */
  at: number
  /** The content was checked (magic, checksum) since it was loaded. Kept by the reader of the structure. */
  verified = false
  shadow: Shadow | undefined
  /** Stays with the block until it is forgotten or created anew. */
  trigger: BufferTrigger | undefined
  /** The last handle of the journal that took write access; 0: none. The journal's own. */
  handle = 0

  constructor(block: number, view: DataView, bytes: Uint8Array, at: number) {
    this.block = block
    this.view = view
    this.bytes = bytes
    this.at = at
  }
}

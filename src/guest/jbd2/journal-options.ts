import type { BufferCache } from '../block/buffer-cache.js'
import type { JournalRun } from './journal-map.js'

export interface JournalOptions {
  /** Its device is the journal's. */
  cache: BufferCache
  /** Where the journal's blocks lie: all of them. */
  map: readonly JournalRun[]
  /** Milliseconds since 1970. */
  now: () => number
  /** How old a transaction may become before {@link Journal.tick} commits it; ms, default 5000. */
  commitInterval?: number
  /** Whether to FLUSH at all, default true. Without, nothing is promised about power failures. */
  barrier?: boolean
  /** CRC-32C in every block (CSUM_V3), as file systems with metadata_csum have; default true. */
  checksum?: boolean
  /** 64-bit block numbers, as file systems with 64bit have; default false. */
  wide?: boolean
  /** Take a torn superblock: see isTorn of Journal; default false. */
  acceptTorn?: boolean
}

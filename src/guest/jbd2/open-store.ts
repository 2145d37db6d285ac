import { HomeStore } from './home-store.js'
import { featuresToWrite } from './journal-feature.js'
import { type JournalCounters, JournalLog } from './journal-log.js'
import { JournalMap } from './journal-map.js'
import type { JournalOptions } from './journal-options.js'
import { JournalSuperblock } from './journal-superblock.js'
import type { TransactionStore } from './transaction-store.js'

/** Where a journal lies, and what it says of itself. */
export interface JournalMedium {
  readonly map: JournalMap
  readonly superblock: JournalSuperblock
}

/** Reads and checks the journal's superblock. Throws CorruptError and UnsupportedError. */
export function readMedium({ cache, map: runs, acceptTorn = false }: JournalOptions): JournalMedium {
  const map = JournalMap.checked(runs, cache.blockCount)
  const block = map.physical(0)
  const { bytes, at } = cache.device.directAccess(block * cache.blockSize)
  const place = { blockSize: cache.blockSize, mapped: map.length, block }
  return { map, superblock: JournalSuperblock[acceptTorn ? 'readTorn' : 'read'](bytes, at, place) }
}

/** Where transactions go: to the log of `medium`, or home at once where there is none. */
export function openStore(
  options: JournalOptions,
  medium: JournalMedium | undefined,
  counters: JournalCounters,
): TransactionStore {
  const { cache, now, barrier = true, checksum = true, wide = false } = options
  const store = { cache, barrier, counters, now }
  if (medium === undefined) return new HomeStore(store)
  const features = featuresToWrite(medium.superblock.features, checksum, wide)
  return new JournalLog({ ...store, ...medium, features })
}

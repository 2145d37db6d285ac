import { BufferCache } from '../../../src/guest/block/buffer-cache.js'
import { Journal } from '../../../src/guest/jbd2/journal.js'
import type { JournalOptions } from '../../../src/guest/jbd2/journal-options.js'
import { JournalSuperblock } from '../../../src/guest/jbd2/journal-superblock.js'
import { RamDisk } from '../../ram-disk.js'

export const BLOCK_SIZE = 1024
/** Home blocks are those below; the journal lies in two pieces, out of order, behind them. */
export const HOME_BLOCKS = 840
export const JOURNAL_BLOCKS = 1024
export const RUNS = [
  { logical: 0, physical: HOME_BLOCKS + 624, length: 400 },
  { logical: 400, physical: HOME_BLOCKS, length: 624 },
]
export const UUID = Uint8Array.from({ length: 16 }, (_, index) => index + 1)

/** A disk of home blocks full of 0xEE and an empty journal. */
export function emptyImage(): Uint8Array {
  const disk = new RamDisk(new Uint8Array((HOME_BLOCKS + JOURNAL_BLOCKS) * BLOCK_SIZE).fill(0xee))
  const offset = (RUNS[0] as { physical: number }).physical * BLOCK_SIZE
  disk.zero(offset, BLOCK_SIZE)
  JournalSuperblock.create({ blockSize: BLOCK_SIZE, maxlen: JOURNAL_BLOCKS, uuid: UUID }).store(disk, offset)
  return disk.bytes
}

export interface RamJournal {
  disk: RamDisk
  cache: BufferCache
  journal: Journal
}

export function openImage(image: Uint8Array, options: Partial<JournalOptions> = {}): RamJournal {
  const disk = new RamDisk(image)
  const cache = new BufferCache(disk, BLOCK_SIZE)
  const journal = Journal.open({ cache, map: RUNS, now: () => 1_700_000_000_123, ...options })
  return { disk, cache, journal }
}

export function newJournal(options: Partial<JournalOptions> = {}): RamJournal {
  return openImage(emptyImage(), options)
}

/** One operation: fills each of `blocks` with `value`. */
export function fill({ journal, cache }: RamJournal, blocks: readonly number[], value: number): void {
  const handle = journal.start()
  for (const block of blocks) {
    const head = cache.get(block)
    handle.getWriteAccess(head)
    head.bytes.fill(value, head.at, head.at + BLOCK_SIZE)
  }
  handle.stop()
}

/** The first byte of `block` as it is on the device. */
export function homeByte(bytes: Uint8Array, block: number): number {
  return bytes[block * BLOCK_SIZE] as number
}

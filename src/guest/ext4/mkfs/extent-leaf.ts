import { extentBlockChecksum, inodeSeed } from '../checksum.js'
import { ENTRY_SIZE, EXTENT_MAGIC, Extent, ExtentHeader } from '../extent.js'
import { JOURNAL_INO } from '../superblock.js'
import type { ImageWriter } from './image-writer.js'
import { MAX_EXTENT } from './placement.js'
import type { Run } from './used-space.js'

/** Writes a leaf of at most `max` entries at `at` that maps `runs` from logical block 0 on. */
export function writeExtentLeaf(view: DataView, at: number, runs: readonly Run[], max: number): void {
  let entries = 0
  let logical = 0
  for (const run of runs) {
    for (let start = run.start; start < run.end; start += MAX_EXTENT) {
      if (entries === max) throw new RangeError(`more than ${max} extents`)
      const length = Math.min(MAX_EXTENT, run.end - start)
      const entry = at + ENTRY_SIZE * (1 + entries++)
      Extent.ee_block.set(view, entry, logical)
      Extent.ee_len.set(view, entry, length)
      Extent.ee_start_lo.set(view, entry, start)
      logical += length
    }
  }
  ExtentHeader.eh_magic.set(view, at, EXTENT_MAGIC)
  ExtentHeader.eh_entries.set(view, at, entries)
  ExtentHeader.eh_max.set(view, at, max)
}

/** Writes the journal's extent tree block, if it has one. */
export function writeJournalExtents(writer: ImageWriter): void {
  const { placement, geometry } = writer
  if (placement.journalExtents === 0) return
  const block = writer.scratch(1)
  const max = Math.floor((geometry.blockSize - ENTRY_SIZE) / ENTRY_SIZE)
  writeExtentLeaf(block.view, 0, placement.journal, max)
  const tail = ENTRY_SIZE * (1 + max)
  const seed = inodeSeed(writer.checksumSeed, JOURNAL_INO, 0)
  block.view.setUint32(tail, extentBlockChecksum(seed, block.bytes, 0, tail), true)
  writer.write(placement.journalExtents, block.bytes)
}

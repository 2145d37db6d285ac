import type { CorruptError } from '../../../lib/errno.js'
import type { Journal } from '../jbd2/journal.js'
import { superblockChecksum } from './checksum.js'
import { ERROR_FS, SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/**
 * Changes the superblock in place, past the journal: for what must be true before the first transaction and after
 * the last. The journal holds no copy of the superblock's block then.
 */
export function writeSuperblock(volume: Volume, change: (view: DataView, at: number) => void): void {
  if (volume.superblock.shadow !== undefined) throw new Error('the superblock is in a transaction')
  const { bytes, at } = volume.device.directAccess(volume.superblockPlace)
  const copy = bytes.slice(at, at + SuperBlock.SIZE)
  const view = new DataView(copy.buffer)
  change(view, 0)
  SuperBlock.s_wtime.set(view, 0, volume.now().sec >>> 0)
  SuperBlock.s_wtime_hi.set(view, 0, Math.floor(volume.now().sec / 0x1_0000_0000) & 0xff)
  if (volume.hasMetadataCsum) SuperBlock.s_checksum.set(view, 0, superblockChecksum(copy, 0))
  volume.device.write(volume.superblockPlace, copy)
}

/**
 * Records an inconsistency in the superblock, in a transaction of its own: s_state, s_error_count, the first and the
 * last error with time, place and what failed. Kernel docs: ext4, "The Super Block".
 */
export function recordError(volume: Volume, journal: Journal, error: CorruptError): void {
  const handle = journal.start()
  const head = volume.modifySuperblock(handle)
  const at = head.at + volume.superblockOffset
  const { view } = head
  const { ino = 0, block = 0, structure } = error.corruption
  const what = new TextEncoder().encode(structure)
  const sec = volume.now().sec
  SuperBlock.s_state.set(view, at, SuperBlock.s_state.get(view, at) | ERROR_FS)
  if (SuperBlock.s_error_count.get(view, at) === 0) {
    SuperBlock.s_first_error_time.set(view, at, sec >>> 0)
    SuperBlock.s_first_error_ino.set(view, at, ino)
    SuperBlock.s_first_error_block.set(view, at, block)
    SuperBlock.s_first_error_func.set(view, at, what)
  }
  SuperBlock.s_error_count.set(view, at, SuperBlock.s_error_count.get(view, at) + 1)
  SuperBlock.s_last_error_time.set(view, at, sec >>> 0)
  SuperBlock.s_last_error_ino.set(view, at, ino)
  SuperBlock.s_last_error_block.set(view, at, block)
  SuperBlock.s_last_error_func.set(view, at, what)
  handle.stop()
}

import type { CorruptError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import { ERROR_FS, SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** Changes the superblock as part of `handle`'s transaction: `at` is where it begins in `view`. s_wtime is set. */
export function changeSuperblock(
  volume: Volume,
  handle: Handle,
  change: (view: DataView, at: number) => void,
): void {
  const { view, at: block } = volume.modifySuperblock(handle)
  const at = block + volume.superblockOffset
  change(view, at)
  const { sec } = volume.now()
  SuperBlock.s_wtime.set(view, at, sec >>> 0)
  SuperBlock.s_wtime_hi.set(view, at, Math.floor(sec / 0x1_0000_0000) & 0xff)
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

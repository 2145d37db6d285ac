import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import { INCOMPAT } from './features.js'
import { ERROR_FS, SuperBlock, VALID_FS } from './superblock.js'
import { changeSuperblock } from './superblock-write.js'
import type { Volume } from './volume.js'

/**
 * From the first transaction on, whoever finds the image must look into the journal, or where there is none check it as
 * a whole: said in place before it can be needed, and in the log before that. Where a crash left the word there, the
 * first transaction counts the mount.
 */
export async function markMounted(volume: Volume, journal: Journal): Promise<void> {
  const seal = (handle: Handle) => volume.checksums.seal(handle)
  let isCounted = !isMarked(volume)
  if (isCounted) {
    journal.beforeCommit = seal
    const handle = journal.start()
    changeSuperblock(volume, handle, (view, at) => mark(volume, view, at))
    countMount(volume, journal, handle)
    handle.stop()
    await journal.commit()
    await journal.writeHome()
  }
  journal.beforeCommit = (handle) => {
    if (!isCounted) {
      isCounted = true
      handle.onRevert(() => {
        isCounted = false
      })
      countMount(volume, journal, handle)
    }
    volume.blockAllocator.settleCounters(handle)
    seal(handle)
  }
}

/** A read-only mount has replayed the journal, which is not needed any more. Closes it. */
export async function markRecovered(volume: Volume, journal: Journal): Promise<void> {
  journal.beforeCommit = (handle) => volume.checksums.seal(handle)
  await journal.close((handle) =>
    changeSuperblock(volume, handle, (view, at) => clearNeedsRecovery(view, at)),
  )
}

/** Closes the journal and says in the superblock, behind all else, that the image was cleanly unmounted. */
export async function markUnmounted(volume: Volume, journal: Journal): Promise<void> {
  await journal.close((handle) => {
    changeSuperblock(volume, handle, (view, at) => {
      clearNeedsRecovery(view, at)
      if (!volume.hasJournal)
        SuperBlock.s_state.set(view, at, SuperBlock.s_state.get(view, at) | (volume.state & VALID_FS))
      volume.orphans.markUnmounted(view, at)
    })
  })
}

function isMarked(volume: Volume): boolean {
  return volume.hasJournal && (volume.incompat & INCOMPAT.needs_recovery) !== 0
}

function mark(volume: Volume, view: DataView, at: number): void {
  if (volume.hasJournal) {
    const incompat = SuperBlock.s_feature_incompat.get(view, at)
    SuperBlock.s_feature_incompat.set(view, at, (incompat | INCOMPAT.needs_recovery) >>> 0)
  } else SuperBlock.s_state.set(view, at, volume.state & ~VALID_FS)
}

function clearNeedsRecovery(view: DataView, at: number): void {
  const incompat = SuperBlock.s_feature_incompat.get(view, at)
  SuperBlock.s_feature_incompat.set(view, at, (incompat & ~INCOMPAT.needs_recovery) >>> 0)
}

function countMount(volume: Volume, journal: Journal, handle: Handle): void {
  const found = journal.recordedError
  changeSuperblock(volume, handle, (view, at) => {
    SuperBlock.s_mnt_count.set(view, at, (SuperBlock.s_mnt_count.get(view, at) + 1) & 0xffff)
    SuperBlock.s_mtime.set(view, at, volume.now().sec >>> 0)
    if (found !== 0) SuperBlock.s_state.set(view, at, SuperBlock.s_state.get(view, at) | ERROR_FS)
  })
  // The journal may forget what the file system has written down.
  if (found !== 0) handle.onCommit(() => journal.clearError())
}

import type { Handle } from '../jbd2/handle.js'
import type { Timespec } from '../vfs/attributes.js'
import type { Inode } from './inode.js'

const same = (a: Timespec, b: Timespec): boolean => a.sec === b.sec && a.nsec === b.nsec

/** mtime and ctime become now. Nothing is changed, and nothing journaled, when they are. */
export function touchModified(handle: Handle, inode: Inode): void {
  const now = inode.volume.now()
  if (same(inode.time('mtime'), now) && same(inode.time('ctime'), now)) return
  inode.modify(handle)
  inode.setTime('mtime', now)
  inode.setTime('ctime', now)
}

/** As {@link touchModified} after a write; lazytime keeps the times in memory if they are all that changed. */
export function touchWritten(handle: Handle, inode: Inode): void {
  const { lazyTimes, behaviour, now } = inode.volume
  if (lazyTimes === undefined || !behaviour.lazytime || inode.syncTid === handle.tid) {
    touchModified(handle, inode)
    return
  }
  const time = now()
  lazyTimes.keep(inode, { mtime: time, ctime: time })
}

/** ctime becomes now. */
export function touchChanged(handle: Handle, inode: Inode): void {
  inode.modify(handle)
  inode.setTime('ctime', inode.volume.now())
}

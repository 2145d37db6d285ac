import type { Timespec } from '../vfs/attributes.js'
import type { Inode } from './inode.js'
import { GOOD_OLD_INODE_SIZE, NOATIME_FL } from './raw-inode.js'

/** Seconds after which relatime lets the access time change in any case. */
const DAY = 24 * 60 * 60

/**
 * The access time that the inode gets by an access now; undefined when it keeps its own: by a mount option, by its
 * flag, because it is that already, or because relatime has no need. mount(8), "relatime".
 */
export function dueAccessTime(inode: Inode): Timespec | undefined {
  const { behaviour, inodeSize, now } = inode.volume
  if (behaviour.atime === 'noatime') return undefined
  const at = now()
  if (at.sec < inode.quietUntil || (inode.flags & NOATIME_FL) !== 0) return undefined
  if (behaviour.nodiratime && inode.isDirectory) return undefined
  // Inodes of 128 bytes keep whole seconds.
  const due = inodeSize > GOOD_OLD_INODE_SIZE ? at : { sec: at.sec, nsec: 0 }
  const atime = inode.time('atime')
  if (compare(atime, due) === 0) return undefined
  if (behaviour.atime === 'strictatime' || due.sec - atime.sec >= DAY) return due
  const isOld = compare(atime, inode.time('mtime')) <= 0 || compare(atime, inode.time('ctime')) <= 0
  if (isOld) return due
  inode.quietUntil = atime.sec + DAY
  return undefined
}

function compare(a: Timespec, b: Timespec): number {
  return a.sec - b.sec || a.nsec - b.nsec
}

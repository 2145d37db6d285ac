import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { type Owner, S_IFCHR, S_ISGID } from '../vfs/attributes.js'
import { entryType } from './dir-block.js'
import {
  countSubdirectory,
  isBelow,
  requireRemovable,
  requireRoomForSubdirectory,
  uncountSubdirectory,
} from './dir-change.js'
import {
  addEntry,
  type EntryPlace,
  findEntry,
  isEmptyDirectory,
  removeEntry,
  replaceEntry,
  setParent,
} from './directory.js'
import type { Inode } from './inode.js'
import { requireSameProject } from './inode-flags.js'
import { createInode } from './new-inode.js'
import { touchChanged, touchModified } from './timestamps.js'
import type { Volume } from './volume.js'

/** An entry: its directory, its name, and the inode it names. */
export interface Named {
  dir: Inode
  name: Uint8Array
  inode: Inode
}

/** Where an entry goes; `inode` is what stood there. */
export interface Destination {
  dir: Inode
  name: Uint8Array
  inode: Inode | undefined
}

/** A character device 0:0 without permissions: what overlayfs reads as "removed here". */
const WHITEOUT_MODE = S_IFCHR

/**
 * Moves an entry, replacing what is there, in one transaction. Returns the replaced inode.
 * With `whiteout` a whiteout stays behind.
 */
export function move(
  volume: Volume,
  handle: Handle,
  from: Named,
  to: Destination,
  whiteout: boolean,
): Inode | undefined {
  const { inode } = from
  checkMove(from, to)
  if (to.inode === undefined) {
    addEntry(handle, to.dir, { ino: inode.ino, name: to.name, type: entryType(inode) })
  } else {
    replaceEntry(handle, to.dir, placeOf(to), inode.ino, entryType(inode))
  }
  // Sought again: the new entry may have split the block that held the old one.
  if (whiteout) {
    const left = createInode(volume, handle, from.dir, WHITEOUT_MODE, callerIn(volume, from.dir), 0)
    replaceEntry(handle, from.dir, placeOf(from), left.ino, entryType(left))
  } else {
    removeEntry(handle, from.dir, placeOf(from))
  }
  if (inode.isDirectory) moveSubdirectory(handle, from, to)
  if (to.inode !== undefined) dropLink(volume, handle, to.inode)
  touchChanged(handle, inode)
  touchModified(handle, to.dir)
  if (from.dir !== to.dir) touchModified(handle, from.dir)
  return to.inode
}

/** The caller as owner of what stands in a directory. */
function callerIn(volume: Volume, dir: Inode): Owner {
  const { uid, gid } = volume.caller
  return { uid, gid: (dir.mode & S_ISGID) !== 0 ? dir.gid : gid }
}

/** Lets two entries change places. */
export function exchange(handle: Handle, a: Named, b: Named): void {
  requireSameProject(b.dir, a.inode)
  requireSameProject(a.dir, b.inode)
  requireRemovable(a.dir, a.inode)
  requireRemovable(b.dir, b.inode)
  refuseOwnSubtree(a, b.dir)
  refuseOwnSubtree(b, a.dir)
  if (a.dir !== b.dir && a.inode.isDirectory !== b.inode.isDirectory) {
    requireRoomForSubdirectory(a.inode.isDirectory ? b.dir : a.dir)
  }
  replaceEntry(handle, a.dir, placeOf(a), b.inode.ino, entryType(b.inode))
  replaceEntry(handle, b.dir, placeOf(b), a.inode.ino, entryType(a.inode))
  if (a.dir !== b.dir) {
    if (a.inode.isDirectory) setParent(handle, a.inode, b.dir.ino)
    if (b.inode.isDirectory) setParent(handle, b.inode, a.dir.ino)
    if (a.inode.isDirectory !== b.inode.isDirectory) {
      uncountSubdirectory(handle, a.inode.isDirectory ? a.dir : b.dir)
      countSubdirectory(handle, a.inode.isDirectory ? b.dir : a.dir)
    }
    touchModified(handle, b.dir)
  }
  touchModified(handle, a.dir)
  touchChanged(handle, a.inode)
  touchChanged(handle, b.inode)
}

function checkMove(from: Named, to: Destination): void {
  const { inode } = from
  requireSameProject(to.dir, inode)
  requireRemovable(from.dir, inode)
  refuseOwnSubtree(from, to.dir)
  if (to.inode === undefined) {
    if (inode.isDirectory && from.dir !== to.dir) requireRoomForSubdirectory(to.dir)
    return
  }
  requireRemovable(to.dir, to.inode)
  if (inode.isDirectory && !to.inode.isDirectory) throw new FsError('ENOTDIR', `inode ${to.inode.ino}`)
  if (!inode.isDirectory && to.inode.isDirectory) throw new FsError('EISDIR', `inode ${to.inode.ino}`)
  if (to.inode.isDirectory && !isEmptyDirectory(to.inode))
    throw new FsError('ENOTEMPTY', `directory ${to.inode.ino}`)
}

/** Throws EINVAL when a directory would come to stand below itself. */
function refuseOwnSubtree({ dir, inode }: Named, newDir: Inode): void {
  if (!inode.isDirectory || dir === newDir || !isBelow(newDir, inode)) return
  throw new FsError('EINVAL', `directory ${inode.ino} into itself`)
}

/** `..` and the counts of subdirectories, after a directory was moved. */
function moveSubdirectory(handle: Handle, from: Named, to: Destination): void {
  if (from.dir !== to.dir) setParent(handle, from.inode, to.dir.ino)
  if (to.inode !== undefined) {
    uncountSubdirectory(handle, from.dir)
  } else if (from.dir !== to.dir) {
    uncountSubdirectory(handle, from.dir)
    countSubdirectory(handle, to.dir)
  }
}

/** An entry of the inode was replaced. */
function dropLink(volume: Volume, handle: Handle, inode: Inode): void {
  touchChanged(handle, inode)
  if (inode.isDirectory) {
    inode.linksCount = 0
    inode.size = 0
  } else {
    inode.linksCount--
  }
  if (inode.linksCount === 0) volume.orphans.add(handle, inode)
}

function placeOf({ dir, name }: { dir: Inode; name: Uint8Array }): EntryPlace {
  return findEntry(dir, name) ?? dir.corrupt('entry', 'gone', 'an entry that was there', 'directory')
}

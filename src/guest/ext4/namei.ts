import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { type Owner, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../vfs/attributes.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../vfs/file-system.js'
import { entryType } from './dir-block.js'
import {
  checkName,
  countSubdirectory,
  existing,
  inodeOf,
  isDots,
  LINK_MAX,
  requireChangeable,
  requireDirectory,
  requireNew,
  requireRemovable,
  requireRoomForSubdirectory,
  uncountSubdirectory,
} from './dir-change.js'
import { isDot, NAME_MAX } from './dir-entry.js'
import { addEntry, entryInode, findEntry, initDirectory, isEmptyDirectory, removeEntry } from './directory.js'
import { isInline } from './inline-data.js'
import type { Inode } from './inode.js'
import { requireSameProject } from './inode-flags.js'
import { createInode } from './new-inode.js'
import { APPEND_FL, IMMUTABLE_FL } from './raw-inode.js'
import { exchange, move } from './rename.js'
import { checkTarget, storeTarget } from './symlink.js'
import { touchChanged, touchModified } from './timestamps.js'
import type { Volume } from './volume.js'

/**
 * The operations on names. Each runs inside one journal handle; when it throws, the caller reverts the handle and
 * nothing of it remains. Errors are those of the system calls of the same names.
 */

/** The inode number, or undefined when there is no such entry. */
export function lookup(volume: Volume, dir: Inode, name: Uint8Array): number | undefined {
  requireDirectory(dir)
  if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', `name of ${name.length} bytes`)
  if (dir.linksCount === 0 || (volume.blockSize > dir.size && !isInline(dir))) return undefined
  const place = findEntry(dir, name)
  if (place === undefined) return undefined
  const ino = entryInode(dir, place)
  const inode = volume.inodeCache.get(ino)
  if (inode.linksCount === 0 && inode.users === 0)
    inode.corrupt('i_links_count', 0, 'at least 1, as an entry names it')
  return ino
}

/** A regular file when `mode` names no type. EINVAL for directories and symlinks. */
export function mknod(
  volume: Volume,
  handle: Handle,
  dir: Inode,
  name: Uint8Array,
  mode: number,
  rdev: number,
  owner: Owner,
): Inode {
  const type = mode & S_IFMT
  if (type === S_IFDIR || type === S_IFLNK)
    throw new FsError('EINVAL', `mknod with mode 0${mode.toString(8)}`)
  requireNew(dir, name)
  const inode = createInode(volume, handle, dir, type === 0 ? mode | S_IFREG : mode, owner, rdev)
  enter(handle, dir, name, inode)
  return inode
}

/** A regular file without a name, on the orphan list: it is freed with its last user unless it is linked. */
export function tmpfile(volume: Volume, handle: Handle, dir: Inode, mode: number, owner: Owner): Inode {
  requireDirectory(dir)
  if (dir.linksCount === 0) throw new FsError('EPERM', `directory ${dir.ino} was removed`)
  const inode = createInode(volume, handle, dir, S_IFREG | (mode & ~S_IFMT), owner, 0)
  inode.linksCount = 0
  inode.isTemporary = true
  volume.orphans.add(handle, inode)
  return inode
}

export function mkdir(
  volume: Volume,
  handle: Handle,
  dir: Inode,
  name: Uint8Array,
  mode: number,
  owner: Owner,
): Inode {
  requireNew(dir, name)
  requireRoomForSubdirectory(dir)
  const inode = createInode(volume, handle, dir, S_IFDIR | (mode & ~S_IFMT), owner, 0)
  initDirectory(handle, inode, dir.ino)
  enter(handle, dir, name, inode)
  countSubdirectory(handle, dir)
  return inode
}

export function symlink(
  volume: Volume,
  handle: Handle,
  dir: Inode,
  name: Uint8Array,
  target: Uint8Array,
  owner: Owner,
): Inode {
  checkTarget(target, volume.blockSize)
  requireNew(dir, name)
  const inode = createInode(volume, handle, dir, S_IFLNK | 0o777, owner, 0)
  storeTarget(handle, inode, target)
  enter(handle, dir, name, inode)
  return inode
}

/** EPERM for directories, EMLINK at 65000 links, ENOENT for an inode that was unlinked. */
export function link(volume: Volume, handle: Handle, inode: Inode, dir: Inode, name: Uint8Array): void {
  requireNew(dir, name)
  if (inode.isDirectory) throw new FsError('EPERM', `inode ${inode.ino} is a directory`)
  if ((inode.flags & (APPEND_FL | IMMUTABLE_FL)) !== 0) throw new FsError('EPERM', `inode ${inode.ino}`)
  if (inode.linksCount === 0 && !inode.isTemporary)
    throw new FsError('ENOENT', `inode ${inode.ino} was unlinked`)
  requireSameProject(dir, inode)
  if (inode.linksCount >= LINK_MAX) throw new FsError('EMLINK', `inode ${inode.ino}`)
  if (inode.isTemporary) {
    volume.orphans.remove(handle, inode)
    inode.isTemporary = false
    handle.onRevert(() => {
      inode.isTemporary = true
    })
  }
  touchChanged(handle, inode)
  inode.linksCount++
  enter(handle, dir, name, inode)
}

/** Returns the inode, on the orphan list when that was its last link. EISDIR for directories. */
export function unlink(volume: Volume, handle: Handle, dir: Inode, name: Uint8Array): Inode {
  const place = existing(dir, name)
  const inode = inodeOf(dir, place)
  requireRemovable(dir, inode)
  if (inode.isDirectory) throw new FsError('EISDIR', `inode ${inode.ino}`)
  removeEntry(handle, dir, place)
  touchModified(handle, dir)
  touchChanged(handle, inode)
  inode.linksCount--
  if (inode.linksCount === 0) volume.orphans.add(handle, inode)
  return inode
}

/** Returns the inode of the removed directory, on the orphan list. EINVAL for `.`, ENOTEMPTY for `..`. */
export function rmdir(volume: Volume, handle: Handle, dir: Inode, name: Uint8Array): Inode {
  if (isDot(name, 0, name.length)) throw new FsError('EINVAL', 'rmdir of "."')
  const place = existing(dir, name)
  if (isDots(name)) throw new FsError('ENOTEMPTY', 'rmdir of ".."')
  const inode = inodeOf(dir, place)
  requireRemovable(dir, inode)
  requireDirectory(inode)
  if (!isEmptyDirectory(inode)) throw new FsError('ENOTEMPTY', `directory ${inode.ino}`)
  removeEntry(handle, dir, place)
  touchModified(handle, dir)
  touchChanged(handle, inode)
  inode.linksCount = 0
  inode.size = 0
  volume.orphans.add(handle, inode)
  uncountSubdirectory(handle, dir)
  return inode
}

/** renameat2(2). Returns the inode whose entry was replaced, if any: on the orphan list when that was its last link. */
export function rename(
  volume: Volume,
  handle: Handle,
  dir: Inode,
  name: Uint8Array,
  newDir: Inode,
  newName: Uint8Array,
  flags: number,
): Inode | undefined {
  const exchanges = (flags & RENAME_EXCHANGE) !== 0
  if (
    (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0 ||
    (exchanges && flags !== RENAME_EXCHANGE)
  ) {
    throw new FsError('EINVAL', `rename with flags 0x${flags.toString(16)}`)
  }
  checkName(newName)
  requireChangeable(newDir)
  const place = existing(dir, name)
  if (isDots(name) || isDots(newName)) throw new FsError('EBUSY', 'rename of "." or ".."')
  const newPlace = findEntry(newDir, newName)
  if (newPlace !== undefined && (flags & RENAME_NOREPLACE) !== 0)
    throw new FsError('EEXIST', 'the new name exists')
  const from = { dir, name, inode: inodeOf(dir, place) }
  const to = { dir: newDir, name: newName, inode: newPlace && inodeOf(newDir, newPlace) }
  if (from.inode === to.inode) return undefined
  if (!exchanges) return move(volume, handle, from, to, (flags & RENAME_WHITEOUT) !== 0)
  if (to.inode === undefined) throw new FsError('ENOENT', 'nothing to exchange with')
  exchange(handle, from, { ...to, inode: to.inode })
  return undefined
}

function enter(handle: Handle, dir: Inode, name: Uint8Array, inode: Inode): void {
  addEntry(handle, dir, { ino: inode.ino, name, type: entryType(inode) })
  touchModified(handle, dir)
}

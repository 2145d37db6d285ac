import { CorruptError, FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { isDot, isDotDot, NAME_MAX } from './dir-entry.js'
import { type EntryPlace, entryInode, findEntry, parentInode } from './directory.js'
import { RO_COMPAT } from './features.js'
import { isIndexed } from './htree.js'
import type { Inode } from './inode.js'
import { APPEND_FL, IMMUTABLE_FL } from './raw-inode.js'
import { ROOT_INO } from './superblock.js'

/** The rules that Linux and ext4 apply before a directory is changed, and the count of links to directories. */

/** EXT4_LINK_MAX */
export const LINK_MAX = 65000

export function requireDirectory(dir: Inode): void {
  if (!dir.isDirectory) throw new FsError('ENOTDIR', `inode ${dir.ino}`)
}

/** Throws ENOENT or ENAMETOOLONG for a name that no entry can have, EINVAL for NUL or slash in it. */
export function checkName(name: Uint8Array): void {
  if (name.length === 0) throw new FsError('ENOENT', 'empty name')
  if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', `name of ${name.length} bytes`)
  if (name.includes(0) || name.includes(0x2f)) throw new FsError('EINVAL', 'NUL or slash in a name')
}

/** Throws unless `dir` is a directory that still exists and may get or lose entries. */
export function requireChangeable(dir: Inode): void {
  requireDirectory(dir)
  if (dir.linksCount === 0) throw new FsError('ENOENT', `directory ${dir.ino} was removed`)
  if ((dir.flags & IMMUTABLE_FL) !== 0) throw new FsError('EPERM', `directory ${dir.ino} is immutable`)
}

/** Throws unless `dir` may get an entry called `name`: EEXIST when it has one. */
export function requireNew(dir: Inode, name: Uint8Array): void {
  checkName(name)
  requireChangeable(dir)
  if (findEntry(dir, name) !== undefined)
    throw new FsError('EEXIST', `directory ${dir.ino} has an entry of this name`)
}

/** Throws EPERM unless `dir` may lose its entry for `victim`. */
export function requireRemovable(dir: Inode, victim: Inode): void {
  if ((dir.flags & APPEND_FL) !== 0) throw new FsError('EPERM', `directory ${dir.ino} is append-only`)
  if ((victim.flags & (APPEND_FL | IMMUTABLE_FL)) !== 0) {
    throw new FsError('EPERM', `inode ${victim.ino} is append-only or immutable`)
  }
}

/** The entry of `name` in a directory that may lose it. Throws ENOENT. */
export function existing(dir: Inode, name: Uint8Array): EntryPlace {
  checkName(name)
  requireChangeable(dir)
  const place = findEntry(dir, name)
  if (place === undefined) throw new FsError('ENOENT', `directory ${dir.ino} has no entry of this name`)
  return place
}

/** The inode that an entry names. Throws CorruptError when that is not in use. */
export function inodeOf(dir: Inode, place: EntryPlace): Inode {
  const ino = entryInode(dir, place)
  try {
    const inode = dir.volume.inodeCache.get(ino)
    if (inode.linksCount > 0) return inode
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ESTALE') throw error
  }
  throw new CorruptError({
    structure: 'ext4_dir_entry_2',
    ino: dir.ino,
    block: place.head.block,
    field: `inode at offset ${place.offset}`,
    found: `${ino}, not in use`,
    expected: 'an inode in use',
  })
}

export function isDots(name: Uint8Array): boolean {
  return isDot(name, 0, name.length) || isDotDot(name, 0, name.length)
}

/** Throws EMLINK when `dir` may not get one more subdirectory. */
export function requireRoomForSubdirectory(dir: Inode): void {
  if (dir.linksCount >= LINK_MAX && !countsManyLinks(dir)) throw new FsError('EMLINK', `directory ${dir.ino}`)
}

/** One more subdirectory. With dir_nlink an indexed directory past the limit has the count 1: "many". */
export function countSubdirectory(handle: Handle, dir: Inode): void {
  dir.modify(handle)
  const links = dir.linksCount + 1
  dir.linksCount = countsManyLinks(dir) && (links > LINK_MAX || links === 2) ? 1 : links
}

/** One subdirectory less; "many" stays. */
export function uncountSubdirectory(handle: Handle, dir: Inode): void {
  if (dir.linksCount <= 2) return
  dir.modify(handle)
  dir.linksCount--
}

function countsManyLinks(dir: Inode): boolean {
  return (dir.volume.roCompat & RO_COMPAT.dir_nlink) !== 0 && isIndexed(dir)
}

/** Whether the way from `dir` up to the root passes `ancestor`; true when they are the same. */
export function isBelow(dir: Inode, ancestor: Inode): boolean {
  const { inodeCache, inodesCount } = dir.volume
  let current = dir
  for (let bound = inodesCount; bound > 0; bound--) {
    if (current.ino === ancestor.ino) return true
    if (current.ino === ROOT_INO) return false
    current = inodeCache.get(parentInode(current))
    requireDirectory(current)
  }
  dir.corrupt('..', 'a loop', 'a way to the root', 'directory')
}

import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { S_IFDIR, S_IFMT, S_IFREG } from '../vfs/attributes.js'
import type { FileAttr } from '../vfs/file-attr.js'
import type { Inode } from './inode.js'
import { GOOD_OLD_INODE_SIZE } from './raw-inode.js'
import { touchChanged } from './timestamps.js'
import { quotaInodes } from './xattr.js'

/** i_flags that programs see, and those that they may change. Kernel docs: ext4, "Inode Table", i_flags. */
const USER_VISIBLE = 0x725bdfff
const USER_MODIFIABLE = 0x220380ff
/** Visible, and refused when they would change: data journalling, extents, case folding. */
const FIXED = 0x40084000
/** Flags of directories only (DIRSYNC, TOPDIR, PROJINHERIT, CASEFOLD), and of what is neither directory nor file. */
const DIRECTORIES_ONLY = 0x60030000
const OTHERS = 0xc0

/** i_flags and i_projid as programs see them. */
export function getFileAttr(inode: Inode): FileAttr {
  return { flags: (inode.flags & USER_VISIBLE) >>> 0, projectId: inode.projectId }
}

/**
 * Sets the flags that may change; the other visible ones are passed over, since programs hand back what they read.
 * Throws EOPNOTSUPP for flags that ext4 does not know, that the type of file cannot have, or that cannot be changed here,
 * and for a project where the file system has none. Throws EDQUOT when the project may not have what the inode holds.
 */
export function setFileAttr(handle: Handle, inode: Inode, { flags, projectId }: FileAttr): void {
  const old = inode.flags
  const wanted = flags & USER_MODIFIABLE
  const changed = (flags ^ old) & FIXED
  if ((flags & ~USER_VISIBLE) !== 0 || changed !== 0 || (wanted & ~allowed(inode.mode)) !== 0) {
    throw new FsError('EOPNOTSUPP', `flags 0x${flags.toString(16)} of inode ${inode.ino}`)
  }
  touchChanged(handle, inode)
  if (projectId !== inode.projectId) setProject(handle, inode, projectId)
  inode.flags = (old & ~USER_MODIFIABLE) | wanted
}

function allowed(mode: number): number {
  const type = mode & S_IFMT
  if (type === S_IFDIR) return -1
  return type === S_IFREG ? ~DIRECTORIES_ONLY : OTHERS
}

function setProject(handle: Handle, inode: Inode, projectId: number): void {
  const { volume } = inode
  if (!volume.hasProjects || volume.inodeSize === GOOD_OLD_INODE_SIZE)
    throw new FsError('EOPNOTSUPP', 'the file system has no feature project')
  if (!inode.hasProjectId) throw new FsError('EOVERFLOW', `inode ${inode.ino} has no room for a project`)
  volume.quotas?.transfer(handle, inode, { projectId }, quotaInodes(inode))
  inode.projectId = projectId
}

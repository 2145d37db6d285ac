import { FsError } from '../../../lib/errno.js'
import { S_IFDIR, S_IFMT, S_IFREG } from '../vfs/attributes.js'
import type { Inode } from './inode.js'
import {
  APPEND_FL,
  DAX_FL,
  DIRSYNC_FL,
  IMMUTABLE_FL,
  JOURNAL_DATA_FL,
  NOATIME_FL,
  SYNC_FL,
} from './raw-inode.js'

/** i_flags that matter here for inheritance only. Kernel docs: ext4, "Inode Table", i_flags. */
const SECRM_FL = 0x1
const UNRM_FL = 0x2
const COMPR_FL = 0x4
const NODUMP_FL = 0x40
const NOCOMPR_FL = 0x400
const NOTAIL_FL = 0x8000
const PROJINHERIT_FL = 0x20000000
const CASEFOLD_FL = 0x40000000

/** The top of a directory hierarchy: its directories are spread over the device as those of the root are. */
export const TOPDIR_FL = 0x20000

const INHERITED =
  SECRM_FL |
  UNRM_FL |
  COMPR_FL |
  SYNC_FL |
  NODUMP_FL |
  NOATIME_FL |
  NOCOMPR_FL |
  JOURNAL_DATA_FL |
  NOTAIL_FL |
  DIRSYNC_FL |
  PROJINHERIT_FL |
  CASEFOLD_FL |
  DAX_FL
const DIRECTORIES_ONLY = DIRSYNC_FL | TOPDIR_FL | CASEFOLD_FL | PROJINHERIT_FL
const OTHERS = NODUMP_FL | NOATIME_FL

/** What a new inode of type `mode` takes over from its directory's i_flags. */
export function inheritedFlags(parentFlags: number, mode: number): number {
  const flags = parentFlags & INHERITED
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return flags
    case S_IFREG:
      return flags & ~DIRECTORIES_ONLY
    default:
      return flags & OTHERS
  }
}

/** Whether what stands in the directory belongs to its project. */
export function inheritsProject({ flags, hasProjectId }: Inode): boolean {
  return (flags & PROJINHERIT_FL) !== 0 && hasProjectId
}

/** Throws EXDEV when the directory takes only what belongs to its project, and the inode does not. */
export function requireSameProject(dir: Inode, inode: Inode): void {
  if (inheritsProject(dir) && dir.projectId !== inode.projectId)
    throw new FsError('EXDEV', `inode ${inode.ino} into project ${dir.projectId}`)
}

/** Throws EPERM: an immutable inode cannot change at all, an append-only one cannot be cut. chattr(1). */
export function refuseImmutable({ flags, ino }: Inode, cuts: boolean): void {
  if ((flags & IMMUTABLE_FL) !== 0 || (cuts && (flags & APPEND_FL) !== 0))
    throw new FsError('EPERM', `inode ${ino}`)
}

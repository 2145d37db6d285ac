/**
 * Inode flags, as FS_IOC_GETFLAGS and FS_IOC_SETFLAGS name them (linux/fs.h, ioctl_iflags(2)); ext4 has the same
 * numbers in i_flags. And the other form of some of them, of FS_IOC_FSGETXATTR (ioctl_xfs_fsgetxattr(2)).
 */
const FS_SYNC_FL = 0x8
export const FS_IMMUTABLE_FL = 0x10
export const FS_APPEND_FL = 0x20
const FS_NODUMP_FL = 0x40
const FS_NOATIME_FL = 0x80
const FS_DAX_FL = 0x2000000
const FS_PROJINHERIT_FL = 0x20000000

/** What FS_IOC_FSGETXATTR tells beside flags. */
export interface FileAttr {
  /** FS_*_FL, unsigned. */
  flags: number
  projectId: number
}

/** FS_XFLAG_* and the flags they stand for. */
const XFLAGS: readonly (readonly [xflag: number, flag: number])[] = [
  [0x8, FS_IMMUTABLE_FL],
  [0x10, FS_APPEND_FL],
  [0x20, FS_SYNC_FL],
  [0x40, FS_NOATIME_FL],
  [0x80, FS_NODUMP_FL],
  [0x200, FS_PROJINHERIT_FL],
  [0x8000, FS_DAX_FL],
]

export function xflagsOf(flags: number): number {
  return XFLAGS.reduce((sum, [xflag, flag]) => ((flags & flag) === 0 ? sum : sum | xflag), 0)
}

/** `flags` with those changed that `xflags` can say. Undefined when it says what no flag stands for. */
export function withXflags(flags: number, xflags: number): number | undefined {
  let result = flags
  let unknown = xflags
  for (const [xflag, flag] of XFLAGS) {
    result = (xflags & xflag) === 0 ? result & ~flag : result | flag
    unknown &= ~xflag
  }
  return unknown === 0 ? result >>> 0 : undefined
}

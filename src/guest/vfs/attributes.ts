/** File type bits of a mode, as in sys/stat.h. */
export const S_IFMT = 0o170000
export const S_IFSOCK = 0o140000
export const S_IFLNK = 0o120000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o060000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFIFO = 0o010000
export const S_ISUID = 0o4000
export const S_ISGID = 0o2000
export const S_ISVTX = 0o1000

/** A point in time: seconds since 1970 (negative before it) and nanoseconds 0..999,999,999. */
export interface Timespec {
  sec: number
  nsec: number
}

/** What stat(2) tells of an inode, and statx(2)'s btime. */
export interface Attributes {
  ino: number
  /** i_generation: tells a reused inode number from its predecessor. */
  generation: number
  /** Type and permission bits. */
  mode: number
  nlink: number
  uid: number
  gid: number
  /** As makedev encodes it for Linux's 32-bit dev_t: (major << 8 | minor & 0xff | (minor & ~0xff) << 12). */
  rdev: number
  /** Bytes. */
  size: number
  /** Units of 512 bytes. */
  blocks: number
  blockSize: number
  atime: Timespec
  mtime: Timespec
  ctime: Timespec
  /** Undefined when the inode has no room for it. */
  btime: Timespec | undefined
}

/** What setattr changes; absent fields stay. */
export interface AttributeChange {
  /** Permission bits only (07777). */
  mode?: number
  uid?: number
  gid?: number
  /** Bytes. */
  size?: number
  atime?: Timespec | 'now'
  mtime?: Timespec | 'now'
  ctime?: Timespec
  /** The set-id bits fall (and S_ISGID where group execution is allowed), as on a write by an unprivileged caller. */
  killPrivileges?: boolean
}

/** Who creates an inode. */
export interface Owner {
  uid: number
  gid: number
  /** Permission bits that are not given, unless the directory's default ACL decides; 0 when absent. */
  umask?: number
}

/** statfs(2). Blocks are of `blockSize` bytes. */
export interface StatFs {
  blockSize: number
  blocks: number
  blocksFree: number
  /** Free to unprivileged users. */
  blocksAvailable: number
  files: number
  filesFree: number
  nameMax: number
}

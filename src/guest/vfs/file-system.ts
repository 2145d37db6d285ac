import type { AttributeChange, Attributes, Owner, StatFs } from './attributes.js'
import type { FiemapExtent } from './fiemap.js'
import type { FileAttr } from './file-attr.js'

/** Flags of renameat2(2). */
export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2
export const RENAME_WHITEOUT = 4

/** A run of bytes to be sent: memory of the device, or zeroes where `bytes` is absent (a hole). */
export interface DataRun {
  readonly bytes: Uint8Array | undefined
  /** Index of the first byte in `bytes`. */
  readonly at: number
  readonly length: number
  /** Address of the first byte in this process, 0 when not known (then copy from `bytes`). */
  readonly address: number
}

/**
 * Receives one directory entry; `next` is the cookie that continues behind it. Returns false when it was not
 * taken (no room): the walk stops before it. `name` is valid during the call only.
 */
export type EntrySink = (name: Uint8Array, ino: number, type: number, next: bigint) => boolean

/** What FITRIM asks for, and how it answers: struct fstrim_range. All in bytes. */
export interface TrimRange {
  start: number
  /** Of the range; in the answer, how much was discarded. */
  length: number
  /** Free runs shorter than this are left alone. */
  least: number
}

/**
 * What a shutdown does first, as the flags of EXT4_IOC_SHUTDOWN say: `default` makes everything durable, `logflush`
 * commits, `nologflush` drops what is not committed.
 */
export type ShutdownMode = 'default' | 'logflush' | 'nologflush'

/** dirent types (DT_*): the file type bits of a mode shifted right by 12. */
export const DT_UNKNOWN = 0

/**
 * The inode-level operations of a mounted file system. Names are raw bytes without NUL or slash; 1 to 255 of them
 * (longer is ENAMETOOLONG). Permissions are the caller's affair. Operations run to their end without waiting and
 * throw FsError; those that change something must be preceded by {@link FileSystem.ready}. A promise is returned
 * only where an operation waits for the journal or a FLUSH.
 */
export interface FileSystem {
  /** Inode number of the root directory (2 in ext4). */
  readonly root: number
  readonly readOnly: boolean
  readonly blockSize: number
  /** Whether the data of all regular files may be mapped directly (DAX): it stands in blocks, as long as a page. */
  readonly canDax: boolean
  /** Nanoseconds that a time stamp is a multiple of: 1 or, where inodes keep whole seconds, 10^9. Absent: 1. */
  readonly timeGranularity?: number
  /** The greatest size of a file; bytes. */
  readonly maxFileSize: number

  /**
   * Undefined when a changing operation may start now; else a promise to wait for before asking again.
   * Throws or rejects with EROFS when the file system is or became read-only.
   */
  ready(): Promise<void> | undefined

  /**
   * Who the next operations are for, as Linux's current_cred(): decides who may use reserved blocks. Root at first. `groups`: those
   * beside `gid`, as far as known.
   */
  setCaller(uid: number, gid: number, groups?: readonly number[]): void

  /** As seen from an inode: in a directory of a project with limits, what those leave. The root when absent. */
  statfs(ino?: number): StatFs
  /** The inode number, or undefined when there is no such entry. `.` and `..` are understood. */
  lookup(dir: number, name: Uint8Array): number | undefined
  getattr(ino: number): Attributes
  /** A change of size may need several transactions; the promise then resolves when all is done. */
  setattr(ino: number, change: AttributeChange): void | Promise<void>
  readlink(ino: number): Uint8Array

  /** A regular file, fifo, socket or device node, as the type bits of `mode` say. Returns the inode number. */
  mknod(dir: number, name: Uint8Array, mode: number, rdev: number, owner: Owner): number
  /** O_TMPFILE: a regular file that no entry names, of the directory's file system. {@link link} may name it. */
  tmpfile(dir: number, mode: number, owner: Owner): number
  mkdir(dir: number, name: Uint8Array, mode: number, owner: Owner): number
  symlink(dir: number, name: Uint8Array, target: Uint8Array, owner: Owner): number
  link(ino: number, dir: number, name: Uint8Array): void
  unlink(dir: number, name: Uint8Array): void
  rmdir(dir: number, name: Uint8Array): void
  /** `flags`: RENAME_*. */
  rename(dir: number, name: Uint8Array, newDir: number, newName: Uint8Array, flags: number): void

  /** Entries behind `cookie` (0n: the first). */
  readdir(dir: number, cookie: bigint, sink: EntrySink): void

  /** At most `length` bytes at `offset`; fewer at the end of the file. */
  read(ino: number, offset: number, length: number): DataRun[]
  /**
   * Stores `source[from..to)` at `offset`. Returns how many bytes were stored: fewer when the transaction is full
   * (call {@link ready} and go on). `keepTimes`: a write-back of the page cache, whose times come by setattr.
   */
  write(ino: number, offset: number, source: Uint8Array, from: number, to: number, keepTimes: boolean): number
  /** fallocate(2) with FALLOC_FL_* `mode`. */
  fallocate(ino: number, mode: number, offset: number, length: number): void | Promise<void>
  /** SEEK_DATA / SEEK_HOLE: the offset found; ENXIO past the end. */
  seek(ino: number, offset: number, what: 'data' | 'hole'): number

  /** The value of an extended attribute, a view that lives until the next operation; undefined when there is none. */
  getxattr(ino: number, name: Uint8Array): Uint8Array | undefined
  /** `flags`: XATTR_*. Names carry their prefix (`user.`), POSIX ACLs the form of posix-acl.ts and change the mode. */
  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number): void
  /** The names that the caller may see, each ended by a NUL. */
  listxattr(ino: number): Uint8Array
  /** ENODATA when there is none. */
  removexattr(ino: number, name: Uint8Array): void

  getFileAttr(ino: number): FileAttr
  /** Flags that programs cannot change are passed over; EOPNOTSUPP for what cannot be. */
  setFileAttr(ino: number, attr: FileAttr): void

  /** Gives free blocks back to the device. EOPNOTSUPP when that cannot take them. */
  trim(range: TrimRange): Promise<TrimRange>

  /** The block of the device that holds a block of the file, in units of {@link blockSize}; 0 for a hole. FIBMAP. */
  bmap(ino: number, block: number): number
  /**
   * FIEMAP: the extents that begin or go on within `length` bytes from `offset`, the first cut to begin in that block. EINVAL
   * for an empty range, EFBIG for one past the greatest offset.
   */
  fiemap(ino: number, offset: number, length: number): FiemapExtent[]

  /** Bytes of the volume's name, without what follows the last one. */
  getLabel(): Uint8Array
  /** EINVAL when it is too long. */
  setLabel(label: Uint8Array): void

  /**
   * A crash of the guest: from now on everything fails with EIO but for the root's attributes, and the image is left
   * as it is, for the next mount to recover. Resolves when it is so. EROFS when read-only.
   */
  shutDown(mode: ShutdownMode): Promise<void>
  /**
   * The inode was read, its target or its entries: its access time changes as the mount options and its flags say.
   * Never waits and never throws, and is to be called when the answer is on its way. Returns whether it changed.
   */
  touchAtime(ino: number): boolean
  /**
   * Whether a change of the inode, or with `entries` of what a directory lists, has to be durable before it is
   * answered: by the mount options (sync, dirsync) or by its flags. How, is for {@link fsync} and {@link commit}.
   */
  isSynchronous(ino: number, entries: boolean): boolean

  /** Undefined when nothing was dirty. */
  fsync(ino: number, dataOnly: boolean): Promise<void> | undefined
  syncfs(): Promise<void> | undefined
  /** Makes all operations so far durable, but not the data of files. Undefined when they are. */
  commit(): Promise<void> | undefined

  /** One more user of the inode (a lookup count or an open file): it is not freed while it has users. */
  retain(ino: number): void
  /** `count` fewer users; an inode without links and users is freed. */
  release(ino: number, count: number): void

  /** When {@link tick} wants to be called, in milliseconds of the machine's clock; undefined when never. */
  readonly deadline: number | undefined
  /** Periodic work, at `now` of the machine's clock: the commit interval. */
  tick(now: number): void

  /** Commits and writes everything home, marks the image clean. The file system is not used after it. */
  unmount(): Promise<void>
}

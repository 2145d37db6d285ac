/** The two cache policies of `src/host`. */
export type HostCache = 'kernel' | 'emulated'
export type DaxMode = 'always' | 'never' | 'inode'
export type ErrorPolicy = 'continue' | 'remount-ro' | 'panic'
/** How the mount is made: `fuseblk` stands on a loop device, so that sync(2) and syncfs(2) reach the file system. */
export type MountType = 'fuse' | 'fuseblk'
/** What speaks with the kernel: this program itself, or libfuse 2 by the npm package fuse-native. */
export type FrontEnd = 'kernel' | 'fuse-native'

/** A machine: its disk image and how its guest mounts it. Named options are ext4's and mount(8)'s. */
export interface MachineOptions {
  /** Path of the image file. */
  image: string
  hostCache: HostCache
  readOnly: boolean
  dax: DaxMode
  /** ext4's `commit=`, in milliseconds: how old a change may get before the journal is committed. */
  commitInterval: number
  /** Undefined: what the superblock says. */
  errors: ErrorPolicy | undefined
  /** False: the journal asks for no FLUSH. Undefined: what the superblock says. */
  barrier: boolean | undefined
  /** ext4's `data=`; undefined: what the superblock says, which is refused where it is another mode. */
  data: 'ordered' | undefined
  /** The log's blocks have checksums; undefined: where those of the file system have. */
  journalChecksum: boolean | undefined
  /** The journal is not replayed; read-only mounts only. */
  noload: boolean
  /** ext4's `sb=`: which superblock to use, in units of 1 KiB; read-only mounts only. Undefined: the first. */
  superblock: number | undefined
  /** Freed blocks are given back to the host by the commit that frees them. Undefined: what the superblock says. */
  discard: boolean | undefined

  /** Access times never change. Without this and `strictatime` they change as relatime has it. */
  noatime: boolean
  /** Those of directories do not. */
  nodiratime: boolean
  /** They change at every access; counts more than `noatime`, as in mount(2). */
  strictatime: boolean
  /** Times are kept in memory until the inode is written for another reason, synced, evicted, or a day old. */
  lazytime: boolean
  /** Every operation is durable before it is answered. */
  sync: boolean
  /** So is every change of a directory. */
  dirsync: boolean

  /** Attributes of the namespace `user` are to be had. */
  userXattr: boolean
  /** POSIX ACLs are to be had, and count. */
  acl: boolean
  /** Who besides root may use the reserved blocks; undefined: what the superblock says. */
  resuid: number | undefined
  resgid: number | undefined
  /** New files belong to the group of their directory whether or not that has the set-group-ID bit. Undefined: what the superblock says. */
  grpid: boolean | undefined
  /** Owners have 16 bits in the image. Undefined: what the superblock says. */
  nouid32: boolean | undefined
  /** Limits of users, groups and projects count, where the image has the feature quota. */
  usrquota: boolean
  grpquota: boolean
  prjquota: boolean
  /** ext4's `max_dir_size_kb=`, in KiB: a directory that is as large gets no further block; 0 for no limit. */
  maxDirSize: number
  /** statfs counts the blocks of the file system's own structures as part of its size. */
  minixdf: boolean
}

/** One part of an idmapped mount: what the image has as `first`, and the next ones, is seen as `seen` and the next. */
export interface IdMapping {
  of: 'uid' | 'gid' | 'both'
  first: number
  seen: number
  count: number
}

/** A machine whose file system is mounted at a directory of this host. Plain data: it is handed to another process. */
export interface MountOptions extends MachineOptions {
  /** Absolute path of the mount point. */
  dir: string
  /** Undefined: `fuseblk` where root and a loop device are to be had, else `fuse`. */
  type: MountType | undefined
  frontEnd: FrontEnd

  nosuid: boolean
  nodev: boolean
  noexec: boolean
  nosymfollow: boolean
  /** Users other than the one who mounts may use it; undefined: when that one is root. */
  allowOther: boolean | undefined
  /** When the process that serves the mount dies, the mount is taken away. Else it stays, and answers ENOTCONN. */
  autoUnmount: boolean
  /** Owners are seen as these mappings say, X-mount.idmap; empty: as the image has them. */
  idmap: readonly IdMapping[]
}

/** What the list behind `-o` can say. */
export type ListedOptions = Omit<MountOptions, 'image' | 'dir' | 'type'>

export const DEFAULT_OPTIONS: ListedOptions = Object.freeze({
  hostCache: 'emulated',
  readOnly: false,
  dax: 'always',
  commitInterval: 5000,
  errors: undefined,
  barrier: undefined,
  data: undefined,
  journalChecksum: undefined,
  noload: false,
  superblock: undefined,
  discard: undefined,
  noatime: false,
  nodiratime: false,
  strictatime: false,
  lazytime: false,
  sync: false,
  dirsync: false,
  userXattr: true,
  acl: true,
  resuid: undefined,
  resgid: undefined,
  grpid: undefined,
  nouid32: undefined,
  usrquota: false,
  grpquota: false,
  prjquota: false,
  maxDirSize: 0,
  minixdf: false,
  nosuid: false,
  nodev: false,
  noexec: false,
  nosymfollow: false,
  allowOther: undefined,
  autoUnmount: false,
  frontEnd: 'kernel',
  idmap: [],
} satisfies ListedOptions)

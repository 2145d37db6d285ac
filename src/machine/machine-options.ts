/** The two cache policies of `src/host`. */
export type HostCache = 'kernel' | 'emulated'
export type DaxMode = 'always' | 'never' | 'inode'
export type ErrorPolicy = 'continue' | 'remount-ro' | 'panic'
/** How the mount is made: `fuseblk` stands on a loop device, so that sync(2) and syncfs(2) reach the file system. */
export type MountType = 'fuse' | 'fuseblk'

/** A machine: its disk image and how its guest mounts it. */
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
  /** False: the journal asks for no FLUSH. */
  barrier: boolean
  /** The journal is not replayed; read-only mounts only. */
  noload: boolean
}

export const DEFAULT_OPTIONS: Omit<MachineOptions, 'image'> = Object.freeze({
  hostCache: 'emulated',
  readOnly: false,
  dax: 'always',
  commitInterval: 5000,
  errors: undefined,
  barrier: true,
  noload: false,
} satisfies Omit<MachineOptions, 'image'>)

/** A machine whose file system is mounted at a directory of this host. Plain data: it is handed to another process. */
export interface MountOptions extends MachineOptions {
  /** Absolute path of the mount point. */
  dir: string
  /** Undefined: `fuseblk` where root and a loop device are to be had, else `fuse`. */
  type: MountType | undefined
}

import type { Timespec } from '../vfs/attributes.js'

/** Whose limits count. Usage is always accounted. */
export interface QuotaLimits {
  readonly user: boolean
  readonly group: boolean
  readonly project: boolean
}

export type AtimePolicy = 'relatime' | 'strictatime' | 'noatime'
export type ErrorsBehaviour = 'continue' | 'remount-ro' | 'panic'

/** Where ext4 leaves the choice to who mounts it. Names and meaning as in Documentation/admin-guide/ext4.rst. */
export interface Behaviour {
  /** `sb=`: where the superblock stands, in units of 1 KiB; 1 is the first. */
  superblock: number
  /** Attributes of the namespace `user` are to be had. */
  userXattr: boolean
  /** POSIX ACLs are to be had, and count. */
  acl: boolean
  /** Who besides root may use the reserved blocks; undefined: what the superblock says. */
  resuid: number | undefined
  resgid: number | undefined
  /** New files belong to the group of their directory; undefined: what the superblock says. */
  grpid: boolean | undefined
  /** Owners have 16 bits, greater numbers become the overflow id; undefined: what the superblock says. */
  nouid32: boolean | undefined
  /** `max_dir_size_kb=`, in bytes: a directory that is as large gets no further block; 0 for no limit. */
  maxDirSize: number
  /** statfs counts the file system's own blocks too. */
  minixdf: boolean
  /** Whose limits count; `usrquota`, `grpquota`, `prjquota`. */
  quota: QuotaLimits
  /** When access times change; as relatime has it, at every access, or never. */
  atime: AtimePolicy
  /** Those of directories never do. */
  nodiratime: boolean
  /** Times alone are not worth a transaction: they wait in memory. */
  lazytime: boolean
  /** Every change is durable before it is answered. */
  sync: boolean
  /** So is every change of a directory's entries. */
  dirsync: boolean
  /** Freed blocks are given back by the commit that frees them; undefined: what the superblock says. */
  discard: boolean | undefined
}

/** With what the superblock says filled in. */
export interface SettledBehaviour extends Behaviour {
  grpid: boolean
  nouid32: boolean
  discard: boolean
}

export const DEFAULT_BEHAVIOUR: Readonly<Behaviour> = Object.freeze({
  superblock: 1,
  userXattr: true,
  acl: true,
  resuid: undefined,
  resgid: undefined,
  grpid: undefined,
  nouid32: undefined,
  maxDirSize: 0,
  minixdf: false,
  quota: { user: false, group: false, project: false },
  atime: 'relatime',
  nodiratime: false,
  lazytime: false,
  sync: false,
  dirsync: false,
  discard: undefined,
})

export interface MountOptions {
  readOnly?: boolean
  /** Milliseconds between a change and its commit; 5000 as ext4 has. */
  commitInterval?: number
  /** What an inconsistency found at run time leads to; the superblock's s_errors when absent. */
  errors?: ErrorsBehaviour
  /** False: no FLUSH is ever sent. What the superblock says when absent. */
  barrier?: boolean
  /** The log's blocks have checksums; where those of the file system have when absent. */
  journalChecksum?: boolean
  /** Takes a file system that wants another mode of the journal by default. */
  data?: 'ordered'
  /** Mount without recovering the journal; read-only mounts only. */
  noload?: boolean
  /** What differs from {@link DEFAULT_BEHAVIOUR}. */
  behaviour?: Partial<Behaviour>
  /** Milliseconds of a steady clock. */
  clock: () => number
  /** Wall clock, for time stamps. */
  now: () => Timespec
}

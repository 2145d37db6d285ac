/**
 * The operations of struct fuse_operations (libfuse 2.9, fuse.h) that the package fuse-native passes on, with what it
 * passes on of their arguments. Paths begin at the root of the mount, which is `/`. A call is plain data: the thread
 * that has libfuse's callbacks is not the one that has the file system.
 */
import type { Attributes, StatFs } from '../../guest/vfs/attributes.js'

/** The whole of a directory: libfuse 2 reads and keeps it at once. Fields of one entry stand at the same index. */
export interface Listing {
  names: string[]
  inodes: number[]
  /** DT_*. */
  types: number[]
}

type Eventually<T> = T | Promise<T>

/**
 * Each throws FsError, or rejects with it. `fd` is what open or create returned. A promise where the operation takes
 * several transactions, or has to be durable before it is answered.
 */
export interface PathOperations {
  getattr(path: string): Attributes
  fgetattr(fd: number): Attributes
  statfs(): StatFs
  readlink(path: string): string
  readdir(path: string): Listing

  mknod(path: string, mode: number, rdev: number): Eventually<void>
  mkdir(path: string, mode: number): Eventually<void>
  symlink(target: string, path: string): Eventually<void>
  link(from: string, to: string): Eventually<void>
  unlink(path: string): Eventually<void>
  rmdir(path: string): Eventually<void>
  rename(from: string, to: string): Eventually<void>

  chmod(path: string, mode: number): Eventually<void>
  /** 0xffff_ffff: stays as it is. */
  chown(path: string, uid: number, gid: number): Eventually<void>
  truncate(path: string, size: number): Eventually<void>
  ftruncate(fd: number, size: number): Eventually<void>
  /** Milliseconds since 1970. */
  utimens(path: string, atime: number, mtime: number): Eventually<void>

  /** `flags`: O_*. A file descriptor of the mount's own, at least 1. */
  open(path: string, flags: number): number
  create(path: string, mode: number): Eventually<number>
  release(fd: number): void
  /** `flags`: O_* of the open file. */
  read(fd: number, offset: number, length: number, flags: number): Uint8Array
  /** Bytes stored. */
  write(fd: number, offset: number, bytes: Uint8Array, flags: number): Eventually<number>
  fsync(fd: number, dataOnly: boolean): Eventually<void>
  fsyncdir(path: string, dataOnly: boolean): Eventually<void>

  /** `room`: bytes, 0 when only the length is asked for; ERANGE when the value is longer. */
  getxattr(path: string, name: string, room: number): Uint8Array
  listxattr(path: string, room: number): Uint8Array
  /** `flags`: XATTR_*. */
  setxattr(path: string, name: string, value: Uint8Array, flags: number): Eventually<void>
  removexattr(path: string, name: string): Eventually<void>
}

export type PathOperation = keyof PathOperations

/** One call, to be handed to another thread. */
export type PathCall = {
  [K in PathOperation]: { operation: K; parameters: Parameters<PathOperations[K]> }
}[PathOperation]

/** What an operation returns. */
export type PathResult<K extends PathOperation> = Awaited<ReturnType<PathOperations[K]>>

/** The answer to a {@link PathCall}: `error` is 0 or `-errno`, `value` what the operation returned. */
export interface PathReply {
  error: number
  value?: unknown
}

/**
 * A mount by fuse-native: libfuse's callbacks, as calls of {@link PathOperations} that someone else performs. What
 * fuse-native gets wrong on the way, and can be mended from here, is mended here.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { E, FsError } from '../../../lib/errno.js'
import { duplicate, setCloseOnExec } from '../../../lib/libc.js'
import type { Attributes, StatFs } from '../../guest/vfs/attributes.js'
import { O_SYNC } from '../abi/file.js'
import { type FuseClass, type Handler, loadFuseNative, type Signal } from './fuse-native.js'
import type { Listing, PathCall, PathReply } from './path-operations.js'
import { entryWords, statfsWords, statWords } from './stat-words.js'
import { type MemoryReader, openFlags, ownMemory, utimensTimes } from './thread-locals.js'

export interface PathMountOptions {
  mountpoint: string
  /** What /proc/mounts shows as source: the image's path. */
  source: string
  readOnly: boolean
  /** File data passes the kernel's page cache by; else it goes through it, and every write(2) on to the file system. */
  directIo: boolean
  /** Of mount(8), `nosuid` and the like, those that libfuse 2 knows. */
  flags: readonly string[]
  /** Performs a call; never rejects. */
  perform: (call: PathCall) => Promise<PathReply>
}

/** fuse-native keeps paths and options in arrays of so many bytes. */
const ARGUMENT_MAX = 1024

/** Offset and sizes come as two words. */
const number = (low: number, high: number): number => low + high * 0x1_0000_0000

/**
 * What libfuse 2 is told. Nothing is cached for longer than a call, but names: two names of a file are two files in
 * libfuse 2, and the kernel would go on showing the one as it was before it was changed by the other name.
 */
export function libfuseOptions(options: PathMountOptions): string {
  const escaped = options.source.replace(/[\\,]/g, '\\$&')
  const list = ['subtype=fakedax', `fsname=${escaped}`, 'default_permissions', 'use_ino', 'big_writes']
  list.push('attr_timeout=0', options.readOnly ? 'ro' : 'rw')
  if (options.directIo) list.push('direct_io')
  // libfuse has nosuid and nodev unless told otherwise.
  for (const flag of ['suid', 'dev']) if (!options.flags.includes(`no${flag}`)) list.push(flag)
  return `-o${[...list, ...options.flags].join(',')}`
}

/** Every operation that is passed on, and `init`, which fuse-native answers itself. */
const IMPLEMENTED = [
  ...['getattr', 'fgetattr', 'statfs', 'readlink', 'readdir', 'mknod', 'mkdir', 'symlink', 'link', 'unlink'],
  ...['rmdir', 'rename', 'chmod', 'chown', 'truncate', 'ftruncate', 'utimens', 'open', 'create', 'release'],
  ...['read', 'write', 'fsync', 'fsyncdir', 'getxattr', 'listxattr', 'setxattr', 'removexattr'],
]

/**
 * Mounts; resolves when the mount answers, with a file descriptor of its connection, whose poll(2) tells POLLERR when
 * the mount is over. Rejects with FsError ENOENT without the package, ENAMETOOLONG, EBUSY, EIO when libfuse refuses,
 * which says why on stderr.
 */
export async function mountByPaths(options: PathMountOptions): Promise<number> {
  const list = libfuseOptions(options)
  for (const argument of [options.mountpoint, list]) {
    if (Buffer.byteLength(argument) >= ARGUMENT_MAX)
      throw new FsError('ENAMETOOLONG', `fuse-native takes ${ARGUMENT_MAX - 1} bytes, not '${argument}'`)
  }
  const PathFuse = pathFuse(loadFuseNative(), list, options.perform)
  const ops = Object.fromEntries(IMPLEMENTED.map((name) => [name, true]))
  const fuse = new PathFuse(options.mountpoint, ops, { timeout: false })
  const before = new Set(connections())
  await new Promise<void>((resolve, reject) => {
    fuse.open((error) => (error === null ? resolve() : reject(failure(error, options.mountpoint))))
  })
  const fd = connections().find((each) => !before.has(each))
  if (fd === undefined) throw new FsError('EIO', 'the connection of libfuse is not to be found')
  // libfuse lets children inherit it: one that outlives this process would keep the mount waiting for an answer.
  setCloseOnExec(fd)
  return duplicate(fd)
}

function failure(cause: Error, mountpoint: string): FsError {
  if (cause.message === 'Mountpoint in use')
    return new FsError('EBUSY', `'${mountpoint}' is a mount point already`, { path: mountpoint, cause })
  return new FsError('EIO', `libfuse cannot mount at '${mountpoint}': ${cause.message}`, {
    path: mountpoint,
    cause,
  })
}

/** This process's file descriptors of /dev/fuse. */
function connections(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/fuse'
      } catch {
        // The one by which the directory was read.
        return false
      }
    })
}

function pathFuse(Base: FuseClass, list: string, perform: PathMountOptions['perform']): FuseClass {
  /** Answers with what `values` makes of an operation's result. */
  const answer = (signal: Signal, call: PathCall, values?: (value: unknown) => unknown[]): void => {
    void perform(call).then(({ error, value }) => {
      if (error !== 0 || values === undefined) signal(error)
      else signal(0, ...values(value))
    })
  }
  const stat = (value: unknown): unknown[] => [statWords(value as Attributes)]

  const memory: MemoryReader = ownMemory()

  return class PathFuse extends Base {
    /** Of the callback that is being begun. */
    #locals: Uint8Array = new Uint8Array(0)

    override _fuseOptions(): string {
      return list
    }

    override _makeHandlerArray(): (Handler | undefined)[] {
      return super._makeHandlerArray().map(
        (handler): Handler | undefined =>
          handler &&
          ((locals, ...rest) => {
            this.#locals = locals
            handler(locals, ...rest)
          }),
      )
    }

    /** Of the open file that is read or written; where they are not to be found, those that promise most. */
    #flags(fd: number): number {
      return openFlags(this.#locals, fd, memory) ?? O_SYNC
    }

    _op_getattr(signal: Signal, path: string): void {
      answer(signal, { operation: 'getattr', parameters: [path] }, stat)
    }

    _op_fgetattr(signal: Signal, _path: string, fd: number): void {
      answer(signal, { operation: 'fgetattr', parameters: [fd] }, stat)
    }

    _op_statfs(signal: Signal): void {
      answer(signal, { operation: 'statfs', parameters: [] }, (value) => [statfsWords(value as StatFs)])
    }

    _op_readlink(signal: Signal, path: string): void {
      answer(signal, { operation: 'readlink', parameters: [path] }, (value) => [value])
    }

    _op_readdir(signal: Signal, path: string): void {
      answer(signal, { operation: 'readdir', parameters: [path] }, (value) => {
        const { names, inodes, types } = value as Listing
        return [names, inodes.map((ino, index) => entryWords(ino, types[index] ?? 0))]
      })
    }

    _op_mknod(signal: Signal, path: string, mode: number, rdev: number): void {
      answer(signal, { operation: 'mknod', parameters: [path, mode, rdev] })
    }

    _op_mkdir(signal: Signal, path: string, mode: number): void {
      answer(signal, { operation: 'mkdir', parameters: [path, mode] })
    }

    _op_symlink(signal: Signal, target: string, path: string): void {
      answer(signal, { operation: 'symlink', parameters: [target, path] })
    }

    _op_link(signal: Signal, from: string, to: string): void {
      answer(signal, { operation: 'link', parameters: [from, to] })
    }

    _op_unlink(signal: Signal, path: string): void {
      answer(signal, { operation: 'unlink', parameters: [path] })
    }

    _op_rmdir(signal: Signal, path: string): void {
      answer(signal, { operation: 'rmdir', parameters: [path] })
    }

    _op_rename(signal: Signal, from: string, to: string): void {
      answer(signal, { operation: 'rename', parameters: [from, to] })
    }

    _op_chmod(signal: Signal, path: string, mode: number): void {
      answer(signal, { operation: 'chmod', parameters: [path, mode] })
    }

    _op_chown(signal: Signal, path: string, uid: number, gid: number): void {
      answer(signal, { operation: 'chown', parameters: [path, uid, gid] })
    }

    _op_truncate(signal: Signal, path: string, low: number, high: number): void {
      answer(signal, { operation: 'truncate', parameters: [path, number(low, high)] })
    }

    _op_ftruncate(signal: Signal, _path: string, fd: number, low: number, high: number): void {
      answer(signal, { operation: 'ftruncate', parameters: [fd, number(low, high)] })
    }

    _op_utimens(signal: Signal, path: string, low: number, high: number): void {
      const times = utimensTimes(this.#locals, { low, high })
      if (times === undefined) signal(-E.EOPNOTSUPP)
      else answer(signal, { operation: 'utimens', parameters: [path, times.atime, times.mtime] })
    }

    _op_open(signal: Signal, path: string, flags: number): void {
      answer(signal, { operation: 'open', parameters: [path, flags] }, (fd) => [fd])
    }

    _op_create(signal: Signal, path: string, mode: number): void {
      answer(signal, { operation: 'create', parameters: [path, mode] }, (fd) => [fd])
    }

    _op_release(signal: Signal, _path: string, fd: number): void {
      answer(signal, { operation: 'release', parameters: [fd] })
    }

    _op_read(
      signal: Signal,
      _path: string,
      fd: number,
      room: Buffer,
      length: number,
      ...offset: number[]
    ): void {
      const [low = 0, high = 0] = offset
      const call: PathCall = {
        operation: 'read',
        parameters: [fd, number(low, high), length, this.#flags(fd)],
      }
      answerLent(signal, perform(call), room, 0)
    }

    _op_write(
      signal: Signal,
      _path: string,
      fd: number,
      bytes: Buffer,
      _: number,
      ...offset: number[]
    ): void {
      const [low = 0, high = 0] = offset
      const call: PathCall = {
        operation: 'write',
        parameters: [fd, number(low, high), bytes, this.#flags(fd)],
      }
      void perform(call).then(({ error, value }) => {
        const written = error === 0 ? (value as number) : error
        signal(written, 0, bytes.buffer)
      })
    }

    _op_fsync(signal: Signal, _path: string, dataOnly: number, fd: number): void {
      answer(signal, { operation: 'fsync', parameters: [fd, dataOnly !== 0] })
    }

    _op_fsyncdir(signal: Signal, path: string, dataOnly: number): void {
      answer(signal, { operation: 'fsyncdir', parameters: [path, dataOnly !== 0] })
    }

    _op_getxattr(signal: Signal, path: string, name: string, room: Buffer): void {
      const call: PathCall = { operation: 'getxattr', parameters: [path, name, room.length] }
      answerLent(signal, perform(call), room)
    }

    _op_listxattr(signal: Signal, path: string, room: Buffer): void {
      answerLent(signal, perform({ operation: 'listxattr', parameters: [path, room.length] }), room)
    }

    _op_setxattr(signal: Signal, path: string, name: string, value: Buffer, _: number, flags: number): void {
      const call: PathCall = { operation: 'setxattr', parameters: [path, name, value, flags] }
      void perform(call).then(({ error }) => signal(error, value.buffer))
    }

    _op_removexattr(signal: Signal, path: string, name: string): void {
      answer(signal, { operation: 'removexattr', parameters: [path, name] })
    }
  }
}

/** Copies the bytes that an operation returned to memory that libfuse lent; the result is their number. */
function answerLent(signal: Signal, reply: Promise<PathReply>, room: Buffer, ...before: unknown[]): void {
  void reply.then(({ error, value }) => {
    const bytes = value as Uint8Array | undefined
    if (bytes !== undefined && room.length > 0) room.set(bytes)
    signal(bytes?.length ?? error, ...before, room.buffer)
  })
}

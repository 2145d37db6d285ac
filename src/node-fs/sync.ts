/** The synchronous calls of node:fs on an image, and its streams. */
import { constants, type ReadStream, type WriteStream } from 'node:fs'
import { atOnce } from '../guest/syscall/call.js'
import {
  type EncodingOption,
  encoded,
  encodingOf,
  idOf,
  modeOf,
  type OpenMode,
  openFlags,
  type PathLike,
  positionOf,
  type TimeLike,
} from './arguments.js'
import * as attributes from './attribute-calls.js'
import { type ByteRangeOptions, byteRange, rangeOptions } from './byte-range.js'
import {
  bytesOf,
  type ReadFileOptions,
  readFile,
  viewBytes,
  type WriteFileOptions,
  writeFile,
} from './content-calls.js'
import { type CopyOptions, cp } from './copy-tree.js'
import { type Dir, type OpendirOptions, opendir } from './dir.js'
import type { Dirent } from './dirent.js'
import type { Door } from './door.js'
import { closeFile, copyFile, openFile, readInto, syncFile, truncateFile, writeFrom } from './file-calls.js'
import { type ReaddirOptions, readdir } from './list-calls.js'
import * as names from './name-calls.js'
import {
  type Bytes,
  type MkdirOptions,
  mkdirCall,
  mkdtempCall,
  refuseToWatch,
  type Text,
  truncateCall,
} from './promises.js'
import { type RmOptions, rm } from './remove-tree.js'
import type { BigIntStats, StatOptions, Stats, StatsFs } from './stats.js'
import {
  createReadStream,
  createWriteStream,
  type ReadStreamOptions,
  type WriteStreamOptions,
} from './streams.js'
import { readVector, writeVector } from './vectors.js'

export interface NamedSync {
  (path: PathLike, options: Bytes): Buffer
  (path: PathLike, options?: EncodingOption): string
}

export interface ReadFileSync {
  (path: PathLike | number, options: Text | (ReadFileOptions & { encoding: BufferEncoding })): string
  (path: PathLike | number, options?: (ReadFileOptions & { encoding?: null | undefined }) | null): Buffer
}

export interface ReaddirSync {
  (path: PathLike, options: ReaddirOptions & { withFileTypes: true; encoding: 'buffer' }): Dirent<Buffer>[]
  (
    path: PathLike,
    options: ReaddirOptions & { withFileTypes: true; encoding?: BufferEncoding | null },
  ): Dirent[]
  (path: PathLike, options: 'buffer' | (ReaddirOptions & { encoding: 'buffer' })): Buffer[]
  (path: PathLike, options?: EncodingOption<ReaddirOptions>): string[]
}

interface SyncStatOptions extends StatOptions {
  /** False: undefined for what is not there. */
  throwIfNoEntry?: boolean | undefined
}

export interface StatSync {
  (path: PathLike, options: { bigint: true; throwIfNoEntry: false }): BigIntStats | undefined
  (path: PathLike, options: { bigint: true }): BigIntStats
  (path: PathLike, options: { bigint?: false | undefined; throwIfNoEntry: false }): Stats | undefined
  (path: PathLike, options?: { bigint?: false | undefined }): Stats
}

function orUndefined<T>(options: SyncStatOptions | undefined, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (options?.throwIfNoEntry === false && (error as { code?: string }).code === 'ENOENT') return undefined
    throw error
  }
}

const realpathOf = (door: Door): NamedSync =>
  ((path: PathLike, options?: EncodingOption) =>
    encoded(names.realpath(door.process, path), encodingOf(options, 'utf8'))) as NamedSync

/** All functions work also when they are taken out of the object. */
export function createSync(door: Door) {
  return {
    constants,

    accessSync: (path: PathLike, mode?: number): void => attributes.access(door, path, mode),
    appendFileSync: (
      path: PathLike | number,
      data: string | NodeJS.ArrayBufferView,
      options?: WriteFileOptions | BufferEncoding | null,
    ): void => atOnce(writeFile(door, path, data, options, 'a')),
    chmodSync: (path: PathLike, mode: OpenMode): void =>
      atOnce(attributes.chmod(door.process, path, modeOf(mode))),
    chownSync: (path: PathLike, uid: number, gid: number): void =>
      atOnce(attributes.chown(door.process, path, idOf(uid, 'uid'), idOf(gid, 'gid'), true)),
    closeSync: (fd: number): void => closeFile(door.process, fd),
    copyFileSync: (path: PathLike, dest: PathLike, mode = 0): void =>
      atOnce(copyFile(door.process, path, dest, mode)),
    cpSync: (source: PathLike, destination: PathLike, options?: CopyOptions): void =>
      atOnce(cp(door, source, destination, options)),
    createReadStream: (path: PathLike, options?: ReadStreamOptions | BufferEncoding): ReadStream =>
      createReadStream(door, path, options),
    createWriteStream: (path: PathLike, options?: WriteStreamOptions | BufferEncoding): WriteStream =>
      createWriteStream(door, path, options),
    existsSync: (path: PathLike): boolean => attributes.exists(door, path),
    fchmodSync: (fd: number, mode: OpenMode): void =>
      atOnce(attributes.fchmod(door.process, fd, modeOf(mode))),
    fchownSync: (fd: number, uid: number, gid: number): void =>
      atOnce(attributes.fchown(door.process, fd, idOf(uid, 'uid'), idOf(gid, 'gid'))),
    fdatasyncSync: (fd: number): void => atOnce(syncFile(door.process, fd, true)),
    fstatSync: ((fd: number, options?: StatOptions) => attributes.fstat(door, fd, options)) as {
      (fd: number, options: { bigint: true }): BigIntStats
      (fd: number, options?: { bigint?: false | undefined }): Stats
    },
    fsyncSync: (fd: number): void => atOnce(syncFile(door.process, fd, false)),
    ftruncateSync: (fd: number, size = 0): void => atOnce(truncateFile(door.process, fd, size)),
    futimesSync: (fd: number, atime: TimeLike, mtime: TimeLike): void =>
      atOnce(attributes.futimes(door.process, fd, atime, mtime)),
    lchownSync: (path: PathLike, uid: number, gid: number): void =>
      atOnce(attributes.chown(door.process, path, idOf(uid, 'uid'), idOf(gid, 'gid'), false)),
    linkSync: (path: PathLike, newPath: PathLike): void => atOnce(names.link(door.process, path, newPath)),
    lstatSync: ((path: PathLike, options?: SyncStatOptions) =>
      orUndefined(options, () => attributes.lstat(door, path, options))) as StatSync,
    lutimesSync: (path: PathLike, atime: TimeLike, mtime: TimeLike): void =>
      atOnce(attributes.utimes(door.process, path, atime, mtime, false)),
    mkdirSync: (path: PathLike, options?: OpenMode | MkdirOptions | null): string | undefined =>
      atOnce(mkdirCall(door, path, options)),
    mkdtempSync: ((prefix: PathLike, options?: EncodingOption) =>
      atOnce(mkdtempCall(door, prefix, options))) as NamedSync,
    openSync: (path: PathLike, flags?: OpenMode | null, mode?: OpenMode | null): number =>
      atOnce(openFile(door.process, path, openFlags(flags), modeOf(mode, 0o666))),
    opendirSync: (path: PathLike, options?: OpendirOptions): Dir => atOnce(opendir(door, path, options)),
    readFileSync: ((path: PathLike | number, options?: EncodingOption<ReadFileOptions>) =>
      atOnce(readFile(door, path, options))) as ReadFileSync,
    readSync: (
      fd: number,
      buffer: NodeJS.ArrayBufferView,
      offset?: number | ByteRangeOptions | null,
      length?: number | null,
      at?: number | bigint | null,
    ): number => {
      const bytes = viewBytes(buffer)
      const { from, count, position } = byteRange(bytes.length, rangeOptions(offset, length, at))
      return readInto(door.process, fd, bytes, from, count, position)
    },
    readdirSync: ((path: PathLike, options?: EncodingOption<ReaddirOptions>) =>
      atOnce(readdir(door, path, options))) as ReaddirSync,
    readlinkSync: ((path: PathLike, options?: EncodingOption) =>
      encoded(names.readLink(door.process, path), encodingOf(options, 'utf8'))) as NamedSync,
    readvSync: (fd: number, buffers: readonly NodeJS.ArrayBufferView[], position?: number | null): number =>
      readVector(door.process, fd, buffers, positionOf(position)),
    realpathSync: Object.assign(realpathOf(door), { native: realpathOf(door) }),
    renameSync: (path: PathLike, newPath: PathLike): void =>
      atOnce(names.rename(door.process, path, newPath)),
    rmSync: (path: PathLike, options?: RmOptions): void => atOnce(rm(door.process, path, options)),
    rmdirSync: (path: PathLike, options?: RmOptions): void =>
      atOnce(options?.recursive === true ? rm(door.process, path, options) : names.rmdir(door.process, path)),
    statSync: ((path: PathLike, options?: SyncStatOptions) =>
      orUndefined(options, () => attributes.stat(door, path, options))) as StatSync,
    statfsSync: ((path: PathLike, options?: StatOptions) => attributes.statfs(door, path, options)) as {
      (path: PathLike, options: { bigint: true }): StatsFs<bigint>
      (path: PathLike, options?: { bigint?: false | undefined }): StatsFs<number>
    },
    symlinkSync: (target: PathLike, path: PathLike, _type?: string | null): void =>
      atOnce(names.symlink(door.process, target, path)),
    truncateSync: (path: PathLike, size = 0): void => atOnce(truncateCall(door, path, size)),
    unlinkSync: (path: PathLike): void => atOnce(names.unlink(door.process, path)),
    unwatchFile: (_path: PathLike): never => refuseToWatch('unwatchFile'),
    utimesSync: (path: PathLike, atime: TimeLike, mtime: TimeLike): void =>
      atOnce(attributes.utimes(door.process, path, atime, mtime, true)),
    watch: (_path: PathLike): never => refuseToWatch('watch'),
    watchFile: (_path: PathLike): never => refuseToWatch('watchFile'),
    writeFileSync: (
      path: PathLike | number,
      data: string | NodeJS.ArrayBufferView,
      options?: WriteFileOptions | BufferEncoding | null,
    ): void => atOnce(writeFile(door, path, data, options)),
    writeSync: (
      fd: number,
      data: NodeJS.ArrayBufferView | string,
      second?: number | ByteRangeOptions | null,
      third?: number | BufferEncoding | null,
      fourth?: number | null,
    ): number => {
      const bytes = bytesOf(data, typeof third === 'string' ? third : 'utf8')
      const options =
        typeof data === 'string'
          ? { position: second as number | null | undefined }
          : rangeOptions(second, third as number | null | undefined, fourth)
      const { from, count, position } = byteRange(bytes.length, options)
      return atOnce(writeFrom(door.process, fd, bytes, from, count, position))
    },
    writevSync: (fd: number, buffers: readonly NodeJS.ArrayBufferView[], position?: number | null): number =>
      atOnce(writeVector(door.process, fd, buffers, positionOf(position))),
  }
}

export type FsSync = ReturnType<typeof createSync>

/** node:fs/promises on an image. */
import { constants } from 'node:fs'
import { type Call, whenDone } from '../guest/syscall/call.js'
import {
  type EncodingOption,
  encoded,
  encodingOf,
  idOf,
  invalid,
  lengthOf,
  modeOf,
  type OpenMode,
  openFlags,
  type PathLike,
  type TimeLike,
} from './arguments.js'
import * as attributes from './attribute-calls.js'
import {
  type FileContent,
  type ReadFileOptions,
  readFile,
  type WriteFileOptions,
  writeFile,
} from './content-calls.js'
import { type CopyOptions, cp } from './copy-tree.js'
import { type Dir, type OpendirOptions, opendir } from './dir.js'
import type { Dirent } from './dirent.js'
import type { Door } from './door.js'
import { copyFile, openFile, truncateFile, withFile } from './file-calls.js'
import { FileHandle } from './file-handle.js'
import { type ReaddirOptions, readdir } from './list-calls.js'
import * as names from './name-calls.js'
import { type RmOptions, rm } from './remove-tree.js'
import type { BigIntStats, StatOptions, Stats, StatsFs } from './stats.js'

export type Text = BufferEncoding | { encoding: BufferEncoding }
export type Bytes = 'buffer' | { encoding: 'buffer' }

export interface Mkdir {
  (path: PathLike, options: { recursive: true; mode?: OpenMode | undefined }): Promise<string | undefined>
  (
    path: PathLike,
    options?: OpenMode | { recursive?: false | undefined; mode?: OpenMode | undefined } | null,
  ): Promise<void>
}

export interface MkdirOptions {
  recursive?: boolean | undefined
  mode?: OpenMode | undefined
}

/** A path or a name: text unless bytes are asked for. */
export interface Named {
  (path: PathLike, options: Bytes): Promise<Buffer>
  (path: PathLike, options?: EncodingOption): Promise<string>
}

export interface ReadFile {
  (
    path: PathLike | FileHandle,
    options: Text | (ReadFileOptions & { encoding: BufferEncoding }),
  ): Promise<string>
  (
    path: PathLike | FileHandle,
    options?: (ReadFileOptions & { encoding?: null | undefined }) | null,
  ): Promise<Buffer>
}

export interface Readdir {
  (
    path: PathLike,
    options: ReaddirOptions & { withFileTypes: true; encoding: 'buffer' },
  ): Promise<Dirent<Buffer>[]>
  (
    path: PathLike,
    options: ReaddirOptions & { withFileTypes: true; encoding?: BufferEncoding | null },
  ): Promise<Dirent[]>
  (path: PathLike, options: 'buffer' | (ReaddirOptions & { encoding: 'buffer' })): Promise<Buffer[]>
  (path: PathLike, options?: EncodingOption<ReaddirOptions>): Promise<string[]>
}

export interface Stat {
  (path: PathLike, options: { bigint: true }): Promise<BigIntStats>
  (path: PathLike, options?: { bigint?: false | undefined }): Promise<Stats>
}

export interface Statfs {
  (path: PathLike, options: { bigint: true }): Promise<StatsFs<bigint>>
  (path: PathLike, options?: { bigint?: false | undefined }): Promise<StatsFs<number>>
}

/** A refusal in Node's words: nobody changes an image behind its back, so there is nothing to watch. */
export function refuseToWatch(feature: string): never {
  throw Object.assign(
    new TypeError(
      `The feature ${feature} is unavailable on the current platform, which is being used to run Node.js`,
    ),
    { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' },
  )
}

/** Errors of calls that never wait are rejections too. */
async function told<T>(work: () => T): Promise<T> {
  return work()
}

const descriptorOf = (target: PathLike | FileHandle): PathLike | number =>
  target instanceof FileHandle ? target.fd : target

export function* mkdirCall(
  { process }: Door,
  path: PathLike,
  options?: OpenMode | MkdirOptions | null,
): Call<string | undefined> {
  const { recursive, mode } =
    typeof options === 'object' && options !== null ? options : { mode: options, recursive: false }
  const bits = modeOf(mode, 0o777)
  if (recursive === true) return yield* names.makeDirectories(process, path, bits)
  yield* names.mkdir(process, path, bits)
  return undefined
}

export function* truncateCall({ process }: Door, path: PathLike, size: number): Call<void> {
  const length = lengthOf(size)
  yield* withFile(process, path, openFlags('r+'), 0o666, (fd) => truncateFile(process, fd, length))
}

export function* mkdtempCall(door: Door, prefix: PathLike, options?: EncodingOption): Call<string | Buffer> {
  return encoded(yield* names.mkdtemp(door, prefix), encodingOf(options, 'utf8'))
}

/** All functions work also when they are taken out of the object. */
export function createPromises(door: Door) {
  return {
    constants,

    access: (path: PathLike, mode?: number) => told(() => attributes.access(door, path, mode)),
    appendFile: (
      path: PathLike | FileHandle,
      data: FileContent,
      options?: WriteFileOptions | BufferEncoding | null,
    ) => whenDone(writeFile(door, descriptorOf(path), data, options, 'a')),
    chmod: (path: PathLike, mode: OpenMode) =>
      told(() => modeOf(mode)).then((bits) => whenDone(attributes.chmod(door.process, path, bits))),
    chown: (path: PathLike, uid: number, gid: number) =>
      told(() => [idOf(uid, 'uid'), idOf(gid, 'gid')] as const).then((ids) =>
        whenDone(attributes.chown(door.process, path, ...ids, true)),
      ),
    copyFile: (path: PathLike, dest: PathLike, mode = 0) =>
      whenDone(copyFile(door.process, path, dest, mode)),
    cp: (source: PathLike, destination: PathLike, options?: CopyOptions) =>
      whenDone(cp(door, source, destination, options)),
    /** Linux has no modes of symbolic links. */
    lchmod: (_path: PathLike, _mode: OpenMode) =>
      told((): void => {
        throw invalid('ERR_METHOD_NOT_IMPLEMENTED', 'The lchmod() method is not implemented')
      }),
    lchown: (path: PathLike, uid: number, gid: number) =>
      told(() => [idOf(uid, 'uid'), idOf(gid, 'gid')] as const).then((ids) =>
        whenDone(attributes.chown(door.process, path, ...ids, false)),
      ),
    link: (path: PathLike, newPath: PathLike) => whenDone(names.link(door.process, path, newPath)),
    lstat: ((path: PathLike, options?: StatOptions) =>
      told(() => attributes.lstat(door, path, options))) as Stat,
    lutimes: (path: PathLike, atime: TimeLike, mtime: TimeLike) =>
      told(() => attributes.utimes(door.process, path, atime, mtime, false)).then(whenDone),
    mkdir: ((path: PathLike, options?: OpenMode | MkdirOptions | null) =>
      whenDone(mkdirCall(door, path, options))) as Mkdir,
    mkdtemp: ((prefix: PathLike, options?: EncodingOption) =>
      whenDone(mkdtempCall(door, prefix, options))) as Named,
    open: async (path: PathLike, flags?: OpenMode | null, mode?: OpenMode): Promise<FileHandle> =>
      new FileHandle(
        door,
        await whenDone(openFile(door.process, path, openFlags(flags), modeOf(mode, 0o666))),
      ),
    opendir: (path: PathLike, options?: OpendirOptions): Promise<Dir> =>
      whenDone(opendir(door, path, options)),
    readFile: ((path: PathLike | FileHandle, options?: EncodingOption<ReadFileOptions>) =>
      whenDone(readFile(door, descriptorOf(path), options))) as ReadFile,
    readdir: ((path: PathLike, options?: EncodingOption<ReaddirOptions>) =>
      whenDone(readdir(door, path, options))) as Readdir,
    readlink: ((path: PathLike, options?: EncodingOption) =>
      told(() => encoded(names.readLink(door.process, path), encodingOf(options, 'utf8')))) as Named,
    realpath: ((path: PathLike, options?: EncodingOption) =>
      told(() => encoded(names.realpath(door.process, path), encodingOf(options, 'utf8')))) as Named,
    rename: (path: PathLike, newPath: PathLike) => whenDone(names.rename(door.process, path, newPath)),
    rm: (path: PathLike, options?: RmOptions) => whenDone(rm(door.process, path, options)),
    rmdir: (path: PathLike, options?: RmOptions) =>
      whenDone(
        options?.recursive === true ? rm(door.process, path, options) : names.rmdir(door.process, path),
      ),
    stat: ((path: PathLike, options?: StatOptions) =>
      told(() => attributes.stat(door, path, options))) as Stat,
    statfs: ((path: PathLike, options?: StatOptions) =>
      told(() => attributes.statfs(door, path, options))) as Statfs,
    /** `type` is Windows's affair. */
    symlink: (target: PathLike, path: PathLike, _type?: string | null) =>
      whenDone(names.symlink(door.process, target, path)),
    truncate: (path: PathLike, size = 0) => whenDone(truncateCall(door, path, size)),
    unlink: (path: PathLike) => whenDone(names.unlink(door.process, path)),
    utimes: (path: PathLike, atime: TimeLike, mtime: TimeLike) =>
      told(() => attributes.utimes(door.process, path, atime, mtime, true)).then(whenDone),
    watch: (_path: PathLike): never => refuseToWatch('watch'),
    writeFile: (
      path: PathLike | FileHandle,
      data: FileContent,
      options?: WriteFileOptions | BufferEncoding | null,
    ) => whenDone(writeFile(door, descriptorOf(path), data, options)),
  }
}

export type FsPromises = ReturnType<typeof createPromises>

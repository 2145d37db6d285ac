/** What Linux has beyond node:fs, on an image. Errors are in the form of Node's. */
import type { Target } from '../guest/syscall/attributes.js'
import { type Call, whenDone } from '../guest/syscall/call.js'
import {
  bmap,
  copyFileRange,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  fallocate,
  fiemap,
  lseek,
  syncfs,
  type Whence,
} from '../guest/syscall/data.js'
import { linkFile, mknod } from '../guest/syscall/entries.js'
import { getFileAttr, setFileAttr } from '../guest/syscall/file-attr.js'
import { getxattr, listxattr, removexattr, setxattr } from '../guest/syscall/xattr.js'
import type { FiemapExtent } from '../guest/vfs/fiemap.js'
import type { FileAttr } from '../guest/vfs/file-attr.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../guest/vfs/file-system.js'
import type { OpenFile } from '../guest/vfs/open-file.js'
import { O_PATH, O_TMPFILE } from '../guest/vfs/open-flags.js'
import { XATTR_CREATE, XATTR_REPLACE } from '../guest/vfs/xattr.js'
import { type PathLike, pathBytes } from './arguments.js'
import { bytesOf } from './content-calls.js'
import type { Door } from './door.js'
import { FileHandle } from './file-handle.js'
import { rename } from './name-calls.js'
import { at, now, type Place } from './system-error.js'

/** Constants that node:fs does not have. */
export const LINUX_CONSTANTS = Object.freeze({
  O_PATH,
  O_TMPFILE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_ZERO_RANGE,
  FALLOC_FL_INSERT_RANGE,
  RENAME_NOREPLACE,
  RENAME_EXCHANGE,
  RENAME_WHITEOUT,
  XATTR_CREATE,
  XATTR_REPLACE,
})

/** A path, or a file that is open. */
export type PathOrHandle = PathLike | FileHandle

/** `false`: a symbolic link itself, not what it leads to. */
interface FollowOption {
  follow?: boolean | undefined
}

function placeOf(syscall: string, target: PathOrHandle): Place {
  return target instanceof FileHandle ? { syscall } : { syscall, path: target }
}

function targetOf({ process }: Door, target: PathOrHandle, { follow = true }: FollowOption = {}): Target {
  if (target instanceof FileHandle) return process.files.get(target.fd)
  return { path: pathBytes(target), follow }
}

function fileOf({ process }: Door, handle: FileHandle): OpenFile {
  return process.files.get(handle.fd)
}

/** A call whose arguments may be refused already. */
function run<T>(place: Place, make: () => Call<T>): Promise<T> {
  return whenDone(at(place, deferred(make)))
}

function* deferred<T>(make: () => Call<T>): Call<T> {
  return yield* make()
}

async function told<T>(place: Place, work: () => T): Promise<T> {
  return now(place, work)
}

/** Where a copy reads and writes; from the start unless said, as much as there is. */
export interface CopyRange {
  fromOffset?: number
  toOffset?: number
  length?: number
}

function extendedAttributes(door: Door) {
  return {
    /** The value of an extended attribute. ENODATA when there is none. */
    getxattr: (target: PathOrHandle, name: string, options?: FollowOption): Promise<Buffer> =>
      told(placeOf('getxattr', target), () =>
        Buffer.from(getxattr(door.process, targetOf(door, target, options), Buffer.from(name))),
      ),
    /** `flags`: XATTR_CREATE, XATTR_REPLACE. */
    setxattr: (
      target: PathOrHandle,
      name: string,
      value: string | NodeJS.ArrayBufferView,
      options: FollowOption & { flags?: number } = {},
    ): Promise<void> =>
      run(placeOf('setxattr', target), () =>
        setxattr(
          door.process,
          targetOf(door, target, options),
          Buffer.from(name),
          bytesOf(value),
          options.flags ?? 0,
        ),
      ),
    listxattr: (target: PathOrHandle, options?: FollowOption): Promise<string[]> =>
      told(placeOf('listxattr', target), () =>
        Buffer.from(listxattr(door.process, targetOf(door, target, options)))
          .toString()
          .split('\0')
          .slice(0, -1),
      ),
    removexattr: (target: PathOrHandle, name: string, options?: FollowOption): Promise<void> =>
      run(placeOf('removexattr', target), () =>
        removexattr(door.process, targetOf(door, target, options), Buffer.from(name)),
      ),
  }
}

function ranges(door: Door) {
  return {
    /** fallocate(2); `mode`: FALLOC_FL_*, of which COLLAPSE_RANGE and INSERT_RANGE do not come through a mount. */
    fallocate: (handle: FileHandle, mode: number, offset: number, length: number): Promise<void> =>
      run({ syscall: 'fallocate' }, () =>
        fallocate(door.process, fileOf(door, handle), mode, offset, length),
      ),
    /** FIEMAP: where the file's bytes are on the device, from `offset` on for `length` bytes. */
    fiemap: (
      handle: FileHandle,
      { offset = 0, length = Number.MAX_SAFE_INTEGER }: { offset?: number; length?: number } = {},
    ): Promise<FiemapExtent[]> =>
      told({ syscall: 'ioctl' }, () => fiemap(door.process, fileOf(door, handle), offset, length)),
    /** FIBMAP: the block of the device that holds block `block` of the file, 0 for a hole. Root's. */
    fibmap: (handle: FileHandle, block: number): Promise<number> =>
      told({ syscall: 'ioctl' }, () => bmap(door.process, fileOf(door, handle), block)),
    /** lseek(2): where the file stands afterwards. ENXIO: no data behind, or the end. */
    lseek: (handle: FileHandle, offset: number, whence: Whence): Promise<number> =>
      told({ syscall: 'lseek' }, () => lseek(door.process, fileOf(door, handle), offset, whence)),
    /** copy_file_range(2): the bytes copied. */
    copyFileRange: (from: FileHandle, to: FileHandle, range: CopyRange = {}): Promise<number> =>
      run({ syscall: 'copy_file_range' }, () =>
        copyFileRange(
          door.process,
          fileOf(door, from),
          range.fromOffset ?? 0,
          fileOf(door, to),
          range.toOffset ?? 0,
          range.length ?? Number.MAX_SAFE_INTEGER,
        ),
      ),
  }
}

/** All functions work also when they are taken out of the object. */
export function createLinux(door: Door) {
  return {
    constants: LINUX_CONSTANTS,
    ...extendedAttributes(door),
    ...ranges(door),

    /** renameat2(2); `flags`: RENAME_*. */
    rename: (path: PathLike, newPath: PathLike, flags: number): Promise<void> =>
      whenDone(rename(door.process, path, newPath, flags)),
    /** mknod(2): `mode` with type bits, `rdev` as stat tells it. */
    mknod: (path: PathLike, mode: number, rdev = 0): Promise<void> =>
      run({ syscall: 'mknod', path }, () => mknod(door.process, pathBytes(path), mode, rdev)),
    /** Gives an open file a name, also one that was opened with O_TMPFILE. */
    link: (handle: FileHandle, path: PathLike): Promise<void> =>
      run({ syscall: 'link', path }, () => linkFile(door.process, fileOf(door, handle), pathBytes(path))),
    /** FS_IOC_GETFLAGS and the project. */
    getFileAttr: (target: PathOrHandle): Promise<FileAttr> =>
      told(placeOf('ioctl', target), () => getFileAttr(door.process, targetOf(door, target))),
    /** FS_IOC_SETFLAGS and the project. */
    setFileAttr: (target: PathOrHandle, attr: FileAttr): Promise<void> =>
      run(placeOf('ioctl', target), () => setFileAttr(door.process, targetOf(door, target), attr)),
    /** Makes everything so far durable. */
    syncfs: (): Promise<void> => run({ syscall: 'syncfs' }, () => syncfs(door.process)),
  }
}

export type FsLinux = ReturnType<typeof createLinux>

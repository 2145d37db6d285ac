/** Calls on files and what is in them. */
import { constants } from 'node:fs'
import { chmod, ftruncate, stat } from '../guest/syscall/attributes.js'
import type { Call } from '../guest/syscall/call.js'
import { copyFileRange, copyRuns, fsync, read, write } from '../guest/syscall/data.js'
import { unlink } from '../guest/syscall/entries.js'
import { close, open } from '../guest/syscall/open.js'
import type { Process } from '../guest/syscall/process.js'
import { type Attributes, S_IFREG } from '../guest/vfs/attributes.js'
import type { OpenFile } from '../guest/vfs/open-file.js'
import { lengthOf, type PathLike, pathBytes } from './arguments.js'
import { at, now, systemError } from './system-error.js'

/** The most that one read or write takes, as with Node: 2 GiB less one. */
const MOST = 2 ** 31 - 1

/** The new descriptor. */
export function* openFile(process: Process, path: PathLike, flags: number, mode: number): Call<number> {
  const file = yield* at({ syscall: 'open', path }, open(process, pathBytes(path), flags, mode))
  return now({ syscall: 'open', path }, () => process.files.add(file))
}

export function closeFile(process: Process, fd: number): void {
  now({ syscall: 'close' }, () => close(process, fd))
}

/** Opens a file for what `use` does with it. */
export function* withFile<T>(
  process: Process,
  path: PathLike,
  flags: number,
  mode: number,
  use: (fd: number) => Call<T>,
): Call<T> {
  const fd = yield* openFile(process, path, flags, mode)
  try {
    return yield* use(fd)
  } finally {
    close(process, fd)
  }
}

/** The bytes read into `target[from..from + length)`, 0 at the end of the file. `position` undefined: where the file stands. */
export function readInto(
  process: Process,
  fd: number,
  target: Uint8Array,
  from: number,
  length: number,
  position?: number,
): number {
  return now(
    { syscall: 'read' },
    () => copyRuns(read(process, process.files.get(fd), length, position), target, from) - from,
  )
}

/** All that follows where the file stands. Throws ERR_FS_FILE_TOO_LARGE. */
export function readRest(process: Process, fd: number): Buffer {
  return now({ syscall: 'read' }, () => {
    const file = process.files.get(fd)
    const { size } = process.fs.getattr(file.ino)
    if (file.type === S_IFREG && size - file.position > MOST) {
      const message = `File size (${size}) is greater than 2 GiB`
      throw Object.assign(new RangeError(message), { code: 'ERR_FS_FILE_TOO_LARGE' })
    }
    const runs = read(process, file, MOST)
    const bytes = Buffer.allocUnsafe(runs.reduce((sum, run) => sum + run.length, 0))
    copyRuns(runs, bytes, 0)
    return bytes
  })
}

/** The number of bytes that were stored, as write(2) tells it. */
export function* writeFrom(
  process: Process,
  fd: number,
  source: Uint8Array,
  from: number,
  length: number,
  position?: number,
): Call<number> {
  return yield* at({ syscall: 'write' }, writeCall(process, fd, source, from, from + length, position))
}

function* writeCall(
  process: Process,
  fd: number,
  source: Uint8Array,
  from: number,
  to: number,
  position: number | undefined,
): Call<number> {
  return yield* write(process, process.files.get(fd), source, from, to, position)
}

/** Stores all bytes where the file stands. */
export function* writeAll(process: Process, fd: number, bytes: Uint8Array): Call<void> {
  for (let done = 0; done < bytes.length; )
    done += yield* writeFrom(process, fd, bytes, done, bytes.length - done)
}

export function* syncFile(process: Process, fd: number, dataOnly: boolean): Call<void> {
  yield* at({ syscall: dataOnly ? 'fdatasync' : 'fsync' }, syncCall(process, fd, dataOnly))
}

function* syncCall(process: Process, fd: number, dataOnly: boolean): Call<void> {
  yield* fsync(process, process.files.get(fd), dataOnly)
}

export function* truncateFile(process: Process, fd: number, size: number): Call<void> {
  yield* at({ syscall: 'ftruncate' }, truncateCall(process, fd, lengthOf(size)))
}

function* truncateCall(process: Process, fd: number, size: number): Call<void> {
  yield* ftruncate(process, process.files.get(fd), size)
}

const COPY_MODES = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE | constants.COPYFILE_FICLONE_FORCE

/** `mode`: COPYFILE_*. The copy has the mode of what was copied. */
export function* copyFile(process: Process, path: PathLike, dest: PathLike, mode: number): Call<void> {
  const place = { syscall: 'copyfile', path, dest }
  if ((mode & ~COPY_MODES) !== 0) throw systemError('EINVAL', place)
  // ext4 shares no blocks between files.
  if ((mode & constants.COPYFILE_FICLONE_FORCE) !== 0) throw systemError('EOPNOTSUPP', place)
  yield* at(
    place,
    copyOpened(
      process,
      pathBytes(path, 'src'),
      pathBytes(dest, 'dest'),
      (mode & constants.COPYFILE_EXCL) !== 0,
    ),
  )
}

/** As libuv does it: what became of a copy that failed is removed. */
function* copyOpened(process: Process, path: Uint8Array, dest: Uint8Array, exclusive: boolean): Call<void> {
  const from = process.files.add(yield* open(process, path, constants.O_RDONLY))
  try {
    const source = process.files.get(from)
    const found = stat(process, source)
    const flags = constants.O_WRONLY | constants.O_CREAT | (exclusive ? constants.O_EXCL : 0)
    const to = process.files.add(yield* open(process, dest, flags, found.mode & 0o7777))
    try {
      if (process.files.get(to).ino !== found.ino)
        yield* copyContent(process, source, process.files.get(to), found)
    } catch (error) {
      yield* unlink(process, dest)
      throw error
    } finally {
      close(process, to)
    }
  } finally {
    close(process, from)
  }
}

function* copyContent(
  process: Process,
  from: OpenFile,
  to: OpenFile,
  { mode, size }: Attributes,
): Call<void> {
  yield* ftruncate(process, to, 0)
  yield* chmod(process, to, mode & 0o7777)
  for (let done = 0; done < size; ) {
    const copied = yield* copyFileRange(process, from, done, to, done, size - done)
    if (copied === 0) break
    done += copied
  }
}

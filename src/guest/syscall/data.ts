/** The system calls on what is in open files. */
import { FsError } from '../../../lib/errno.js'
import { S_IFDIR, S_IFIFO, S_IFREG } from '../vfs/attributes.js'
import { isPrivileged } from '../vfs/credentials.js'
import type { FiemapExtent } from '../vfs/fiemap.js'
import type { DataRun, EntrySink } from '../vfs/file-system.js'
import type { OpenFile } from '../vfs/open-file.js'
import { O_DSYNC, O_NOATIME, O_PATH } from '../vfs/open-flags.js'
import { isAppendOnly, isImmutable } from '../vfs/permission.js'
import { dropSetId } from './attributes.js'
import { type Call, ready, settleInode } from './call.js'
import type { Process } from './process.js'

/** At most `length` bytes from `offset`, or from the file's position, which moves then. Nothing is copied. */
export function read({ fs }: Process, file: OpenFile, length: number, offset?: number): DataRun[] {
  const at = offset ?? file.position
  if (at < 0) throw new FsError('EINVAL', `offset ${at}`)
  if (!file.isReadable) throw new FsError('EBADF', 'not open to read')
  if (file.type === S_IFDIR) throw new FsError('EISDIR', `inode ${file.ino}`)
  const runs = fs.read(file.ino, at, length)
  if ((file.flags & O_NOATIME) === 0) fs.touchAtime(file.ino)
  if (offset === undefined) file.position = at + runs.reduce((sum, run) => sum + run.length, 0)
  return runs
}

/** Copies runs to `target` from index `at` on. Returns the index behind. */
export function copyRuns(runs: readonly DataRun[], target: Uint8Array, at: number): number {
  let to = at
  for (const run of runs) {
    if (run.bytes === undefined) target.fill(0, to, to + run.length)
    else target.set(run.bytes.subarray(run.at, run.at + run.length), to)
    to += run.length
  }
  return to
}

/**
 * Stores `source[from..to)` at `offset`, or at the file's position, which moves then; with O_APPEND at the end. Returns
 * the bytes stored, less than all when an error followed. With O_SYNC and O_DSYNC they are durable then.
 */
export function* write(
  process: Process,
  file: OpenFile,
  source: Uint8Array,
  from: number,
  to: number,
  offset?: number,
): Call<number> {
  const { fs } = process
  if ((offset ?? 0) < 0) throw new FsError('EINVAL', `offset ${offset}`)
  if (!file.isWritable) throw new FsError('EBADF', 'not open to write')
  if (from === to) return 0
  yield* ready(process)
  const at = file.isAppending ? fs.getattr(file.ino).size : (offset ?? file.position)
  yield* dropSetId(process, file.ino)
  let done = 0
  try {
    while (from + done < to) {
      done += fs.write(file.ino, at + done, source, from + done, to, false)
      if (from + done < to) yield* ready(process)
    }
  } catch (error) {
    if (done === 0) throw error
  }
  if (offset === undefined) file.position = at + done
  if ((file.flags & O_DSYNC) !== 0) yield* fsync(process, file, (file.flags & O_SYNC_BIT) === 0)
  else yield* settleInode(process, file.ino, true)
  return done
}

/** What O_SYNC has beside O_DSYNC. */
const O_SYNC_BIT = 0o4000000

/** fsync(2), fdatasync(2). */
export function* fsync({ fs }: Process, file: OpenFile, dataOnly: boolean): Call<void> {
  if ((file.flags & O_PATH) !== 0) throw new FsError('EBADF', 'opened with O_PATH')
  const wait = fs.fsync(file.ino, dataOnly)
  if (wait !== undefined) yield wait
}

export function* syncfs({ fs }: Process): Call<void> {
  const wait = fs.syncfs()
  if (wait !== undefined) yield wait
}

/** Modes of fallocate(2), linux/falloc.h. */
export const FALLOC_FL_KEEP_SIZE = 0x1
export const FALLOC_FL_PUNCH_HOLE = 0x2
export const FALLOC_FL_COLLAPSE_RANGE = 0x8
export const FALLOC_FL_ZERO_RANGE = 0x10
export const FALLOC_FL_INSERT_RANGE = 0x20
export const FALLOC_FL_UNSHARE_RANGE = 0x40

const SUPPORTED =
  FALLOC_FL_KEEP_SIZE |
  FALLOC_FL_PUNCH_HOLE |
  FALLOC_FL_COLLAPSE_RANGE |
  FALLOC_FL_ZERO_RANGE |
  FALLOC_FL_INSERT_RANGE |
  FALLOC_FL_UNSHARE_RANGE

/** fallocate(2). */
export function* fallocate(
  process: Process,
  file: OpenFile,
  mode: number,
  offset: number,
  length: number,
): Call<void> {
  if (offset < 0 || length <= 0) throw new FsError('EINVAL', `range ${offset}+${length}`)
  checkMode(mode)
  if (!file.isWritable) throw new FsError('EBADF', 'not open to write')
  const { fs } = process
  if (isImmutable(process, file.ino)) throw new FsError('EPERM', `inode ${file.ino} is immutable`)
  if ((mode & ~FALLOC_FL_KEEP_SIZE) !== 0 && isAppendOnly(process, file.ino))
    throw new FsError('EPERM', `inode ${file.ino} is append-only`)
  if (file.type === S_IFIFO) throw new FsError('ESPIPE', `inode ${file.ino}`)
  if (file.type !== S_IFREG) throw new FsError('ENODEV', `inode ${file.ino}`)
  yield* ready(process)
  yield* dropSetId(process, file.ino)
  const wait = fs.fallocate(file.ino, mode, offset, length)
  if (wait !== undefined) yield wait
  yield* settleInode(process, file.ino)
}

/** As vfs_fallocate() of Linux. */
function checkMode(mode: number): void {
  const told = `fallocate mode 0x${mode.toString(16)}`
  if ((mode & ~SUPPORTED) !== 0) throw new FsError('EOPNOTSUPP', told)
  const what = mode & ~FALLOC_FL_KEEP_SIZE
  if ((what & (what - 1)) !== 0) {
    const cuts = (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE) & mode
    throw new FsError(cuts === 0 ? 'EOPNOTSUPP' : 'EINVAL', told)
  }
  const keeps = (mode & FALLOC_FL_KEEP_SIZE) !== 0
  if (what === FALLOC_FL_PUNCH_HOLE && !keeps) throw new FsError('EOPNOTSUPP', told)
  const isShift = what === FALLOC_FL_COLLAPSE_RANGE || what === FALLOC_FL_INSERT_RANGE
  if (isShift && keeps) throw new FsError('EINVAL', told)
}

/** FS_IOC_FIEMAP of an open file, by bytes. */
export function fiemap({ fs }: Process, file: OpenFile, offset: number, length: number): FiemapExtent[] {
  if ((file.flags & O_PATH) !== 0) throw new FsError('EBADF', 'opened with O_PATH')
  if (file.type !== S_IFREG && file.type !== S_IFDIR) throw new FsError('EOPNOTSUPP', `inode ${file.ino}`)
  return fs.fiemap(file.ino, offset, length)
}

/** FIBMAP, which is root's: the block of the device that holds a block of the file; 0 for a hole. */
export function bmap({ fs, credentials }: Process, file: OpenFile, block: number): number {
  if (!isPrivileged(credentials)) throw new FsError('EPERM', 'FIBMAP is for root')
  if (file.type !== S_IFREG) throw new FsError('ENOTTY', `inode ${file.ino}`)
  return fs.bmap(file.ino, block)
}

export type Whence = 'set' | 'cur' | 'end' | 'data' | 'hole'

/** lseek(2): the new position. */
export function lseek({ fs }: Process, file: OpenFile, offset: number, whence: Whence): number {
  if ((file.flags & O_PATH) !== 0) throw new FsError('EBADF', 'opened with O_PATH')
  const position = target(fs.getattr(file.ino).size)
  if (position < 0 || position > fs.maxFileSize) throw new FsError('EINVAL', `position ${position}`)
  file.position = position
  if (file.type === S_IFDIR) file.cookie = BigInt(position)
  return position

  function target(size: number): number {
    if (whence === 'set') return offset
    if (whence === 'cur') return file.position + offset
    if (whence === 'end') return size + offset
    return fs.seek(file.ino, offset, whence)
  }
}

/** Read at a time. */
const PART = 1 << 20
const ZEROES = new Uint8Array(1 << 16)

/** copy_file_range(2): the bytes copied, fewer at the end of the file. */
export function* copyFileRange(
  process: Process,
  from: OpenFile,
  fromOffset: number,
  to: OpenFile,
  toOffset: number,
  length: number,
): Call<number> {
  const { fs } = process
  for (const { type, ino } of [from, to]) {
    if (type === S_IFDIR) throw new FsError('EISDIR', `inode ${ino}`)
    if (type !== S_IFREG) throw new FsError('EINVAL', `inode ${ino}`)
  }
  if (!from.isReadable || !to.isWritable || to.isAppending) throw new FsError('EBADF', 'not open so')
  if (isImmutable(process, to.ino)) throw new FsError('EPERM', `inode ${to.ino} is immutable`)
  const left = Math.max(0, Math.min(length, fs.getattr(from.ino).size - fromOffset))
  if (from.ino === to.ino && fromOffset < toOffset + left && toOffset < fromOffset + left)
    throw new FsError('EINVAL', 'the ranges overlap')
  if (left === 0) return 0
  yield* ready(process)
  yield* dropSetId(process, to.ino)
  let done = 0
  try {
    while (done < left) {
      const runs = fs.read(from.ino, fromOffset + done, Math.min(PART, left - done))
      if (runs.length === 0) break
      done += storeRuns(process, to.ino, toOffset + done, runs)
      if (done < left) yield* ready(process)
    }
  } catch (error) {
    if (done === 0) throw error
  }
  if ((from.flags & O_NOATIME) === 0) fs.touchAtime(from.ino)
  yield* settleInode(process, to.ino, true)
  return done
}

/** Bytes stored: fewer than the runs have when the transaction is full. */
function storeRuns({ fs }: Process, ino: number, offset: number, runs: readonly DataRun[]): number {
  let stored = 0
  for (const run of runs) {
    for (let done = 0; done < run.length; ) {
      const left = run.length - done
      const source = run.bytes ?? ZEROES
      const from = run.bytes === undefined ? 0 : run.at + done
      const part = run.bytes === undefined ? Math.min(left, ZEROES.length) : left
      const count = fs.write(ino, offset + stored, source, from, from + part, false)
      stored += count
      done += count
      if (count < part) return stored
    }
  }
  return stored
}

/** getdents(2): gives the entries behind the file's cookie to `sink`, as long as it takes them. */
export function getdents({ fs }: Process, file: OpenFile, sink: EntrySink): void {
  if (!file.isReadable) throw new FsError('EBADF', 'not open to read')
  if (file.type !== S_IFDIR) throw new FsError('ENOTDIR', `inode ${file.ino}`)
  fs.readdir(file.ino, file.cookie, (name, ino, type, next) => {
    const taken = sink(name, ino, type, next)
    if (taken) file.cookie = next
    return taken
  })
  if ((file.flags & O_NOATIME) === 0) fs.touchAtime(file.ino)
}

import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from 'node:fs'
import createDebug from 'debug'
import { E, FsError } from '../../lib/errno.js'
import { fdatasyncRaw, LOCK_EX, LOCK_SH, pwriteRaw, seekEndRaw, tryFlock } from '../../lib/libc.js'
import { lockHolders, majorOf, minorOf } from './lock-holder.js'

const log = createDebug('fakedax:host')

/** Sizes of images are multiples of this: one page of persistent memory. */
export const IMAGE_ALIGNMENT = 4096

/** Why an image that was to be written is read-only. */
export type ReadOnlyReason = 'asked' | 'no write permission'

/** What another thread needs to use an image that this one holds open; can be sent to a worker. */
export interface ImageHandle {
  readonly path: string
  readonly fd: number
  readonly size: number
  readonly readOnlyReason: ReadOnlyReason | undefined
  readonly blockDevice: boolean
}

/**
 * The file (or block device) that backs persistent memory, locked while open: one writer or many readers. The lock
 * matters for more than two writers' mixed bytes: a file truncated beneath its mapping kills the process by SIGBUS.
 */
export class ImageFile {
  readonly path: string
  readonly fd: number
  /** Bytes, at open. */
  readonly size: number
  readonly readOnlyReason: ReadOnlyReason | undefined
  readonly blockDevice: boolean

  private constructor(handle: ImageHandle) {
    this.path = handle.path
    this.fd = handle.fd
    this.size = handle.size
    this.readOnlyReason = handle.readOnlyReason
    this.blockDevice = handle.blockDevice
  }

  /**
   * Opens and locks an image. A file without write permission (or on a read-only file system) opens read-only, see
   * {@link readOnlyReason}; so does, for root too, one that has no write bit at all.
   *
   * Throws FsError EINVAL (neither file nor block device, or a size that is zero or no multiple of 4096) and EBUSY
   * (locked; the message names the holder), and Node's own errors of stat and open.
   */
  static open(path: string, options: { readOnly?: boolean } = {}): ImageFile {
    const kind = statSync(path)
    if (!kind.isFile() && !kind.isBlockDevice()) {
      throw new FsError('EINVAL', `image '${path}' is neither a regular file nor a block device`, { path })
    }
    const readOnlyReason = options.readOnly === true ? 'asked' : unwritable(path, kind)
    const access = readOnlyReason === undefined ? constants.O_RDWR : constants.O_RDONLY
    // On a block device O_EXCL without O_CREAT refuses one that is mounted, open(2).
    const exclusive = kind.isBlockDevice() && readOnlyReason === undefined ? constants.O_EXCL : 0
    const fd = openSync(path, access | exclusive)
    try {
      const stats = fstatSync(fd)
      const size = stats.isBlockDevice() ? blockDeviceSize(stats) : stats.size
      checkSize(path, size)
      lock(path, fd, stats, readOnlyReason === undefined ? LOCK_EX : LOCK_SH)
      log(
        'open %s: %d bytes%s',
        path,
        size,
        readOnlyReason === undefined ? '' : `, read-only: ${readOnlyReason}`,
      )
      return new ImageFile({ path, fd, size, readOnlyReason, blockDevice: stats.isBlockDevice() })
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** The image as another thread opened it. Only that thread closes it. */
  static attach(handle: ImageHandle): ImageFile {
    return new ImageFile(handle)
  }

  get handle(): ImageHandle {
    const { path, fd, size, readOnlyReason, blockDevice } = this
    return { path, fd, size, readOnlyReason, blockDevice }
  }

  get readOnly(): boolean {
    return this.readOnlyReason !== undefined
  }

  /**
   * 0, or -EIO when the file has become shorter than its mapping: touching that would be SIGBUS.
   *
   * Not by fstat(2): a file whose times were asked for gets new ones at the next write (Linux 6.13, multigrain time
   * stamps), and then every fdatasync writes the inode also, which costs a second request to the disk.
   */
  checkLength(): number {
    if (this.blockDevice) return 0
    const size = seekEndRaw(this.fd)
    if (size < 0) return size
    if (size >= this.size) return 0
    log('%s was truncated while open: %d bytes, was %d', this.path, size, this.size)
    return -E.EIO
  }

  /** Writes `length` bytes at `address` of this process to `offset`: bytes written, or -errno. */
  write(address: number, length: number, offset: number): number {
    return pwriteRaw(this.fd, address, length, offset)
  }

  /** fdatasync(2): 0 or -errno. Blocks the thread. */
  datasync(): number {
    return fdatasyncRaw(this.fd)
  }

  /** Closes the file and so lets go of its lock. */
  close(): void {
    closeSync(this.fd)
  }
}

function unwritable(path: string, stats: Stats): ReadOnlyReason | undefined {
  if ((stats.mode & 0o222) === 0) return 'no write permission'
  try {
    accessSync(path, constants.W_OK)
    return undefined
  } catch {
    return 'no write permission'
  }
}

function checkSize(path: string, size: number): void {
  if (size === 0) throw new FsError('EINVAL', `image '${path}' is empty`, { path })
  if (size % IMAGE_ALIGNMENT !== 0) {
    throw new FsError('EINVAL', `image '${path}' has ${size} bytes, no multiple of ${IMAGE_ALIGNMENT}`, {
      path,
    })
  }
}

/** sysfs counts in sectors of 512 bytes whatever the device's own are. */
function blockDeviceSize(stats: Stats): number {
  const place = `/sys/dev/block/${majorOf(stats.rdev)}:${minorOf(stats.rdev)}/size`
  return Number(readFileSync(place, 'utf8')) * 512
}

function lock(path: string, fd: number, stats: Stats, operation: number): void {
  if (tryFlock(fd, operation)) return
  const holders = lockHolders(stats).map(({ pid, command }) => {
    return pid === process.pid ? `this process (pid ${pid})` : `process ${pid}${command && ` (${command})`}`
  })
  const by = holders.length === 0 ? 'another process' : holders.join(', ')
  throw new FsError('EBUSY', `image '${path}' is in use by ${by}`, { syscall: 'flock', path })
}

/**
 * Mounting, as root: mount(2) with the file descriptor of /dev/fuse. The thread that serves a mount must never touch
 * it: no call of node:fs on a path in it, and no {@link unmountSync}, which waits for replies of that very thread.
 */
import { execFile } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { promisify } from 'node:util'
import { FsError } from '../../lib/errno.js'
import { MS_RDONLY, mount, umount2 } from '../../lib/libc.js'

const run = promisify(execFile)

export interface MountOptions {
  mountpoint: string
  /** What /proc/mounts shows as source of a `fuse` mount: the image's path. */
  source: string
  /**
   * A block device (a loop device over the image): mounts `fuseblk`, to which alone the kernel sends SYNCFS for sync(2)
   * and DESTROY at umount(2).
   */
  blockDevice?: string
  /** Bytes, for `fuseblk`: 512 to the page size. */
  blockSize?: number
  readOnly?: boolean
  /** Of mount(2), MS_*, for the kernel to honour and /proc/mounts to show; none when absent. */
  flags?: number
  /** Users other than root may use it; true when absent. Permissions are checked by the kernel in any case. */
  allowOther?: boolean
}

/** The data argument of mount(2). */
export function mountData(fd: number, options: MountOptions): string {
  const data = [`fd=${fd}`, 'rootmode=40000', 'user_id=0', 'group_id=0', 'default_permissions']
  if (options.allowOther ?? true) data.push('allow_other')
  if (options.blockDevice !== undefined) data.push(`blksize=${options.blockSize ?? 4096}`)
  return data.join(',')
}

/**
 * Opens /dev/fuse (non-blocking) and mounts it: returns the file descriptor, whose first request will be INIT. Does not
 * wait for the file system to be served. Throws FsError (EPERM without root, ENOENT, EBUSY...).
 */
export function mountFuse(options: MountOptions): number {
  const fd = openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK)
  const type = options.blockDevice === undefined ? 'fuse.fakedax' : 'fuseblk.fakedax'
  const source = options.blockDevice ?? options.source
  try {
    const flags = (options.flags ?? 0) | (options.readOnly ? MS_RDONLY : 0)
    mount(source, options.mountpoint, type, flags, mountData(fd, options))
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return fd
}

/** umount2(2) with MNT_* `flags`, from a thread that does not serve the mount. Throws EBUSY while it is in use. */
export function unmountSync(mountpoint: string, flags = 0): void {
  umount2(mountpoint, flags)
}

/**
 * Unmounts by a child process, so that this thread may go on serving. `lazy` takes the mount out of sight at once and
 * ends it when the last user is gone. Rejects with EBUSY while it is in use.
 */
export async function unmount(mountpoint: string, options: { lazy?: boolean } = {}): Promise<void> {
  const flags = options.lazy ? ['-i', '-l'] : ['-i']
  try {
    await run('umount', [...flags, '--', mountpoint], { env: { ...process.env, LC_ALL: 'C' } })
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    const code = text.includes('busy') ? 'EBUSY' : text.includes('not mounted') ? 'EINVAL' : 'EIO'
    throw new FsError(code, text.trim(), { syscall: 'umount', path: mountpoint, cause })
  }
}

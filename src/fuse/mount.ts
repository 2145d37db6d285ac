/**
 * Mounting: as root by mount(2) with the file descriptor of /dev/fuse, as an ordinary user by fusermount3. The thread
 * that serves a mount must never touch it: no call of node:fs on a path in it, and no {@link unmountSync}, which waits
 * for replies of that very thread.
 */
import { execFile } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { promisify } from 'node:util'
import { FsError } from '../../lib/errno.js'
import { MNT_DETACH, MNT_FORCE, MS_RDONLY, mount, umount2 } from '../../lib/libc.js'
import { mountByFusermount, unmountByFusermount } from './fusermount.js'
import { forgetUnmountHelper } from './utab.js'

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
  /**
   * Others than the user who mounts may use it, root included. When absent, root lets them and others do not: theirs is
   * for the administrator to allow (user_allow_other in /etc/fuse.conf). Permissions are checked by the kernel in any
   * case.
   */
  allowOther?: boolean
}

export interface UnmountOptions {
  /** Takes the mount out of sight at once, and ends it when the last user is gone. */
  lazy?: boolean
  /** Root only: aborts the connection, so that whoever waits for it gets an error. */
  force?: boolean
}

/** May mount by itself: root, also that of a user namespace. */
function privileged(): boolean {
  return process.geteuid?.() === 0
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
 * wait for the file system to be served. Throws FsError (EPERM, EACCES, ENOENT, EBUSY...).
 */
export function mountFuse(options: MountOptions): number {
  if (!privileged()) return mountByFusermount(options)
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

/**
 * umount2(2), or fusermount3 -u, from a thread that does not serve the mount. Throws FsError EBUSY while it is in use,
 * EINVAL when nothing is mounted there.
 */
export function unmountSync(mountpoint: string, options: UnmountOptions = {}): void {
  if (!privileged() && !options.force) {
    unmountByFusermount(mountpoint, options)
    return
  }
  umount2(mountpoint, (options.lazy ? MNT_DETACH : 0) | (options.force ? MNT_FORCE : 0))
  forgetUnmountHelper(mountpoint)
}

/** The command that unmounts lazily, for a shell. */
export function lazyUnmountCommand(mountpoint: string): string[] {
  return privileged()
    ? ['umount', '-i', '-l', '--', mountpoint]
    : ['fusermount3', '-u', '-z', '-q', '--', mountpoint]
}

/**
 * Unmounts by a child process, so that this thread may go on serving. Rejects with EBUSY while the mount is in use,
 * EINVAL when nothing is mounted there.
 */
export async function unmount(mountpoint: string, options: { lazy?: boolean } = {}): Promise<void> {
  const [program, ...flags] = privileged() ? ['umount', '-i'] : ['fusermount3', '-u']
  if (options.lazy) flags.push(privileged() ? '-l' : '-z')
  try {
    await run(program!, [...flags, '--', mountpoint], { env: { ...process.env, LC_ALL: 'C' } })
  } catch (cause) {
    const { stderr = '', message } = cause as Error & { stderr?: string }
    const text = stderr.trim() || message
    const code = text.includes('busy') ? 'EBUSY' : /not (mounted|found in)/.test(text) ? 'EINVAL' : 'EIO'
    throw new FsError(code, text, { syscall: 'umount', path: mountpoint, cause })
  }
}

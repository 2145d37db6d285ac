/**
 * Mounting as an ordinary user: by fusermount3 of libfuse, which is setuid root. It opens /dev/fuse, mounts it (always
 * nosuid and nodev) and hands the file descriptor over a socket whose number it finds in _FUSE_COMMFD.
 */
import { spawnSync } from 'node:child_process'
import { type ErrorCode, FsError } from '../../lib/errno.js'
import {
  closeDescriptor,
  MS_DIRSYNC,
  MS_NOATIME,
  MS_NOEXEC,
  MS_NOSYMFOLLOW,
  MS_SYNCHRONOUS,
  setNonBlocking,
  socketPair,
} from '../../lib/libc.js'
import { receiveDescriptor } from '../../lib/unix-socket.js'
import type { MountOptions } from './mount.js'

const PROGRAM = 'fusermount3'
/** The child's number of its end of the socket: the first behind standard error. */
const COMMFD = 3

/**
 * The flags of mount(2) that it knows by name; nosuid and nodev it sets by itself. What it does not know beside
 * MS_NOSYMFOLLOW is about access times, which are the file system's own affair.
 */
const FLAGS: readonly (readonly [number, string])[] = [
  [MS_NOEXEC, 'noexec'],
  [MS_SYNCHRONOUS, 'sync'],
  [MS_DIRSYNC, 'dirsync'],
  [MS_NOATIME, 'noatime'],
]

/** What fusermount3 says, and the error that it means; EPERM when it says something else. */
const MEANING: readonly (readonly [RegExp, ErrorCode])[] = [
  [/resource busy/, 'EBUSY'],
  [/not found in|Invalid argument/, 'EINVAL'],
  [/No such file/, 'ENOENT'],
  [/No such device/, 'ENODEV'],
  [/Permission denied|no write access/, 'EACCES'],
]

/** Between the commas of a list of options. */
function escaped(text: string): string {
  return text.replace(/[\\,]/g, '\\$&')
}

/** The list behind fusermount3's -o. */
export function fusermountOptions(options: MountOptions): string {
  return [
    options.readOnly ? 'ro' : 'rw',
    ...FLAGS.filter(([bit]) => ((options.flags ?? 0) & bit) !== 0).map(([, name]) => name),
    'default_permissions',
    ...(options.allowOther ? ['allow_other'] : []),
    `fsname=${escaped(options.source)}`,
    'subtype=fakedax',
  ].join(',')
}

/** Runs fusermount3 to its end. `socket` becomes its {@link COMMFD}. Throws FsError with what it said. */
function fusermount(parameters: readonly string[], path: string, socket?: number): void {
  const { error, status, stderr } = spawnSync(PROGRAM, [...parameters, '--', path], {
    stdio: ['ignore', 'ignore', 'pipe', ...(socket === undefined ? [] : [socket])],
    env: { ...process.env, LC_ALL: 'C', _FUSE_COMMFD: String(COMMFD) },
    encoding: 'utf8',
  })
  if (error !== undefined) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const reason = missing ? 'it is not installed (package fuse3)' : error.message
    throw new FsError(missing ? 'ENODEV' : 'EIO', `an ordinary user needs '${PROGRAM}': ${reason}`, {
      cause: error,
    })
  }
  if (status === 0) return
  const said = stderr.trim()
  const [, code = 'EPERM'] = MEANING.find(([pattern]) => pattern.test(said)) ?? []
  throw new FsError(code, said, { syscall: PROGRAM, path })
}

/** As mountFuse does for root. A mount of type `fuse`: block devices are root's. */
export function mountByFusermount(options: MountOptions): number {
  const path = options.mountpoint
  if (options.blockDevice !== undefined)
    throw new FsError('EPERM', 'a mount of type fuseblk needs root', { path })
  if (((options.flags ?? 0) & MS_NOSYMFOLLOW) !== 0)
    throw new FsError('EPERM', `nosymfollow needs root: ${PROGRAM} does not know it`, { path })
  const [ours, theirs] = socketPair()
  try {
    try {
      fusermount(['-o', fusermountOptions(options)], path, theirs)
    } finally {
      closeDescriptor(theirs)
    }
    const fd = receiveDescriptor(ours)
    if (fd === undefined) throw new FsError('EIO', `${PROGRAM} handed over no file descriptor`)
    setNonBlocking(fd)
    return fd
  } finally {
    closeDescriptor(ours)
  }
}

/** `lazy` takes the mount out of sight at once. Throws FsError EBUSY, EINVAL (not mounted), EPERM (another's). */
export function unmountByFusermount(mountpoint: string, options: { lazy?: boolean } = {}): void {
  fusermount(options.lazy ? ['-u', '-z'] : ['-u'], mountpoint)
}

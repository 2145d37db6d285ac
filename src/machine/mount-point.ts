import { existsSync, realpathSync, statfsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { FsError } from '../../lib/errno.js'
import { unmountSync } from '../fuse/mount.js'
import { isOurs, mountedAt } from './mount-table.js'
import { knownMount } from './runtime-directory.js'

/**
 * The absolute path of `dir` without links. A mount point itself is not touched, as whoever serves it may be dead
 * or stuck: only what lies above it is looked at.
 */
export function resolveMountPoint(dir: string): string {
  const absolute = resolve(dir)
  if (absolute === '/') return absolute
  const place = join(realpathSync.native(dirname(absolute)), basename(absolute))
  if (mountedAt(place) !== undefined || knownMount(place) !== undefined) return place
  try {
    return realpathSync.native(absolute)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return place
    throw error
  }
}

/** Takes away a mount whose process is dead, now or when its last user lets go. True when there was one. */
export function detachStaleMount(dir: string): boolean {
  const known = knownMount(dir)
  if (known?.alive) return false
  const entry = mountedAt(dir)
  // Where the record is of an earlier mount than another user's, that one is none of it.
  const recorded = known !== undefined && entry?.owner === process.geteuid?.()
  const stale = entry !== undefined && isOurs(entry) && (recorded || !answers(dir))
  if (stale) unmountSync(dir, { lazy: true })
  known?.files.remove({ log: true })
  return stale
}

/** False when the process behind a mount is gone. Asks what the kernel has no answer to of its own: attributes it keeps. */
function answers(dir: string): boolean {
  try {
    statfsSync(dir)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code !== 'ENOTCONN' && code !== 'ECONNABORTED'
  }
}

/** Throws FsError ENODEV without FUSE. */
function requireFuse(): void {
  if (!existsSync('/dev/fuse'))
    throw new FsError('ENODEV', "'/dev/fuse' does not exist: load the module fuse")
}

/**
 * Makes sure that something can be mounted at `dir` (as {@link resolveMountPoint} gives it), clearing away what a
 * killed process left there. Throws FsError ENOENT, ENOTDIR, EBUSY, and ENODEV when nothing can be at all.
 */
export function prepareMountPoint(dir: string): void {
  requireFuse()
  const known = knownMount(dir)
  if (known?.alive) {
    const { image } = known.record.options
    throw new FsError('EBUSY', `'${image}' is already mounted at '${dir}' (process ${known.record.pid})`, {
      path: dir,
    })
  }
  detachStaleMount(dir)
  const entry = mountedAt(dir)
  if (entry !== undefined && isOurs(entry))
    throw new FsError('EBUSY', `'${entry.source}' is already mounted at '${dir}'`, { path: dir })
  const stats = statSync(dir, { throwIfNoEntry: false })
  if (stats === undefined) throw new FsError('ENOENT', `mount point '${dir}' does not exist`, { path: dir })
  if (!stats.isDirectory())
    throw new FsError('ENOTDIR', `mount point '${dir}' is not a directory`, { path: dir })
}

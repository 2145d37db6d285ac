import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { FsError } from '../../lib/errno.js'
import { type UnmountOptions, unmountSync } from '../fuse/mount.js'
import { lockHolders } from '../host/lock-holder.js'
import { needsWritableImage } from './image-state.js'
import { isOurs, type MountEntry, mountedAt } from './mount-table.js'
import { identifyProcess, type ProcessIdentity, waitForEnd } from './process-identity.js'

/** Milliseconds. */
const END_TIMEOUT = 30_000

/** The image behind a mount, by the kernel's tables; undefined where they do not tell. */
function imageOf({ type, source }: MountEntry): string | undefined {
  if (!type.startsWith('fuseblk')) return source
  try {
    return readFileSync(`/sys/block/${basename(source)}/loop/backing_file`, 'utf8').trimEnd()
  } catch {
    return undefined
  }
}

/** The one process that has the image locked; undefined too where the image is not ours to see. */
function serverOf(image: string): ProcessIdentity | undefined {
  try {
    const [holder, ...more] = lockHolders(statSync(image))
    return holder === undefined || more.length > 0 ? undefined : identifyProcess(holder.pid)
  } catch {
    return undefined
  }
}

/**
 * Unmounts what is mounted at `place` without a record that we could read: root unmounts a user's image. All that is
 * believed is the kernel's. Resolves when all is on the image and the process is gone, with false where that was dead
 * before. Rejects with EINVAL when nothing of ours is mounted there, EPERM when it is another's, EIO when the file system
 * was not written out.
 */
export async function unmountForeign(place: string, options: UnmountOptions = {}): Promise<boolean> {
  const entry = mountedAt(place)
  if (entry === undefined || !isOurs(entry))
    throw new FsError('EINVAL', `no image is mounted at '${place}'`, { path: place })
  const image = entry.readOnly ? undefined : imageOf(entry)
  const server = image === undefined ? undefined : serverOf(image)
  unmountSync(place, options)
  if (image === undefined || options.lazy) return true
  if (server !== undefined && !(await waitForEnd(server, END_TIMEOUT)))
    throw new FsError('EIO', `process ${server.pid} did not finish`)
  if (!needsWritableImage(image)) return true
  if (server === undefined) return false
  throw new FsError('EIO', `'${image}' was not written out: process ${server.pid} has failed`)
}

/** Why there is no record of the mount at `place`. */
export function withoutRecord(place: string): FsError {
  const entry = mountedAt(place)
  if (entry === undefined || !isOurs(entry))
    return new FsError('EINVAL', `no image is mounted at '${place}'`, { path: place })
  const whose =
    entry.owner === process.geteuid?.()
      ? 'was mounted under another runtime directory: see FAKEDAX_RUNTIME_DIR and XDG_RUNTIME_DIR'
      : `is a mount of user ${entry.owner}: ask as that user`
  return new FsError('EPERM', `'${place}' ${whose}`, { path: place })
}

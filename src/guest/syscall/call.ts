/**
 * System calls that may have to wait are generators, which yield what they wait for: so there is one text for callers
 * that can wait and for those that cannot. Where nothing is to be waited for, all of them run to their end at once.
 */
import { FsError } from '../../../lib/errno.js'
import type { Process } from './process.js'

export type Call<T> = Generator<Promise<unknown>, T, void>

/** Runs a call to its end, waiting where it must. */
export async function whenDone<T>(call: Call<T>): Promise<T> {
  for (let step = call.next(); ; ) {
    if (step.done === true) return step.value
    try {
      await step.value
    } catch (error) {
      step = call.throw(error)
      continue
    }
    step = call.next()
  }
}

/** Runs a call to its end in one go. Throws EAGAIN, with nothing lost, when it would have to wait. */
export function atOnce<T>(call: Call<T>): T {
  const step = call.next()
  if (step.done === true) return step.value
  // Whoever else waits for it is told of its failure.
  step.value.catch(() => {})
  const stopped = call.throw(new FsError('EAGAIN', 'the call would have to wait for the disk'))
  if (stopped.done === true) return stopped.value
  throw new TypeError('a call goes on after it was stopped')
}

/** Waits until the file system takes a change, and tells it whose. A read-only one tells EROFS when the change comes. */
export function* ready({ fs, credentials }: Process): Call<void> {
  if (fs.readOnly) return
  for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) yield wait
  fs.setCaller(credentials.uid, credentials.gid, credentials.groups)
}

/** Waits for `work` on an inode, which stays in use meanwhile. */
export function* waitFor({ fs }: Process, ino: number, work: void | Promise<void>): Call<void> {
  if (work === undefined) return
  fs.retain(ino)
  try {
    yield work
  } finally {
    fs.release(ino, 1)
  }
}

/** What is changed in an inode is durable before it is told, where the mount (sync) or the inode's flags ask for that. */
export function* settleInode({ fs }: Process, ino: number, dataOnly = false): Call<void> {
  if (!fs.isSynchronous(ino, false)) return
  const wait = fs.fsync(ino, dataOnly)
  if (wait !== undefined) yield wait
}

/** And what is changed in what directories list (sync, dirsync). */
export function* settleEntries({ fs }: Process, ...directories: readonly number[]): Call<void> {
  if (!directories.some((ino) => fs.isSynchronous(ino, true))) return
  const wait = fs.commit()
  if (wait !== undefined) yield wait
}

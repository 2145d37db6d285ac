import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { FsError } from '../../lib/errno.js'
import { type UnmountOptions, unmountSync } from '../fuse/mount.js'
import { unmountForeign, withoutRecord } from './foreign-mount.js'
import type { MountOptions } from './machine-options.js'
import { MonitorClient } from './monitor-client.js'
import { detachStaleMount, prepareMountPoint, resolveMountPoint } from './mount-point.js'
import { startMountProcess } from './mount-process.js'
import type { CrashReport, MountReport, MountStatus } from './mount-report.js'
import { isOurs, mountedAt } from './mount-table.js'
import { waitForEnd } from './process-identity.js'
import { type KnownMount, knownMount, knownMounts, type MountRecord } from './runtime-directory.js'

const run = promisify(execFile)

/** Milliseconds: a killed process, or one that has said it is done, is gone long before. */
const END_TIMEOUT = 30_000
const STATUS_TIMEOUT = 6000
const CRASH_TIMEOUT = 12_000

/** Mounts; resolves when the mount answers. Rejects with FsError saying why not, and nothing is left behind. */
export async function mountImage(options: MountOptions): Promise<MountReport> {
  prepareMountPoint(options.dir)
  return startMountProcess(options)
}

/**
 * Unmounts; resolves when all is on the image and the process is gone. Also clears away a mount whose process was
 * killed: `false` then. Rejects with EBUSY while the mount is in use, EINVAL when nothing of ours is mounted at `dir`,
 * EIO when the file system could not be written out.
 */
export async function unmountImage(dir: string, options: UnmountOptions = {}): Promise<boolean> {
  const place = resolveMountPoint(dir)
  const known = knownMount(place)
  if (known === undefined || !known.alive) {
    if (detachStaleMount(place) || known !== undefined) return false
    return unmountForeign(place, options)
  }
  // Its socket tells how the end went; without one (someone removed it) the record must do.
  const monitor = await MonitorClient.connect(known.files.socket).catch(() => undefined)
  try {
    unmountNow(place, known, options)
    if (options.lazy) return true
    await monitor?.closed
    const ended = await waitForEnd(known.record, END_TIMEOUT)
    const { error } = (monitor?.event('ended')?.data ?? {}) as { error?: string }
    if (error !== undefined) throw new FsError('EIO', error)
    if (!ended || known.files.read() !== undefined)
      throw new FsError('EIO', `process ${known.record.pid} did not finish; see ${known.files.log}`)
    return true
  } finally {
    monitor?.close()
  }
}

function unmountNow(place: string, known: KnownMount, options: UnmountOptions): void {
  try {
    unmountSync(place, options)
  } catch (error) {
    if (!(error instanceof FsError)) throw error
    // The connection is aborted: the process ends, and takes the mount away.
    if (error.code === 'EBUSY' && options.force) return
    if (error.code === 'EBUSY')
      throw new FsError('EBUSY', `'${place}' is in use (fuser -vm ${place} shows by whom)`, { path: place })
    // Someone unmounted it already and the process is still writing out: wait for that.
    if (error.code !== 'EINVAL' || !known.alive) throw error
  }
}

export interface MountSummary {
  record: MountRecord
  /** `dead`: its process was killed; umount clears it away. */
  state: 'mounted' | 'dead' | 'stuck'
  /** Of a living one. */
  status?: MountStatus
  /** Of a stuck one: why it gave no answer. */
  reason?: string
}

async function summarise(known: KnownMount): Promise<MountSummary> {
  const { record } = known
  if (!known.alive) return { record, state: 'dead' }
  let monitor: MonitorClient | undefined
  try {
    monitor = await MonitorClient.connect(known.files.socket)
    return {
      record,
      state: 'mounted',
      status: await monitor.execute<MountStatus>('status', {}, STATUS_TIMEOUT),
    }
  } catch (error) {
    return { record, state: 'stuck', reason: (error as Error).message }
  } finally {
    monitor?.close()
  }
}

/** All mounts on record, ordered by mount point. Those that are dead and mounted no more are forgotten. */
export async function mountsOnRecord(): Promise<MountSummary[]> {
  const present = knownMounts().filter((known) => {
    const entry = mountedAt(known.record.options.dir)
    if (known.alive || (entry !== undefined && isOurs(entry))) return true
    known.files.remove({ log: true })
    return false
  })
  return Promise.all(present.map(summarise))
}

/** Rejects with EINVAL when nothing of ours is mounted at `dir`. */
export async function mountStatus(dir: string): Promise<MountSummary> {
  return summarise(recordAt(resolveMountPoint(dir)))
}

function recordAt(place: string): KnownMount {
  const known = knownMount(place)
  const entry = mountedAt(place)
  const forgotten = known !== undefined && !known.alive && (entry === undefined || !isOurs(entry))
  if (forgotten) known.files.remove({ log: true })
  if (known === undefined || forgotten) throw withoutRecord(place)
  return known
}

function livingAt(place: string): KnownMount {
  const known = recordAt(place)
  if (!known.alive)
    throw new FsError('ENOTCONN', `the process that served '${place}' is dead; umount clears it away`, {
      path: place,
    })
  return known
}

/** Makes all that was written below `dir` so far durable, as sync(1) with `-f` does for a disk. */
export async function syncMount(dir: string): Promise<void> {
  const place = resolveMountPoint(dir)
  const known = livingAt(place)
  // First what the kernel has in its page cache, by way of the mount, then the file system itself.
  await run('sync', ['--file-system', '--', place])
  const monitor = await MonitorClient.connect(known.files.socket)
  try {
    await monitor.execute('sync')
  } finally {
    monitor.close()
  }
}

export interface CrashOptions {
  kind?: CrashReport['kind']
  /** Mounts again with the same options, which recovers the journal. Default. */
  remount?: boolean
}

export interface CrashOutcome extends CrashReport {
  /** The mount after recovery, unless none was asked for. */
  remounted?: MountReport
}

/**
 * A power failure at once. The process that serves the mount is killed and the mount taken away, whoever uses it; then
 * the image is mounted again as it was. Rejects with EOPNOTSUPP when the host cache cannot lose anything.
 */
export async function crashMount(dir: string, options: CrashOptions = {}): Promise<CrashOutcome> {
  const place = resolveMountPoint(dir)
  const { record, files } = livingAt(place)
  const report = await askToCrash({ record, files, alive: true }, options.kind ?? 'host')
  if (!(await waitForEnd(record, END_TIMEOUT)))
    throw new FsError('EIO', `process ${record.pid} cannot be killed`)
  detach(place)
  files.remove({ log: true })
  if (options.remount === false) return report
  return { ...report, remounted: await mountImage(record.options as MountOptions) }
}

/** A process that does not answer is killed all the same: that is what was asked for. */
async function askToCrash({ record, files }: KnownMount, kind: CrashReport['kind']): Promise<CrashReport> {
  const monitor = await MonitorClient.connect(files.socket)
  try {
    const report = await monitor.execute<CrashReport>('crash', { kind }, CRASH_TIMEOUT)
    await monitor.closed
    return report
  } catch (error) {
    if (kind === 'guest' || !(error instanceof FsError) || error.code === 'EOPNOTSUPP') throw error
    process.kill(record.pid, 'SIGKILL')
    return { kind, bytesLost: undefined, flushRequests: undefined }
  } finally {
    monitor.close()
  }
}

function detach(place: string): void {
  const isMounted = (): boolean => {
    const entry = mountedAt(place)
    return entry !== undefined && isOurs(entry)
  }
  try {
    if (isMounted()) unmountSync(place, { lazy: true })
  } catch (error) {
    // With auto_unmount another may have been first.
    if (isMounted()) throw error
  }
}

import { realpathSync } from 'node:fs'
import { FsError } from '../../lib/errno.js'
import type { MountOptions } from '../machine/machine-options.js'
import { prepareMountPoint } from '../machine/mount-point.js'
import type { MountReport } from '../machine/mount-report.js'
import { mountImage } from '../machine/mounted.js'
import { serveUntilEnd } from '../machine/serve.js'
import { EXIT_INTERRUPTED } from './failure.js'
import { notify } from './notify.js'

/** In words, what recovery did; empty when the image was clean. */
export function describeRecovery(report: MountReport): string {
  const { recovery } = report
  if (recovery === undefined) return ''
  const { transactions, blocks, orphans, fastCommits = 0 } = recovery
  const replayed = `${transactions} transaction${transactions === 1 ? '' : 's'} (${blocks} blocks) replayed`
  const fast = fastCommits === 0 ? '' : `, ${fastCommits} changes of fast commits replayed`
  return `recovered: ${replayed}${fast}, ${orphans} orphaned inode${orphans === 1 ? '' : 's'} cleaned`
}

/** What was mounted where, and what is worth knowing of it. */
export function describeMount(options: MountOptions, report: MountReport): string {
  const notes = [
    report.readOnly ? 'read-only' : '',
    report.readOnlyReason ?? '',
    describeRecovery(report),
  ].filter((note) => note !== '')
  return `${options.image} is mounted at ${options.dir}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`
}

/** Mounts in a process of its own. Interrupted meanwhile, that process unmounts, and this one ends as mount(8) would. */
export async function mountInBackground(options: MountOptions): Promise<MountReport> {
  const interrupted = (): void => process.exit(EXIT_INTERRUPTED)
  process.once('SIGINT', interrupted)
  try {
    return await mountImage(options)
  } finally {
    process.off('SIGINT', interrupted)
  }
}

/** The image's path without links. Throws FsError ENOENT, or the system's error. */
export function existingImage(image: string): string {
  try {
    return realpathSync(image)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new FsError('ENOENT', `image '${image}' does not exist`, { path: image, cause })
  }
}

/** Serves a mount in this process, and ends it with the mount; the service manager is told, if there is one. */
export async function serveInForeground(options: MountOptions): Promise<never> {
  prepareMountPoint(options.dir)
  const { MountService } = await import('../machine/mount-service.js')
  process.chdir('/')
  const service = await MountService.start(options)
  const mounted = describeMount(options, service.report)
  console.log(mounted)
  notify('READY=1', `STATUS=${mounted}`)
  const status = await serveUntilEnd(service, {
    stopping: () => notify('STOPPING=1', `STATUS=unmounting ${options.dir}`),
    refused: (error) => notify(`STATUS=${error.message}`),
  })
  process.exit(status)
}

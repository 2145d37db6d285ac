import { realpathSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { FsError } from '../../lib/errno.js'
import type { HostCache, ListedOptions, MountOptions, MountType } from '../machine/machine-options.js'
import { prepareMountPoint, resolveMountPoint } from '../machine/mount-point.js'
import type { MountReport } from '../machine/mount-report.js'
import { mountImage } from '../machine/mounted.js'
import { parseOptionList } from '../machine/option-list.js'
import { serveUntilEnd } from '../machine/serve.js'
import { EXIT_MOUNT_FAILURE, fail, plainMessage } from './failure.js'
import { notify } from './notify.js'

interface Flags {
  options: ListedOptions
  foreground?: boolean
  hostCache?: HostCache
  mountType?: MountType
}

const OPTIONS = `
Options behind -o, as of ext4 and mount(8), separated by commas; of two that contradict each other the later counts:
  ro, rw                 read-only, or not (default)
  dax=always             all file data bypasses the kernel's page cache (default)
  dax=never              file data is cached by the kernel and written back later
  dax=inode              as each file's own DAX flag says
  commit=SECONDS         how old a change may get before it is committed (default: 5)
  errors=continue|remount-ro|panic
                         what an inconsistency leads to (default: as the superblock says)
  barrier=0|1, nobarrier whether the journal waits for FLUSH (default: 1)
  noload, norecovery     with ro: do not replay the journal
  sb=N                   with ro: use the superblock at N KiB
  discard, nodiscard     give freed blocks back to the file system of the image
  noatime, nodiratime, strictatime, lazytime
                         when access times change, and reach the image (default: relatime)
  sync, dirsync          every operation, or change of a directory, is durable before it is answered
  nouser_xattr, noacl    without attributes of the namespace user; without ACLs
  resuid=UID, resgid=GID who besides root may use the reserved blocks
  grpid, minixdf         group of new files as in BSD; size in statfs as in Minix
  nosuid, nodev, noexec, nosymfollow
                         what of the files the kernel does not honour
  allow_other            users other than the one who mounts may use it (default for root)
  X-mount.idmap='u:FIRST:SEEN:COUNT g:FIRST:SEEN:COUNT'
                         owners are seen as others
  data=ordered, and what concerns Linux's own caches and allocator, is accepted; x-* and what is meant for mount(8)
  is passed over; all else is refused by name.

Examples:
  fakedax mount disk.img /mnt
  fakedax mount disk.img /mnt -o ro,dax=never
  fakedax mount disk.img /mnt --foreground      (Ctrl-C unmounts)`

/** In words, what recovery did; empty when the image was clean. */
export function describeRecovery(report: MountReport): string {
  const { recovery } = report
  if (recovery === undefined) return ''
  const { transactions, blocks, orphans } = recovery
  const replayed = `${transactions} transaction${transactions === 1 ? '' : 's'} (${blocks} blocks) replayed`
  return `recovered: ${replayed}, ${orphans} orphaned inode${orphans === 1 ? '' : 's'} cleaned`
}

function announce(options: MountOptions, report: MountReport): void {
  const notes = [
    report.readOnly ? 'read-only' : '',
    report.readOnlyReason ?? '',
    describeRecovery(report),
  ].filter((note) => note !== '')
  console.log(
    `${options.image} is mounted at ${options.dir}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`,
  )
}

export function mountCommand(): Command {
  return new Command('mount')
    .summary('mount an image at a directory')
    .description(
      'Mounts an image at a directory, and returns when the mount answers.\nExit status: 0 mounted, 1 usage, 32 the mount failed.',
    )
    .argument('<image>', 'image made by mkfs, or any ext4 image')
    .argument('<dir>', 'existing directory')
    .addOption(
      new Option('-o, --options <list>', 'mount options, see below')
        .argParser(optionList)
        .default(parseOptionList(''), 'dax=always'),
    )
    .option('-f, --foreground', 'stay in the foreground; Ctrl-C unmounts')
    .addOption(
      new Option(
        '--host-cache <policy>',
        'who keeps what is not flushed: "emulated" loses it when the process dies',
      )
        .choices(['emulated', 'kernel'])
        .default(undefined, 'emulated'),
    )
    .addOption(
      new Option('--mount-type <type>', 'by default fuseblk where possible')
        .choices(['fuse', 'fuseblk'])
        .hideHelp(),
    )
    .addHelpText('after', OPTIONS)
    .action(async (image: string, dir: string, flags: Flags) => {
      try {
        const options: MountOptions = {
          ...flags.options,
          image: existingImage(image),
          dir: resolveMountPoint(dir),
          ...(flags.hostCache === undefined ? {} : { hostCache: flags.hostCache }),
          type: flags.mountType,
        }
        if (flags.foreground) await serveInForeground(options)
        else announce(options, await mountImage(options))
      } catch (error) {
        fail(error, EXIT_MOUNT_FAILURE)
      }
    })
}

function optionList(text: string): ListedOptions {
  try {
    return parseOptionList(text)
  } catch (error) {
    throw error instanceof FsError ? new InvalidArgumentError(`${plainMessage(error)}.`) : error
  }
}

function existingImage(image: string): string {
  try {
    return realpathSync(image)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new FsError('ENOENT', `image '${image}' does not exist`, { path: image, cause })
  }
}

async function serveInForeground(options: MountOptions): Promise<void> {
  prepareMountPoint(options.dir)
  const { MountService } = await import('../machine/mount-service.js')
  process.chdir('/')
  const service = await MountService.start(options)
  announce(options, service.report)
  notify('READY=1', `STATUS=${options.image} is mounted at ${options.dir}`)
  const status = await serveUntilEnd(service, {
    stopping: () => notify('STOPPING=1', `STATUS=unmounting ${options.dir}`),
    refused: (error) => notify(`STATUS=${error.message}`),
  })
  process.exit(status)
}

import { Command, InvalidArgumentError, Option } from 'commander'
import { FsError } from '../../lib/errno.js'
import type {
  FrontEnd,
  HostCache,
  ListedOptions,
  MountOptions,
  MountType,
} from '../machine/machine-options.js'
import { resolveMountPoint } from '../machine/mount-point.js'
import { parseOptionList } from '../machine/option-list.js'
import { fail, mountExitStatus, plainMessage } from './failure.js'
import { describeMount, existingImage, mountInBackground, serveInForeground } from './mount-action.js'

interface Flags {
  options: ListedOptions
  foreground?: boolean
  hostCache?: HostCache
  frontEnd?: FrontEnd
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
  barrier=0|1, nobarrier whether the journal waits for FLUSH (default: as the superblock says)
  noload, norecovery     with ro: do not replay the journal
  sb=N                   with ro: use the superblock at N KiB
  discard, nodiscard     give freed blocks back to the file system of the image
  noatime, nodiratime, strictatime, lazytime
                         when access times change, and reach the image (default: relatime)
  sync, dirsync          every operation, or change of a directory, is durable before it is answered
  nouser_xattr, noacl    without attributes of the namespace user; without ACLs
  nouid32                owners of 16 bits
  max_dir_size_kb=N      how large a directory may grow
  journal_checksum, nojournal_checksum
                         whether the log has checksums (default: where the file system has them)
  resuid=UID, resgid=GID who besides root may use the reserved blocks
  usrquota, grpquota, prjquota
                         limits of users, groups and projects count (feature quota; usage always does)
  grpid, minixdf         group of new files as in BSD; size in statfs as in Minix
  nosuid, nodev, noexec, nosymfollow
                         what of the files the kernel does not honour
  allow_other            users other than the one who mounts may use it (default for root)
  front_end=kernel|fuse-native, host_cache=emulated|kernel
                         as the options of these names
  auto_unmount           when the process that serves the mount dies, the directory is what it was before
  X-mount.idmap='u:FIRST:SEEN:COUNT g:FIRST:SEEN:COUNT'
                         owners are seen as others
  data=ordered, and what concerns Linux's own caches and allocator, is accepted; x-* and what is meant for mount(8)
  is passed over; all else is refused by name.

Examples:
  fakedax mount disk.img /mnt
  fakedax mount disk.img /mnt -o ro,dax=never
  fakedax mount disk.img /mnt --foreground      (Ctrl-C unmounts; as a service of systemd: Type=notify)`

export function mountCommand(): Command {
  return new Command('mount')
    .summary('mount an image at a directory')
    .description(
      'Mounts an image at a directory, and returns when the mount answers. Of an ordinary user it needs fusermount3.\nExit status as of mount(8): 0 mounted, 1 usage or not permitted, 2 no FUSE or no memory, 4 a fault of fakedax,\n8 interrupted, 32 the mount failed.',
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
      new Option(
        '--front-end <name>',
        'what speaks with the kernel: fakedax itself, or libfuse 2 by the npm package fuse-native, with its limits (see README)',
      )
        .choices(['kernel', 'fuse-native'])
        .default(undefined, 'kernel'),
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
          ...(flags.frontEnd === undefined ? {} : { frontEnd: flags.frontEnd }),
          type: flags.mountType,
        }
        if (flags.foreground) await serveInForeground(options)
        else console.log(describeMount(options, await mountInBackground(options)))
      } catch (error) {
        fail(error, mountExitStatus(error))
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

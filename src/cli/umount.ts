import { Command } from 'commander'
import type { UnmountOptions } from '../fuse/mount.js'
import { unmountImage } from '../machine/mounted.js'
import { fail, mountExitStatus } from './failure.js'

export function umountCommand(): Command {
  return new Command('umount')
    .summary('unmount; returns when all is on the image')
    .description(
      'Unmounts, and returns when everything is on the image and its process is gone.\nAlso clears away a mount whose process was killed.\nExit status as of umount(8): 0 unmounted, 1 usage or not permitted, 32 not (in use, or nothing mounted there).',
    )
    .argument('<dir>', 'where it is mounted')
    .option('-l, --lazy', 'take it out of sight at once; it ends when nobody uses it any more')
    .option('-f, --force', 'as root: also while it is in use; its users get errors')
    .action(async (dir: string, flags: UnmountOptions) => {
      try {
        if (!(await unmountImage(dir, flags)))
          console.log(`${dir}: its process was dead; the mount is cleared away`)
      } catch (error) {
        fail(error, mountExitStatus(error))
      }
    })
}

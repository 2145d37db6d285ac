import { Command } from 'commander'
import { unmountImage } from '../machine/mounted.js'
import { EXIT_MOUNT_FAILURE, fail } from './failure.js'

export function umountCommand(): Command {
  return new Command('umount')
    .summary('unmount; returns when all is on the image')
    .description(
      'Unmounts, and returns when everything is on the image and its process is gone.\nAlso clears away a mount whose process was killed.\nExit status: 0 unmounted, 32 not (in use, or nothing mounted there).',
    )
    .argument('<dir>', 'where it is mounted')
    .action(async (dir: string) => {
      try {
        if (!(await unmountImage(dir))) console.log(`${dir}: its process was dead; the mount is cleared away`)
      } catch (error) {
        fail(error, EXIT_MOUNT_FAILURE)
      }
    })
}

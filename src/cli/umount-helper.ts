/**
 * What umount(8) runs for our mounts: /sbin/umount.fuse.fakedax DIR [-flnrv]. Its first argument here is the name it was
 * called by.
 */
import { Command } from 'commander'
import { unmountImage } from '../machine/mounted.js'
import { fail, mountExitStatus } from './failure.js'
import { ensureSearchPath } from './search-path.js'

interface Flags {
  force?: boolean
  lazy?: boolean
  verbose?: boolean
}

ensureSearchPath()
const [node = '', script = '', name = 'umount.fuse.fakedax', ...parameters] = process.argv

await new Command(name)
  .description(
    'Unmounts for umount(8); returns when all is on the image and the process that served it is gone.',
  )
  .argument('<dir>')
  .option('-f, --force', 'abort what programs are waiting for')
  .option('-l, --lazy', 'take the mount out of sight, and end it when nobody uses it any more')
  .option('-n', 'nothing to do: there is no mtab')
  .option('-r', 'passed over: a mount that is in use stays as it is')
  .option('-v, --verbose', 'say what was done')
  .option('-t <type>', 'passed over')
  .action(async (dir: string, { force = false, lazy = false, verbose }: Flags) => {
    try {
      await unmountImage(dir, { force, lazy })
      if (verbose) console.log(`${dir} unmounted`)
    } catch (error) {
      fail(error, mountExitStatus(error))
    }
  })
  .parseAsync([node, script, ...parameters])

/**
 * What mount(8) runs for our types: /sbin/mount.fuse.fakedax IMAGE DIR [-sfnv] [-o LIST]. Its first argument here is
 * the name it was called by, which `fakedax install-helpers` puts there: the type behind `mount.` is the type of the
 * mount, and `mount.fakedax` takes the better one that is to be had.
 */
import { Command } from 'commander'
import { noteUnmountHelper } from '../fuse/utab.js'
import type { ListedOptions, MountOptions, MountType } from '../machine/machine-options.js'
import { prepareMountPoint, resolveMountPoint } from '../machine/mount-point.js'
import { mountedAt } from '../machine/mount-table.js'
import { parseOptionList } from '../machine/option-list.js'
import { EXIT_USAGE, fail, mountExitStatus } from './failure.js'
import { describeMount, existingImage, mountInBackground } from './mount-action.js'
import { ensureSearchPath } from './search-path.js'

interface Flags {
  options: string[]
  sloppy?: boolean
  fake?: boolean
  verbose?: boolean
}

const TYPES: Readonly<Record<string, MountType>> = {
  'mount.fuse.fakedax': 'fuse',
  'mount.fuseblk.fakedax': 'fuseblk',
}

function listedOptions({ options, sloppy = false }: Flags): ListedOptions {
  try {
    return parseOptionList(options.join(','), { sloppy })
  } catch (error) {
    fail(error, EXIT_USAGE)
  }
}

ensureSearchPath()
const [node = '', script = '', name = 'mount.fakedax', ...parameters] = process.argv

await new Command(name)
  .description('Mounts for mount(8); see "fakedax mount --help" for the options behind -o.')
  .argument('<image>')
  .argument('<dir>')
  .option('-o, --options <list>', '', (list: string, before: string[]) => [...before, list], [] as string[])
  .option('-s, --sloppy', 'pass over options that are not known')
  .option('-f, --fake', 'do all but mount')
  .option('-n', 'nothing to do: there is no mtab')
  .option('-v, --verbose', 'say what was done')
  .option('-t <type>', 'passed over')
  .action(async (image: string, dir: string, flags: Flags) => {
    const listed = listedOptions(flags)
    try {
      const options: MountOptions = {
        ...listed,
        image: existingImage(image),
        dir: resolveMountPoint(dir),
        type: TYPES[name],
      }
      if (flags.fake) {
        prepareMountPoint(options.dir)
        return
      }
      const report = await mountInBackground(options)
      const entry = mountedAt(options.dir)
      if (entry !== undefined) noteUnmountHelper(entry)
      if (flags.verbose) console.log(describeMount(options, report))
    } catch (error) {
      fail(error, mountExitStatus(error))
    }
  })
  .parseAsync([node, script, ...parameters])

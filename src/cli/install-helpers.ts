import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { EXIT_FAILURE, fail } from './failure.js'

const MOUNT = fileURLToPath(new URL('./mount-helper.js', import.meta.url))
const UMOUNT = fileURLToPath(new URL('./umount-helper.js', import.meta.url))

/** umount(8) goes by the type that the kernel shows, which never is plain `fakedax`. */
const HELPERS = {
  'mount.fuse.fakedax': MOUNT,
  'mount.fuseblk.fakedax': MOUNT,
  'mount.fakedax': MOUNT,
  'umount.fuse.fakedax': UMOUNT,
  'umount.fuseblk.fakedax': UMOUNT,
} as const

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

/** Names Node by its path: mount(8) runs its helpers without PATH, and another's may lead to another Node. */
function wrapper(script: string, name: string): string {
  const command = [process.execPath, script, name].map(quoted).join(' ')
  return `#!/bin/sh\n# Written by fakedax install-helpers.\nexec ${command} "$@"\n`
}

export function installHelpersCommand(): Command {
  return new Command('install-helpers')
    .summary('let mount(8), umount(8) and /etc/fstab know the type')
    .description(
      [
        'Writes mount.fuse.fakedax, umount.fuse.fakedax and their like, which mount(8) and umount(8) look for in /sbin:',
        '  mount -t fuse.fakedax IMAGE DIR      and lines of /etc/fstab with that type',
        '  umount DIR                           returns when all is on the image',
        'With the type fuseblk.fakedax, for root, sync(2) reaches the file system; fakedax takes the better of the two.',
      ].join('\n'),
    )
    .option('-d, --directory <dir>', 'where', '/sbin')
    .option('--remove', 'remove them')
    .action((flags: { directory: string; remove?: boolean }) => {
      try {
        if (!flags.remove) mkdirSync(flags.directory, { recursive: true })
        for (const [name, script] of Object.entries(HELPERS)) {
          const path = join(flags.directory, name)
          rmSync(path, { force: true })
          if (flags.remove) continue
          writeFileSync(path, wrapper(script, name))
          chmodSync(path, 0o755)
          console.log(path)
        }
      } catch (error) {
        fail(error, EXIT_FAILURE)
      }
    })
}

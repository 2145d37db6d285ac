#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { crashCommand } from './crash.js'
import { fsckCommand } from './fsck.js'
import { installHelpersCommand } from './install-helpers.js'
import { mkfsCommand } from './mkfs.js'
import { mountCommand } from './mount.js'
import { ensureSearchPath } from './search-path.js'
import { statusCommand } from './status.js'
import { syncCommand } from './sync.js'
import { umountCommand } from './umount.js'

/** dist/src/cli is three folders below the package. */
function version(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const program = new Command('fakedax')
  .description(
    'Mounts a real ext4 file system over emulated persistent memory (virtio-pmem with DAX), and cuts its power.',
  )
  .version(version(), '-V, --version')
  .showHelpAfterError('(add --help for help)')
  .addCommand(mkfsCommand())
  .addCommand(mountCommand())
  .addCommand(statusCommand())
  .addCommand(syncCommand())
  .addCommand(crashCommand())
  .addCommand(umountCommand())
  .addCommand(fsckCommand())
  .addCommand(installHelpersCommand())
  .addHelpText(
    'after',
    `
A first try, as root:
  fakedax mkfs disk.img --size 256M
  mkdir -p /mnt/disk && fakedax mount disk.img /mnt/disk
  cp -r /etc /mnt/disk; fakedax status /mnt/disk
  fakedax crash /mnt/disk          what was not synced is gone, the rest is whole
  fakedax umount /mnt/disk && fakedax fsck disk.img`,
  )

/** `fakedax IMAGE DIR -o LIST` is how mount.fuse3(8) mounts `fakedax#IMAGE`. */
function named(parameters: readonly string[]): string[] {
  const command = program.commands.some((each) => each.name() === parameters[0])
  return !command && parameters[2] === '-o' ? ['mount', ...parameters] : [...parameters]
}

ensureSearchPath()
await program.parseAsync(named(process.argv.slice(2)), { from: 'user' })

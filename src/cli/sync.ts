import { Command } from 'commander'
import { syncMount } from '../machine/mounted.js'
import { EXIT_FAILURE, fail } from './failure.js'

export function syncCommand(): Command {
  return new Command('sync')
    .summary('make everything written so far durable')
    .description(
      [
        'Commits the journal and flushes: what was written below DIR before survives a power failure.',
        'On mounts of type fuse (see status) sync(1) does not do that, and syncfs(2) neither; by itself it is done when a',
        'change is as old as the commit interval, "mount -o commit=SECONDS", 5 s. fsync(2) works on all mounts.',
      ].join('\n'),
    )
    .argument('<dir>', 'where it is mounted')
    .action(async (dir: string) => {
      try {
        await syncMount(dir)
      } catch (error) {
        fail(error, EXIT_FAILURE)
      }
    })
}

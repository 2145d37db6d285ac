import { Command } from 'commander'
import { syncMount } from '../machine/mounted.js'
import { EXIT_FAILURE, fail } from './failure.js'

export function syncCommand(): Command {
  return new Command('sync')
    .summary('make everything written so far durable')
    .description(
      'Commits the journal and flushes: what was written below DIR before survives a power failure.',
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

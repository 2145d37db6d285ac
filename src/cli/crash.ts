import { Command, Option } from 'commander'
import { type CrashOutcome, crashMount } from '../machine/mounted.js'
import { EXIT_FAILURE, fail } from './failure.js'
import { describeRecovery } from './mount-action.js'
import { formatSize } from './size.js'

function describe(outcome: CrashOutcome): string {
  if (outcome.kind === 'guest') return 'guest crashed: every stored byte is kept, the uncommitted is not'
  if (outcome.bytesLost === undefined) return 'power failed: the process did not answer and was killed'
  return `power failed: ${formatSize(outcome.bytesLost)} that no FLUSH covered are lost (${outcome.flushRequests} FLUSH requests before)`
}

export function crashCommand(): Command {
  return new Command('crash')
    .summary('cut the power of a mount, then mount it again')
    .description(
      [
        'Cuts the power at once, then mounts the image again with the same options, which recovers it.',
        'Programs that use the mount get errors, as their files are gone.',
        '',
        'host:  the host fails; what no completed FLUSH covers is lost. Needs --host-cache emulated.',
        'guest: the guest kernel dies; every stored byte stays, what was not committed does not.',
      ].join('\n'),
    )
    .argument('<dir>', 'where it is mounted')
    .addOption(new Option('-k, --kind <kind>', 'what fails').choices(['host', 'guest']).default('host'))
    .option('--no-remount', 'leave it unmounted')
    .action(async (dir: string, flags: { kind: 'host' | 'guest'; remount: boolean }) => {
      try {
        const outcome = await crashMount(dir, flags)
        console.log(describe(outcome))
        if (outcome.remounted !== undefined) {
          const recovery = describeRecovery(outcome.remounted) || 'nothing to recover'
          console.log(`mounted again at ${dir}: ${recovery}`)
        }
      } catch (error) {
        fail(error, EXIT_FAILURE)
      }
    })
}

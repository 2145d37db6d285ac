import { Command } from 'commander'
import type { Problem } from '../machine/check-image.js'
import { fail } from './failure.js'

/** e2fsck's: operational error. */
const EXIT_NOT_CHECKED = 8

function describe(problem: Problem): string {
  const place = [
    problem.ino === undefined ? '' : ` of inode ${problem.ino}`,
    problem.block === undefined ? '' : ` at block ${problem.block}`,
  ].join('')
  return `${problem.severity}: ${problem.structure}${place}: ${problem.message}`
}

export function fsckCommand(): Command {
  return new Command('fsck')
    .summary('check the file system of an image')
    .description(
      [
        'Checks the file system of an image, without changing it and without replaying its journal',
        '(mounting does that). Prints every problem.',
        "Exit status, as e2fsck's: 0 no errors, 4 errors, 8 it could not be checked.",
      ].join('\n'),
    )
    .argument('<image>', 'image that is not mounted for writing')
    .option('-q, --quiet', 'print nothing but problems')
    .action(async (image: string, flags: { quiet?: boolean }) => {
      try {
        const { checkImage } = await import('../machine/check-image.js')
        const report = await checkImage({ image, report: (problem) => console.log(describe(problem)) })
        if (report.status !== EXIT_NOT_CHECKED && !flags.quiet) {
          const found = report.errors === 0 ? 'clean' : `${report.errors} errors`
          console.log(
            `${image}: ${found}, ${report.inodesUsed}/${report.inodesCount} files, ${report.blocksUsed}/${report.blocksCount} blocks`,
          )
        }
        process.exitCode = report.status
      } catch (error) {
        fail(error, EXIT_NOT_CHECKED)
      }
    })
}

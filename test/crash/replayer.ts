import { Campaign } from '../../src/crash/campaign.js'
import { exploreGenerations } from '../../src/crash/generations.js'
import type { ImageSet } from '../../src/crash/image-set.js'
import { noCounts } from '../../src/crash/summary.js'
import { e2fsck } from '../guest/ext4/image.js'
import { type CorruptResult, corruptOnce, corruptSubject } from './corrupt-images.js'
import { failedRun, judgeFailedRun } from './failed-run.js'
import { runAgainstModel } from './model-run.js'
import { hunt } from './mutant-hunt.js'
import { MUTANTS } from './mutants.js'
import type { Replayable } from './replay-line.js'
import { samplingJudges } from './sampling-judges.js'

/** Does once more what a line of the long test stands for. What is wrong with it; undefined: nothing. */
export async function replayOnce(what: Replayable, images: ImageSet): Promise<string | undefined> {
  switch (what.kind) {
    case 'state':
      return new Campaign(images).replay(what.replay, samplingJudges().sample)
    case 'run':
      return new Campaign(images).rerun(what.trial)
    case 'generations':
      return exploreGenerations(await images.get(what.image), what.options, noCounts())
    case 'model': {
      const { wrong, image } = await runAgainstModel(await images.get(what.image), what.seed, what.options)
      if (wrong !== undefined) return wrong
      const { status, output } = e2fsck(image)
      return status === 0 ? undefined : `e2fsck -fn: ${output}`
    }
    case 'corrupt': {
      const result = await corruptOnce(await corruptSubject(await images.get(what.image)), what.seed)
      return corruptFailure(result) ?? disagreement(result)
    }
    case 'failure':
      return judgeFailedRun(what.trial, await failedRun(await images.get(what.trial.image), what.trial))
    case 'mutant': {
      const mutant = MUTANTS.find(({ name }) => name === what.name)
      if (mutant === undefined) throw new RangeError(`mutant "${what.name}"`)
      const { caught, states } = await hunt(mutant, images, what.seed, what.limit)
      return caught === undefined ? `not caught in ${states} crash states` : undefined
    }
  }
}

/** What was not survived; undefined: it was. */
export function corruptFailure({ what, error }: CorruptResult): string | undefined {
  if (error === undefined) return undefined
  return `${what}\n  ${error instanceof Error ? error.stack : error}`
}

/**
 * What the kernel refuses and `e2fsck -fn` passes over: wrong depths of extent trees; where an empty log would begin and
 * end (`JBD2: Invalid start block of journal`, `journal file too short`); the head of the list of orphans, which e2fsck
 * follows when it may write only (`ext4_orphan_get: bad orphan inode`). See test/guest/ext4/fsck/agreement.test.ts.
 */
const STRICTER = /eh_depth is|s_first is|s_maxlen is|cannot be an orphan/

/** Features that ours does not know: it says so, and nothing of the image. */
const NOT_JUDGED = /unsupported (incompat|ro_compat|compat) features:/

/** Where our checker and e2fsck do not agree whether the image is clean. */
export function disagreement({ what, clean, problems, image }: CorruptResult): string | undefined {
  const { status, output } = e2fsck(image)
  // It exits 0 also where it asked whether to mend a count and was told no.
  const isUnclear = status === 0 && /\? no$/m.test(output)
  const isStricter = status === 0 && problems.some((problem) => STRICTER.test(problem))
  if (problems.some((problem) => NOT_JUDGED.test(problem))) return undefined
  if (clean === (status === 0) || isUnclear || isStricter) return undefined
  const found = clean ? 'clean' : problems.slice(0, 5).join(' | ')
  const lines = output.split('\n').slice(0, 12).join('\n')
  return `${what}\n  e2fsck -fn exits ${status}, ours says ${found}\n${lines}`
}

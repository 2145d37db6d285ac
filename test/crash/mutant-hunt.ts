import { Prng } from '../../lib/prng.js'
import {
  CONCURRENT,
  REMOUNTS,
  REUSE,
  SEQUENCES_OF_ONE,
  SEQUENCES_OF_TWO,
  sequenceOfTwo,
} from '../../src/crash/ace.js'
import { Campaign, type Trial } from '../../src/crash/campaign.js'
import type { ImageSet } from '../../src/crash/image-set.js'
import type { Mutant } from './mutants.js'

export interface Hunt {
  readonly mutant: string
  readonly workloads: number
  readonly states: number
  /** What gave it away; undefined: nothing did. */
  readonly caught: string | undefined
}

/** Runs trials on a broken system until one shows it, at most `limit`. */
export async function hunt(mutant: Mutant, images: ImageSet, seed: number, limit: number): Promise<Hunt> {
  const restore = mutant.install?.()
  const campaign = new Campaign(images, mutant.machine)
  try {
    for (const trial of trials(seed, limit)) {
      await campaign.run(trial, seed, { failureLimit: 1, recoveryRate: 0, positionRate: 4, torn: 1 })
      if (campaign.failures.length > 0) break
    }
  } finally {
    restore?.()
  }
  const { workloads, states } = campaign.statistics
  return { mutant: mutant.name, workloads, states, caught: campaign.failures[0] }
}

/** Every kind in turn, so that no mutant has to wait for long. */
function* trials(seed: number, limit: number): Generator<Trial> {
  const prng = new Prng(seed)
  for (let count = 0; count < limit; count++) {
    const machine = prng.below(2) === 0 ? undefined : prng.next()
    if (count % 4 === 0) {
      const workload = SEQUENCES_OF_ONE[prng.below(SEQUENCES_OF_ONE.length)] as string
      yield { image: 'ace-1k', workload, seed: machine }
    } else if (count % 4 === 1) {
      yield { image: 'ace-1k', workload: sequenceOfTwo(prng.below(SEQUENCES_OF_TWO)), seed: machine }
    } else if (count % 4 === 2) {
      yield { image: 'small-1k', workload: `random:${prng.next()}/80/12/12000/4`, seed: machine }
    } else {
      yield { image: 'empty-1k', workload: `random:${prng.next()}/250/60/4000/6`, seed: machine }
      yield { image: 'ace-1k', workload: REUSE[prng.below(REUSE.length)] as string, seed: machine }
      yield { image: 'ace-1k', workload: REMOUNTS[prng.below(REMOUNTS.length)] as string, seed: machine }
      yield {
        image: 'ace-1k',
        workload: CONCURRENT[prng.below(CONCURRENT.length)] as string,
        seed: prng.next(),
      }
    }
  }
}

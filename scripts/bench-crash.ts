/** Counts the crash states a second of exhaustive sequences of two operations: recovered, read, judged and checked by us. */
import { parseArgs } from 'node:util'
import { Prng } from '../lib/prng.js'
import { SEQUENCES_OF_TWO, sequenceOfTwo } from '../src/crash/ace.js'
import { Campaign } from '../src/crash/campaign.js'
import { ImageSet } from '../src/crash/image-set.js'

const TARGET = 2000

const { values } = parseArgs({
  options: { workloads: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
})
const prng = new Prng(Number(values.seed))
const campaign = new Campaign(new ImageSet())
const began = performance.now()
for (let count = 0; count < Number(values.workloads); count++) {
  const workload = sequenceOfTwo(prng.below(SEQUENCES_OF_TWO))
  await campaign.run({ image: 'ace-1k', workload, seed: prng.next() }, prng.next(), {
    everyPosition: true,
    positionRate: 1,
    torn: 1,
    unit: 512,
    // Neither those nor other judges: each counted state is one recovery and one look at what came of it.
    recoveryRate: 0,
    sampleRate: 0,
  })
}
const seconds = (performance.now() - began) / 1000
const { states, seconds: processor } = campaign.statistics
const rates = [states / seconds, states / processor].map(Math.round)
console.log(campaign.summary)
console.log(
  `${rates[0]} states/s, ${rates[1]} states/s of CPU time, cold start included: at least ${TARGET}: ${rates[0]! >= TARGET ? 'met' : 'MISSED'}`,
)
process.exitCode = campaign.failures.length === 0 ? 0 : 1

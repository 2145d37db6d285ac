/** Power failures in the smallest workloads. Set CRASH_SEED for other draws. */
import t from 'tap'
import { SEQUENCES_OF_ONE } from '../../src/crash/ace.js'
import { Campaign } from '../../src/crash/campaign.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { samplingJudges } from './sampling-judges.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const images = new ImageSet()
const judges = samplingJudges()

t.setTimeout(120_000)

t.test(
  'sequences of one, blocks of 1 KiB: every store, every page missing or alone -> recovered',
  async (t) => {
    const campaign = new Campaign(images)
    for (const [index, workload] of SEQUENCES_OF_ONE.entries()) {
      await campaign.run({ image: 'ace-1k', workload, seed: undefined }, seed + index, {
        everyPosition: true,
        recoveryRate: 100,
        sampleRate: 60,
        sample: judges.sample,
      })
    }
    t.same(campaign.failures, [], `seed ${seed}`)
    t.comment(`${campaign.summary}; ${judges.described}`)
  },
)

t.test('sequences of one, blocks of a page', async (t) => {
  const campaign = new Campaign(images)
  for (const [index, workload] of SEQUENCES_OF_ONE.entries()) {
    if ((index + seed) % 8 !== 0) continue
    await campaign.run({ image: 'ace-4k', workload, seed: undefined }, seed + index, { everyPosition: true })
  }
  t.same(campaign.failures, [], `seed ${seed}`)
  t.comment(campaign.summary)
})

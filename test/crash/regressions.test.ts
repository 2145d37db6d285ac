import t from 'tap'
import { Campaign } from '../../src/crash/campaign.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { REGRESSIONS } from './regressions.js'

const images = new ImageSet()

t.setTimeout(120_000)

for (const { image, workload, seed, was } of REGRESSIONS) {
  t.test(`${workload} on ${image} -> recovered (once: ${was})`, async (t) => {
    const campaign = new Campaign(images)
    for (const draw of [1, 2]) {
      await campaign.run({ image, workload, seed }, draw, {
        everyPosition: true,
        random: 2,
        torn: 1,
        recoveryRate: 30,
      })
    }
    t.same(campaign.failures, [], campaign.summary)
  })
}

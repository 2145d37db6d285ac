/** Power failures in small workloads. Set CRASH_SEED for other draws. */
import t from 'tap'
import { Prng } from '../../lib/prng.js'
import { CONCURRENT, REMOUNTS, REUSE, SEQUENCES_OF_TWO, sequenceOfTwo } from '../../src/crash/ace.js'
import { Campaign } from '../../src/crash/campaign.js'
import { ImageSet } from '../../src/crash/image-set.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const images = new ImageSet()

t.setTimeout(120_000)

t.test('a sample of sequences of two, torn at sectors, at the pace of a schedule', async (t) => {
  const campaign = new Campaign(images)
  const prng = new Prng(seed)
  for (let count = 0; count < 50; count++) {
    const workload = sequenceOfTwo(prng.below(SEQUENCES_OF_TWO))
    const trial = { image: 'ace-1k', workload, seed: count % 2 === 0 ? undefined : prng.next() }
    await campaign.run(trial, seed + count, { torn: 1, recoveryRate: 200 })
  }
  t.same(campaign.failures, [], `seed ${seed}`)
  t.comment(campaign.summary)
})

t.test('several wait for durability at once', async (t) => {
  const campaign = new Campaign(images)
  for (let pace = 0; pace < 4; pace++) {
    for (const workload of CONCURRENT)
      await campaign.run({ image: 'ace-1k', workload, seed: seed + pace }, seed + pace, {
        torn: 1,
        recoveryRate: 200,
      })
  }
  t.same(campaign.failures, [], `seed ${seed}`)
  t.comment(campaign.summary)
})

t.test('blocks get new owners', async (t) => {
  const campaign = new Campaign(images)
  for (const workload of REUSE) {
    for (const pace of [undefined, seed]) {
      const options = { everyPosition: true, torn: 1, recoveryRate: 400 }
      await campaign.run({ image: 'ace-1k', workload, seed: pace }, seed, options)
    }
  }
  t.same(campaign.failures, [], `seed ${seed}`)
  t.comment(campaign.summary)
})

t.test('unmounted and mounted, torn at sectors', async (t) => {
  const campaign = new Campaign(images)
  for (const workload of REMOUNTS) {
    for (const [image, pace] of [
      ['ace-1k', undefined],
      ['ace-4k', seed],
    ] as const) {
      const options = { everyPosition: true, torn: 3, recoveryRate: 400 }
      await campaign.run({ image, workload, seed: pace }, seed, options)
    }
  }
  t.same(campaign.failures, [], `seed ${seed}`)
  t.comment(campaign.summary)
})

for (const unit of [64, 8]) {
  t.test(`torn at units of ${unit} bytes, as hosts do not`, async (t) => {
    const campaign = new Campaign(images)
    const prng = new Prng(seed)
    for (const [index, workload] of [...REMOUNTS, sequenceOfTwo(prng.below(SEQUENCES_OF_TWO))].entries()) {
      const trial = { image: index % 2 === 0 ? 'ace-1k' : 'ace-4k', workload, seed: undefined }
      await campaign.run(trial, seed + index, { random: 0, torn: 2, unit, recoveryRate: 0 })
    }
    t.same(campaign.failures, [], `seed ${seed}`)
    t.comment(campaign.summary)
  })
}

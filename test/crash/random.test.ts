/** Power failures in long random workloads, and such workloads against a model. Set CRASH_SEED for other draws. */
import t from 'tap'
import { Prng } from '../../lib/prng.js'
import { Campaign } from '../../src/crash/campaign.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { e2fsck } from '../guest/ext4/image.js'
import { runAgainstModel } from './model-run.js'
import { samplingJudges } from './sampling-judges.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const images = new ImageSet()

t.setTimeout(120_000)

for (const { image, shape, trials, positionRate, mount } of [
  { image: 'empty-1k', shape: '120/20/6000/5', trials: 5, positionRate: 12 },
  { image: 'small-1k', shape: '150/15/20000/8', trials: 5, positionRate: 12 },
  { image: 'empty-4k', shape: '80/15/9000/5', trials: 3, positionRate: 12 },
  // The journal is filled several times and its tail moves.
  { image: 'small-1k', shape: '700/25/4000/3', trials: 1, positionRate: 60 },
  {
    image: 'small-1k',
    shape: '150/15/20000/6',
    trials: 2,
    positionRate: 12,
    mount: { behaviour: { discard: true } },
  },
  {
    image: 'empty-4k',
    shape: '80/15/9000/5',
    trials: 1,
    positionRate: 12,
    mount: { behaviour: { discard: true } },
  },
]) {
  const options = mount === undefined ? '' : `, ${Object.keys(mount.behaviour)}`
  t.test(`power failures in random workloads of ${shape} on ${image}${options} -> recovered`, async (t) => {
    const campaign = new Campaign(images, mount && { mount })
    const judges = samplingJudges()
    const prng = new Prng(seed)
    for (let count = 0; count < trials; count++) {
      const trial = {
        image,
        workload: `random:${prng.next()}/${shape}`,
        seed: count % 2 === 0 ? undefined : prng.next(),
      }
      await campaign.run(trial, seed + count, {
        positionRate,
        torn: 1,
        recoveryRate: 400,
        sampleRate: 60,
        sample: judges.sample,
      })
    }
    t.same(campaign.failures, [], `seed ${seed}`)
    t.comment(`${campaign.summary}; ${judges.described}`)
  })
}

for (const { image, options, runs } of [
  {
    image: 'small-1k',
    runs: 3,
    options: { operations: 1500, names: 30, size: 9000, durableRate: 12, remountRate: 200 },
  },
  {
    image: 'empty-1k',
    runs: 2,
    options: { operations: 3000, names: 900, size: 9000, durableRate: 40, remountRate: 1000 },
  },
  {
    image: 'empty-4k',
    runs: 1,
    options: { operations: 2000, names: 60, size: 60_000, durableRate: 15, remountRate: 400 },
  },
]) {
  t.test(
    `${options.operations} random operations on ${image} -> as the model has it after every remount`,
    async (t) => {
      for (let run = 0; run < runs; run++) {
        const {
          wrong,
          image: after,
          refusals,
        } = await runAgainstModel(await images.get(image), seed + run, options)
        t.equal(wrong, undefined, `seed ${seed + run}, ${refusals.get('ENOSPC') ?? 0} times without room`)
        const judged = e2fsck(after)
        t.equal(judged.status, 0, judged.output)
      }
    },
  )
}

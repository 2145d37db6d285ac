import t from 'tap'
import { exploreGenerations } from '../../src/crash/generations.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { formatCounts, noCounts, timed } from '../../src/crash/summary.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const images = new ImageSet()

t.setTimeout(120_000)

for (const { name, shape, runs } of [
  { name: 'small-1k', shape: '40/12/5000/4', runs: 2 },
  { name: 'empty-4k', shape: '25/12/9000/4', runs: 1 },
]) {
  t.test(`one power failure after the other on ${name} -> each recovered`, async (t) => {
    const counts = noCounts()
    for (let run = 0; run < runs; run++) {
      const options = { seed: seed + run, generations: 10, shape }
      const first = await images.get(name)
      const wrong = await timed(counts, () => exploreGenerations(first, options, counts))
      t.equal(wrong, undefined, JSON.stringify(options))
    }
    t.comment(formatCounts(counts))
  })
}

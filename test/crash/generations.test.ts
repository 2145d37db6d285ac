import t from 'tap'
import type { ExplorerStatistics } from '../../src/crash/explorer.js'
import { exploreGenerations } from '../../src/crash/generations.js'
import { ImageSet } from '../../src/crash/image-set.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const images = new ImageSet()

t.setTimeout(120_000)

for (const { name, shape, runs } of [
  { name: 'small-1k', shape: '40/12/5000/4', runs: 2 },
  { name: 'empty-4k', shape: '25/12/9000/4', runs: 1 },
]) {
  t.test(`one power failure after the other on ${name} -> each recovered`, async (t) => {
    const statistics: ExplorerStatistics = { states: 0, duplicates: 0, recoveries: 0, trees: new Set() }
    for (let run = 0; run < runs; run++) {
      const options = { seed: seed + run, generations: 10, shape }
      const wrong = await exploreGenerations(await images.get(name), options, statistics)
      t.equal(wrong, undefined, JSON.stringify(options))
    }
    t.comment(`${statistics.states} crash states, ${statistics.recoveries} crashes during recovery`)
  })
}

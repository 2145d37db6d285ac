/** Power failures while deep trees grow and shrink, over several transactions where one is too small. */
import t from 'tap'
import { Campaign } from '../../src/crash/campaign.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { Journal } from '../../src/guest/jbd2/journal.js'
import { samplingJudges } from './sampling-judges.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const images = new ImageSet()

t.setTimeout(120_000)

const NAME = 'a-name-that-fills-directory-blocks-'

for (const { workload, positionRate } of [
  { workload: 'truncate big 5000; fsync big', positionRate: 30 },
  { workload: 'falloc big 3 3000 2500000; fdatasync big; append big 3000; fsync big', positionRate: 30 },
  { workload: 'falloc big 0 0 2000000; fsync big; truncate big 0; append big 2000; sync', positionRate: 30 },
  { workload: 'write big 100 20000; fsync big', positionRate: 120 },
  {
    workload: `creat D/${NAME}new; fsync D/${NAME}new; mkdir D/${NAME}more; unlink D/${NAME}0; fsync D`,
    positionRate: 12,
  },
  { workload: `rename D/${NAME}0 ${NAME}0; rename D/${NAME}x1 D/${NAME}yyy; sync`, positionRate: 30 },
]) {
  t.test(`${workload} -> recovered`, async (t) => {
    const campaign = new Campaign(images)
    const judges = samplingJudges()
    const options = { positionRate, torn: 1, recoveryRate: 300, sampleRate: 40, sample: judges.sample }
    for (const pace of [undefined, seed])
      await campaign.run({ image: 'deep-1k', workload, seed: pace }, seed, options)
    t.same(campaign.failures, [], `seed ${seed}`)
    t.comment(`${campaign.summary}; ${judges.described}`)
  })
}

/** Every step of a long operation finds its transaction full after a few blocks and waits for a commit. */
function smallTransactions(): () => void {
  const { ready, start } = Journal.prototype
  const room = Object.getOwnPropertyDescriptor(Journal.prototype, 'room') as PropertyDescriptor
  let asked = 0
  let waits = 0
  Journal.prototype.start = function (this: Journal) {
    asked = 0
    return start.call(this)
  }
  Journal.prototype.ready = function (this: Journal, credits: number) {
    return ++waits % 2 === 0 || !this.dirty ? ready.call(this, credits) : this.commit()
  }
  Object.defineProperty(Journal.prototype, 'room', {
    configurable: true,
    get(this: Journal) {
      return ++asked > 3 ? 0 : room.get?.call(this)
    },
  })
  return () => {
    Journal.prototype.ready = ready
    Journal.prototype.start = start
    Object.defineProperty(Journal.prototype, 'room', room)
  }
}

const EXTENTS = Array.from({ length: 14 }, (_, index) => `write foo ${index * 3072} 10`).join('; ')

for (const workload of [
  `${EXTENTS}; sync; truncate foo 5000; sync`,
  `${EXTENTS}; sync; truncate foo 3; fsync& foo; append foo 3000; sync`,
  `${EXTENTS}; sync; unlink foo; sync; append A/foo 9000; fsync A/foo`,
  `${EXTENTS}; sync; rename A/foo foo; fsync foo; append foo 9000; fsync foo`,
  `${EXTENTS}; sync; hold foo; unlink foo; truncate foo 2000; creat bar; append bar 9000; fsync bar`,
]) {
  t.test(`small transactions: ${workload.slice(EXTENTS.length + 2)} -> recovered`, async (t) => {
    t.teardown(smallTransactions())
    const campaign = new Campaign(images)
    for (const pace of [undefined, seed, seed + 1]) {
      const options = { positionRate: 5, torn: 1, recoveryRate: 100 }
      await campaign.run({ image: 'ace-1k', workload, seed: pace }, seed, options)
    }
    t.same(campaign.failures, [], `seed ${seed}`)
    t.comment(campaign.summary)
  })
}

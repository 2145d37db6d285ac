/** Our own code, broken on purpose: every break must show, or the tests about power failures prove nothing. */
import t from 'tap'
import { Campaign } from '../../src/crash/campaign.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { parseReplay } from '../../src/crash/replay.js'
import { hunt } from './mutant-hunt.js'
import { MUTANTS } from './mutants.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const images = new ImageSet()

t.setTimeout(120_000)

for (const mutant of MUTANTS) {
  t.test(`${mutant.name} -> caught`, async (t) => {
    const { caught, workloads, states } = await hunt(mutant, images, seed, 60)
    t.type(caught, 'string', `after ${workloads} workloads and ${states} crash states`)
    t.comment(`deliberate break caught after ${workloads} workloads, ${states} crash states`)
  })
}

t.test('the replay line of a failure -> the same failure', async (t) => {
  const [mutant] = MUTANTS as [(typeof MUTANTS)[number]]
  const { caught = '' } = await hunt(mutant, images, seed, 60)
  const [line = '', message = ''] = caught.split('\n')
  const again = await new Campaign(images, mutant.machine).replay(parseReplay(line))
  t.equal(again?.split('\n')[0], message.trim())
})

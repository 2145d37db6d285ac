import t from 'tap'
import { Campaign } from '../../src/crash/campaign.js'
import { ImageSet } from '../../src/crash/image-set.js'
import type { Behaviour } from '../../src/guest/ext4/mount-options.js'

const images = new ImageSet()

t.setTimeout(120_000)

/** By lazytime other inodes may be newer than the times that were seen before: so there it is one inode only. */
const WORKLOADS: readonly [workload: string, behaviour: Partial<Behaviour>][] = [
  ['read foo; append foo 5000; fsync foo; read foo; append foo 10; read foo; sync; read foo', {}],
  ['read A; read A/foo; rename A/foo bar2; fsync bar2; read bar2; unlink bar2; read A; sync&; read foo', {}],
  ['read foo; fdatasync foo; read A/foo; read foo; fsync foo; tick 5000; read foo', { atime: 'strictatime' }],
  ['read foo; hold foo; unlink foo; read foo; fsync foo; read foo; sync', { atime: 'strictatime' }],
  [
    'append foo 100; fsync foo; read foo; write foo 0 50; read foo; fsync foo; write foo 10 10; chmod foo 600; sync',
    { atime: 'strictatime', lazytime: true },
  ],
  [
    'append foo 100; sync; write foo 0 50; fdatasync foo; read foo; tick 5000; sync; read foo',
    { lazytime: true },
  ],
]

for (const [workload, behaviour] of WORKLOADS) {
  t.test(`${workload}, ${JSON.stringify(behaviour)} -> times as promised in each crash state`, async (t) => {
    const campaign = new Campaign(images, { mount: { behaviour } })
    for (const seed of [undefined, 1])
      await campaign.run({ image: 'ace-4k', workload, seed }, 1, { everyPosition: true })
    t.same(campaign.failures, [], campaign.summary)
  })
}

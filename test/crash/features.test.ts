/** Power failures on file systems with features beyond the default. Set CRASH_SEED for other draws. */
import t from 'tap'
import { Prng } from '../../lib/prng.js'
import { PRELUDE, SEQUENCES_OF_ONE } from '../../src/crash/ace.js'
import { Campaign } from '../../src/crash/campaign.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { prepareImage } from '../../src/crash/simulation.js'
import { mkfsExt4 } from '../guest/ext4/image.js'
import { samplingJudges } from './sampling-judges.js'

t.setTimeout(120_000)

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const SMALL = ['-b', '1024', '-I', '256', '-N', '64', '-J', 'size=1', '-m', '0']
/** As the prelude of ACE, with files and directories that stand in their inodes. */
const INLINE_PRELUDE =
  'mkdir A; mkdir B; mkdir A/C; creat foo; append foo 100; creat A/foo; append A/foo 50; symlink 70 link; creat hole; write hole 60 20'

/** What moves content out of the inode, by size, by attributes, by entries. */
const INLINE_WORKLOADS = [
  'write foo 10 30; fsync foo; write foo 20 30; fdatasync foo',
  'append foo 200; fsync foo; truncate foo 20; fsync foo; append foo 5',
  'append A/foo 40; append A/foo 40; fsync A/foo; append A/foo 3000',
  'truncate foo 0; append foo 90; fsync foo; truncate foo 5000; fsync foo',
  'falloc foo 3 10 20; fsync foo; creat bar; write bar 30 30; fsync bar; falloc bar 0 0 4000',
  'setxattr foo user.a 300; setxattr foo user.b 700; fsync foo; removexattr foo user.b',
  'creat B/one; creat B/two; creat B/three; fsync B; creat B/four; creat B/five; creat B/six; creat B/seven; fsync B',
  'creat A/C/one; rename A/C/one A/C/another; fsync A/C; unlink A/C/another; rmdir A/C; fsync A',
  'symlink 100 A/a; symlink 300 A/b; fsync A; unlink A/a; unlink A/b',
  'hold foo; unlink foo; append foo 100; fsync foo; rename A/foo foo; fsync .',
]

/** What shares clusters among extents, and frees parts of them. */
const CLUSTER_WORKLOADS = [
  'write hole 3000 1000; write hole 1000 1000; fsync hole; write hole 6000 3000; fsync hole',
  'falloc foo 3 1024 1024; fsync foo; write foo 1024 500; fdatasync foo; falloc foo 3 0 5000',
  'truncate foo 1500; fsync foo; append foo 3000; fsync foo; truncate foo 0; fsync foo; append A/foo 9000',
  'falloc foo 1 5000 30000; fsync foo; write foo 20000 100; fsync foo; truncate foo 19000',
  'setxattr foo user.large 600; fsync foo; unlink foo; append A/foo 9000; fsync A/foo',
  'mkdir D; creat D/x; fsync D; unlink D/x; rmdir D; append foo 9000; fsync foo',
]

/** What makes blocks of pointers come and go, on two levels. */
const INDIRECT_WORKLOADS = [
  'write foo 300000 3000; fsync foo; write foo 20000 9000; fsync foo; truncate foo 14000; fsync foo; unlink foo',
  'write hole 12000 2000; fsync hole; falloc hole 3 12288 2000; append A/foo 9000; append foo 20000; fsync .',
]

for (const { name, options, prelude, workloads, shape, every } of [
  {
    name: 'inline_data',
    options: ['-O', 'inline_data'],
    prelude: INLINE_PRELUDE,
    workloads: INLINE_WORKLOADS,
    shape: '120/12/260/5',
    every: 9,
  },
  {
    name: 'bigalloc',
    options: ['-O', 'bigalloc', '-C', '4096'],
    prelude: PRELUDE,
    workloads: CLUSTER_WORKLOADS,
    shape: '120/12/9000/5',
    every: 9,
  },
  {
    name: 'indirect blocks',
    options: ['-O', '^extent,^64bit'],
    prelude: PRELUDE,
    workloads: INDIRECT_WORKLOADS,
    shape: '120/12/30000/5',
    every: 9,
  },
]) {
  t.test(`power failures on an image with ${name} -> recovered`, async (t) => {
    const images = new ImageSet()
    const empty = mkfsExt4(4 << 20, [...SMALL, ...options])
    images.add(`${name}-empty`, empty)
    images.add(name, await prepareImage(empty, prelude))
    const judges = samplingJudges()
    const campaign = new Campaign(images)
    const choice = { sampleRate: 60, sample: judges.sample }
    for (const [index, workload] of workloads.entries())
      await campaign.run({ image: name, workload, seed: undefined }, seed + index, {
        ...choice,
        everyPosition: true,
      })
    for (const [index, workload] of SEQUENCES_OF_ONE.entries()) {
      if ((index + seed) % every === 0)
        await campaign.run({ image: name, workload, seed: undefined }, seed + index, choice)
    }
    const prng = new Prng(seed)
    for (let count = 0; count < 2; count++) {
      const workload = `random:${prng.next()}/${shape}`
      const trial = { image: `${name}-empty`, workload, seed: count === 0 ? undefined : prng.next() }
      await campaign.run(trial, seed + count, { ...choice, positionRate: 12, torn: 1, recoveryRate: 400 })
    }
    t.same(campaign.failures, [], `seed ${seed}`)
    t.comment(`${campaign.summary}; ${judges.described}`)
  })
}

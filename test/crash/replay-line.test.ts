/** Lines of the long test: read back as they were written, and doing again what they stand for. */
import t from 'tap'
import { ImageSet } from '../../src/crash/image-set.js'
import { Ext4 } from '../../src/guest/ext4/ext4.js'
import { Checkpoint } from '../../src/guest/jbd2/checkpoint.js'
import { fixedImage } from './long-images.js'
import { MUTANTS } from './mutants.js'
import { formatReplayLine, parseReplayLine, type Replayable } from './replay-line.js'
import { replayOnce } from './replayer.js'

const images = new ImageSet()

const LINES: readonly Replayable[] = [
  {
    kind: 'state',
    replay: {
      image: 'ace-1k',
      seed: undefined,
      workload: 'creat bar; fsync bar',
      epoch: 0,
      stores: 2,
      survivors: 'torn:77/512',
      tried: true,
      recovery: false,
    },
  },
  { kind: 'run', trial: { image: 'small-1k', seed: 5, workload: 'random:9/40/10/3000/4' } },
  { kind: 'generations', image: 'small-1k', options: { seed: 3, generations: 2, shape: '20/8/3000/4' } },
  {
    kind: 'model',
    image: 'empty-1k',
    seed: 12,
    options: { operations: 80, names: 20, size: 4000, durableRate: 15, remountRate: 40 },
  },
  { kind: 'corrupt', image: 'empty-1k', seed: 8 },
  {
    kind: 'failure',
    trial: {
      image: 'ace-1k',
      seed: 4,
      workload: 'append foo 40; fsync foo; creat bar; sync',
      fault: { kind: 'sync', at: 5, code: 'EIO', after: 'clean, new content', sticky: false },
    },
  },
  {
    kind: 'failure',
    trial: { image: 'ace-1k', seed: undefined, workload: 'sync', fault: { kind: 'reset', at: 0 } },
  },
  { kind: 'mutant', name: MUTANTS[0]?.name ?? '', seed: 1, limit: 20 },
]

for (const what of LINES) {
  const line = formatReplayLine(what)

  t.test(`${line} -> the same again`, async (t) => {
    t.notMatch(line, '\n')
    t.same(parseReplayLine(line), what)
    t.same(parseReplayLine(`FAILED ${line}`), what)
    t.equal(await replayOnce(parseReplayLine(line), images), undefined)
  })
}

const neverHome = (): (() => void) => {
  const { writeHome } = Checkpoint.prototype
  Checkpoint.prototype.writeHome = () => 0
  return () => {
    Checkpoint.prototype.writeHome = writeHome
  }
}

const breakExt4 = (key: 'fsync' | 'rmdir', broken: () => undefined) => (): (() => void) => {
  const original = Ext4.prototype[key]
  Object.assign(Ext4.prototype, { [key]: broken })
  return () => {
    Object.assign(Ext4.prototype, { [key]: original })
  }
}

const fails = (): never => {
  throw new Error('broken on purpose')
}

for (const { kind, install, message } of [
  { kind: 'run', install: breakExt4('fsync', fails), message: /broken on purpose/ },
  { kind: 'generations', install: neverHome, message: /generation \d/ },
  { kind: 'model', install: neverHome, message: /remount/ },
  { kind: 'corrupt', install: breakExt4('rmdir', fails), message: /broken on purpose/ },
  { kind: 'failure', install: breakExt4('fsync', () => undefined), message: /lost/ },
]) {
  t.test(
    `${kind}: deliberately broken -> its line shows the same failure again, mended it does not`,
    async (t) => {
      const what = LINES.find((one) => one.kind === kind) as Replayable
      await replayOnce(what, images)
      const restore = install()
      t.teardown(restore)
      const wrong = await replayOnce(what, images)
      t.match(wrong, message)
      const again = await replayOnce(parseReplayLine(`FAILED ${formatReplayLine(what)}`), images)
      // A stack tells who asked.
      t.equal(again?.split('\n    at ')[0], wrong?.split('\n    at ')[0])
      restore()
      t.equal(await replayOnce(what, images), undefined)
    },
  )
}

t.test('lines that say too little, or nothing -> RangeError', async (t) => {
  for (const line of [
    '',
    'what=1',
    'dance image=ace-1k seed=1',
    'model image=empty-1k seed=1 operations=80',
    'model image=empty-1k seed=x operations=80 names=1 size=1 durableRate=1 remountRate=1',
    'failure image=ace-1k seed=1 workload=sync fault="sync 3 EFBIG once keep dirty"',
    'corrupt seed=1',
  ])
    t.throws(() => parseReplayLine(line), RangeError, line)
  await t.rejects(replayOnce({ kind: 'mutant', name: 'nobody', seed: 1, limit: 1 }, images), RangeError)
})

t.test('images that mke2fs makes -> the same every time', async (t) => {
  const options = ['-b', '1024', '-O', '^orphan_file']
  t.equal(Buffer.compare(fixedImage(options), fixedImage(options)), 0)
})

/** A host or a device that fails under the file system: nothing acknowledged is lost, nothing hangs. */
import t from 'tap'
import { CONCURRENT } from '../../src/crash/ace.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { formatCounts, noCounts } from '../../src/crash/summary.js'
import { type Fault, failedRun, judgeFailedRun, LATCHED, MOUNT_SYNCS } from './failed-run.js'
import type { AfterFailure } from './failing-host.js'

const images = new ImageSet()

t.setTimeout(120_000)
const WORKLOADS = [
  'append foo 40; fsync foo; creat bar; append bar 3000; fsync bar; rename bar A/bar; sync; unlink foo; sync; append A/bar 10; fsync A/bar',
  ...CONCURRENT,
]
for (const after of ['keep dirty', 'clean, new content', 'clean, old content'] as AfterFailure[]) {
  t.test(
    `a sync fails, the pages then: ${after} -> read-only, no later fsync succeeds, all acknowledged is kept`,
    async (t) => {
      const counts = noCounts()
      let told = 0
      for (const [index, concurrent] of WORKLOADS.entries()) {
        // Old content must not come back in the middle of an operation: the oracle would never have seen the new.
        const workload = after === 'clean, old content' ? concurrent.replaceAll('&', '') : concurrent
        for (let at = 1; at <= 4; at++) {
          const sticky = (index + at) % 2 === 0
          const code = at % 2 === 0 ? 'EIO' : 'ENOSPC'
          const fault: Fault = { kind: 'sync', at: MOUNT_SYNCS + at, code, after, sticky }
          const seed = index % 2 === 0 ? undefined : index * 10 + at
          const trial = { image: 'ace-1k', workload, seed, fault }
          const run = await failedRun(await images.get(trial.image), trial, counts)
          t.equal(judgeFailedRun(trial, run), undefined, `sync ${at}, ${sticky} of "${workload}"`)
          if (run.codes.length > 0) told++
        }
      }
      t.ok(told > 10, `in ${told} runs someone was told`)
      t.comment(formatCounts(counts))
    },
  )
}

t.test('the device needs a reset -> read-only, all acknowledged is kept', async (t) => {
  for (const workload of WORKLOADS) {
    const trial = { image: 'ace-1k', workload, seed: undefined, fault: { kind: 'reset', at: 2 } } as const
    const { codes, ...rest } = await failedRun(await images.get('ace-1k'), trial)
    t.same(rest, { ...LATCHED, hanging: [] }, `"${workload}"`)
    t.ok(codes.length > 0, 'someone was told')
  }
})

t.test('a sync that never ends -> whoever waits is told when the driver gives up', async (t) => {
  for (let at = 1; at <= 5; at++) {
    const fault = { kind: 'hang', at: MOUNT_SYNCS + at } as const
    const trial = { image: 'ace-1k', workload: WORKLOADS[0] as string, seed: undefined, fault }
    const { codes, hanging, ...rest } = await failedRun(await images.get('ace-1k'), trial)
    t.same(rest, LATCHED, `sync ${at}: ${codes.join(' ')}`)
    t.equal(hanging.length, 1, 'only the call during which the time stood still waits for it')
  }
})

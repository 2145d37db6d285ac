/** A host or a device that fails under the file system: nothing acknowledged is lost, nothing hangs. */
import t from 'tap'
import { E, FsError } from '../../lib/errno.js'
import { Prng } from '../../lib/prng.js'
import { CONCURRENT } from '../../src/crash/ace.js'
import { Explorer, type ExplorerStatistics } from '../../src/crash/explorer.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { parseWorkload } from '../../src/crash/operation.js'
import { SimulatedMachine, type SimulatedMachineOptions } from '../../src/crash/simulated-machine.js'
import { VirtualClock } from '../../src/crash/virtual-clock.js'
import { WorkloadRunner } from '../../src/crash/workload-runner.js'
import { type AfterFailure, failingSync } from './failing-host.js'

const images = new ImageSet()

t.setTimeout(120_000)
const WORKLOADS = [
  'append foo 40; fsync foo; creat bar; append bar 3000; fsync bar; rename bar A/bar; sync; unlink foo; sync; append A/bar 10; fsync A/bar',
  ...CONCURRENT,
]
/** Turns of the microtask queue after which nothing may still be under way. */
const PATIENCE = 3000

interface FailedRun {
  /** Codes of the calls that failed. */
  readonly codes: readonly string[]
  readonly readOnly: boolean
  /** What a further fsync and a further change of the file system said. */
  readonly later: readonly (string | undefined)[]
  readonly unmount: string | undefined
  readonly hanging: string[]
  /** Crash states of the whole run that lost what was acknowledged. */
  readonly lost: readonly string[]
  readonly states: number
}

/** Settles within {@link PATIENCE} turns: the code it failed with, undefined for success, or `hangs`. */
async function codeOf(work: () => Promise<unknown> | undefined): Promise<string | undefined> {
  let outcome: { code: string | undefined } | undefined
  const run = async (): Promise<void> => {
    try {
      await work()
      outcome = { code: undefined }
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      outcome = { code: error.code }
    }
  }
  const running = run()
  for (let turn = 0; turn < PATIENCE && outcome === undefined; turn++) await undefined
  if (outcome === undefined) return 'hangs'
  await running
  return outcome.code
}

async function failedRun(
  workload: string,
  options: Partial<SimulatedMachineOptions>,
  during?: (machine: SimulatedMachine, operation: number) => void,
): Promise<FailedRun> {
  const machine = new SimulatedMachine({
    image: await images.get('ace-1k'),
    clock: new VirtualClock(1_767_229_200_000),
    ...options,
  })
  await machine.mount()
  const image = machine.bytes.slice()
  const runner = new WorkloadRunner(machine)
  machine.record()
  const codes: string[] = []
  const hanging: string[] = []
  for (const [number, operation] of parseWorkload(workload).entries()) {
    during?.(machine, number)
    const code = await codeOf(() => runner.step(operation))
    if (code === 'hangs') {
      hanging.push(operation.name)
      // Only time helps it.
      machine.tick(61_000)
    } else if (code !== undefined) codes.push(code)
    runner.catchUp()
  }
  const { fs } = machine
  const later = [await codeOf(async () => fs.fsync(fs.root, false)), await codeOf(async () => fs.ready())]
  const { readOnly } = fs
  const unmount = await codeOf(() => fs.unmount())
  const statistics: ExplorerStatistics = { states: 0, duplicates: 0, recoveries: 0, trees: new Set() }
  const explorer = new Explorer(
    image,
    runner.oracle,
    {
      prng: new Prng(1),
      random: 1,
      torn: 0,
      unit: 512,
      positionRate: 1,
      everyPosition: false,
      recoveryRate: 0,
      sampleRate: 0,
      failureLimit: 3,
    },
    statistics,
  )
  await explorer.explore(machine.log)
  const lost = explorer.failures.map(({ message }) => message)
  return { codes, readOnly, later, unmount, hanging, lost, states: statistics.states }
}

const LATCHED: Omit<FailedRun, 'codes' | 'states'> = {
  readOnly: true,
  later: ['EIO', 'EROFS'],
  unmount: 'EIO',
  hanging: [],
  lost: [],
}

for (const after of ['keep dirty', 'clean, new content', 'clean, old content'] as AfterFailure[]) {
  t.test(
    `a sync fails, the pages then: ${after} -> read-only, no later fsync succeeds, all acknowledged is kept`,
    async (t) => {
      let states = 0
      for (const [index, concurrent] of WORKLOADS.entries()) {
        // Old content must not come back in the middle of an operation: the oracle would never have seen the new.
        const workload = after === 'clean, old content' ? concurrent.replaceAll('&', '') : concurrent
        for (let at = 1; at <= 4; at++) {
          const sticky = (index + at) % 2 === 0
          const sync = failingSync({ at: at + 1, errno: at % 2 === 0 ? E.EIO : E.ENOSPC, after, sticky })
          const schedule = index % 2 === 0 ? {} : { schedule: new Prng(index * 10 + at) }
          const { codes, states: seen, ...rest } = await failedRun(workload, { sync, ...schedule })
          states += seen
          if (codes.length === 0) continue
          t.same(rest, LATCHED, `sync ${at}${sticky ? ' and all later' : ''} of "${workload}"`)
          t.ok(
            codes.every((code) => code === 'EIO' || code === 'EROFS'),
            codes.join(' '),
          )
        }
      }
      t.comment(`${states} crash states`)
    },
  )
}

t.test('the device needs a reset -> read-only, all acknowledged is kept', async (t) => {
  for (const workload of WORKLOADS) {
    const { codes, states, ...rest } = await failedRun(workload, {}, (machine, operation) => {
      if (operation === 2) machine.breakDevice()
    })
    t.same(rest, LATCHED, `"${workload}", ${states} crash states`)
    t.ok(codes.length > 0, 'someone was told')
  }
})

t.test('a sync that never ends -> whoever waits is told when the driver gives up', async (t) => {
  for (let at = 2; at <= 6; at++) {
    let count = 0
    const sync: NonNullable<SimulatedMachineOptions['sync']> = (own) => () =>
      ++count === at ? new Promise<number>(() => {}) : own()
    const { codes, states, hanging, ...rest } = await failedRun(WORKLOADS[0] as string, { sync })
    const { hanging: _, ...latched } = LATCHED
    t.same(rest, latched, `sync ${at}: ${codes.join(' ')}, ${states} crash states`)
    t.equal(hanging.length, 1, 'only the call during which the time stood still waits for it')
  }
})

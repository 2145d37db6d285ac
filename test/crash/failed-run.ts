import { E, FsError } from '../../lib/errno.js'
import { Prng } from '../../lib/prng.js'
import { Explorer } from '../../src/crash/explorer.js'
import { parseWorkload } from '../../src/crash/operation.js'
import { expandWorkload } from '../../src/crash/replay.js'
import { SimulatedMachine, type SimulatedMachineOptions } from '../../src/crash/simulated-machine.js'
import { type CrashCounts, noCounts, timed } from '../../src/crash/summary.js'
import { VirtualClock } from '../../src/crash/virtual-clock.js'
import { WorkloadRunner } from '../../src/crash/workload-runner.js'
import { type AfterFailure, failingSync } from './failing-host.js'

/** Syncs of the host that a mount of a clean image asks for. */
export const MOUNT_SYNCS = 3

/**
 * What fails: the host's sync number `at`; the device (`reset`), before operation `at`; or sync number `at` never ends
 * (`hang`). Operations are counted from 0, syncs from 1, the mount's first {@link MOUNT_SYNCS} included.
 */
export type Fault =
  | {
      readonly kind: 'sync'
      readonly at: number
      readonly code: 'EIO' | 'ENOSPC'
      readonly after: AfterFailure
      readonly sticky: boolean
    }
  | { readonly kind: 'reset' | 'hang'; readonly at: number }

export interface FailureTrial {
  readonly image: string
  readonly workload: string
  /** Of the machine's schedule. */
  readonly seed: number | undefined
  readonly fault: Fault
}

/** As words: `sync AT CODE once|always AFTER`, `reset AT`, `hang AT`. */
export function formatFault(fault: Fault): string {
  if (fault.kind !== 'sync') return `${fault.kind} ${fault.at}`
  const { at, code, sticky, after } = fault
  return `sync ${at} ${code} ${sticky ? 'always' : 'once'} ${after}`
}

/** Throws RangeError. */
export function parseFault(text: string): Fault {
  const [, simple, place, at, code, often, after] =
    /^(?:(reset|hang) (\d+)|sync (\d+) (EIO|ENOSPC) (once|always) (keep dirty|clean, new content|clean, old content))$/.exec(
      text,
    ) ?? []
  if (simple === 'reset' || simple === 'hang') return { kind: simple, at: Number(place) }
  if (code !== 'EIO' && code !== 'ENOSPC') throw new RangeError(`fault "${text}"`)
  return { kind: 'sync', at: Number(at), code, sticky: often === 'always', after: after as AfterFailure }
}

export interface FailedRun {
  /** Codes of the calls that failed. */
  readonly codes: readonly string[]
  readonly readOnly: boolean
  /** What a further fsync and a further change of the file system said. */
  readonly later: readonly (string | undefined)[]
  readonly unmount: string | undefined
  readonly hanging: string[]
  /** Crash states of the whole run that lost what was acknowledged. */
  readonly lost: readonly string[]
}

/** Turns of the microtask queue after which nothing may still be under way. */
const PATIENCE = 3000

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

function syncOf(fault: Fault): Partial<SimulatedMachineOptions> {
  if (fault.kind === 'reset') return {}
  if (fault.kind === 'sync') {
    const { at, code, after, sticky } = fault
    return { sync: failingSync({ at, errno: E[code], after, sticky }) }
  }
  let count = 0
  return { sync: (own) => () => (++count === fault.at ? new Promise<number>(() => {}) : own()) }
}

/** Runs the workload on a machine that fails, and looks at every crash state of it. `image`: the trial's; not changed. */
export async function failedRun(
  image: Uint8Array,
  trial: FailureTrial,
  counts: CrashCounts = noCounts(),
): Promise<FailedRun> {
  return timed(counts, () => run(image, trial, counts))
}

async function run(image: Uint8Array, trial: FailureTrial, counts: CrashCounts): Promise<FailedRun> {
  counts.workloads++
  const { fault, seed } = trial
  const machine = new SimulatedMachine({
    image,
    clock: new VirtualClock(1_767_229_200_000),
    ...syncOf(fault),
    ...(seed === undefined ? {} : { schedule: new Prng(seed) }),
  })
  await machine.mount()
  const certain = machine.bytes.slice()
  const runner = new WorkloadRunner(machine)
  machine.record()
  const codes: string[] = []
  const hanging: string[] = []
  for (const [number, operation] of parseWorkload(expandWorkload(trial.workload)).entries()) {
    if (fault.kind === 'reset' && fault.at === number) machine.breakDevice()
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
  const explorer = new Explorer(
    certain,
    runner.oracle,
    {
      prng: new Prng(1),
      random: 1,
      torn: 1,
      unit: 512,
      positionRate: 1,
      everyPosition: false,
      recoveryRate: 0,
      sampleRate: 0,
      failureLimit: 3,
    },
    counts,
  )
  await explorer.explore(machine.log)
  const lost = explorer.failures.map(({ message }) => message)
  return { codes, readOnly, later, unmount, hanging, lost }
}

/** A run that somebody was told of: read-only, no later fsync succeeds, nothing hangs, all acknowledged is kept. */
export const LATCHED: Omit<FailedRun, 'codes' | 'hanging'> = {
  readOnly: true,
  later: ['EIO', 'EROFS'],
  unmount: 'EIO',
  lost: [],
}

/** What is wrong with the run; undefined: it failed as it has to, or nobody could know that anything failed. */
export function judgeFailedRun({ fault }: FailureTrial, run: FailedRun): string | undefined {
  const { codes, hanging, ...rest } = run
  if (run.lost.length > 0) return `acknowledged and lost: ${run.lost.join(' | ')}`
  if (codes.length === 0 && hanging.length === 0) return undefined
  if (!codes.every((code) => code === 'EIO' || code === 'EROFS')) return `codes ${codes.join(' ')}`
  // Only the call during which the time stood still waits for a sync that never ends.
  if (hanging.length > (fault.kind === 'hang' ? 1 : 0)) return `hanging: ${hanging.join(' ')}`
  const found = JSON.stringify(rest)
  const expected = JSON.stringify(LATCHED)
  return found === expected ? undefined : `after it ${found}, expected ${expected}`
}

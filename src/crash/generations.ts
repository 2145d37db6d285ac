import { Prng } from '../../lib/prng.js'
import { CrashDisk } from './crash-disk.js'
import { epochs } from './epoch.js'
import { Explorer } from './explorer.js'
import { expandWorkload } from './replay.js'
import { recordWorkload } from './simulation.js'
import type { StoreLog } from './store-log.js'
import type { CrashCounts } from './summary.js'
import { layCrashState } from './survivors.js'

export interface GenerationsOptions {
  readonly seed: number
  /** Power failures in a row. */
  readonly generations: number
  /** Of each random workload: `OPERATIONS/NAMES/SIZE/RATE`. */
  readonly shape: string
}

/**
 * One power failure after the other: each workload starts on what the failure before it left, unrecovered, with the
 * dead blocks of all transactions before in the log. Some crash states of each generation are judged, one of them is the
 * next generation's start. Returns what was wrong, with the generation.
 */
export async function exploreGenerations(
  first: Uint8Array,
  { seed, generations, shape }: GenerationsOptions,
  statistics: CrashCounts,
): Promise<string | undefined> {
  const prng = new Prng(seed)
  let image = first
  for (let generation = 0; generation < generations; generation++) {
    const workload = expandWorkload(`random:${prng.next()}/${shape}`)
    const pace = prng.below(2) === 0 ? {} : { seed: prng.next() }
    statistics.workloads++
    const run = await recordWorkload(workload, { image, ...pace })
    if (run.error !== undefined) return `generation ${generation}: ${(run.error as Error).stack}`
    const explorer = new Explorer(
      run.image,
      run.runner.oracle,
      {
        prng,
        random: 1,
        torn: 1,
        unit: 512,
        positionRate: 20,
        everyPosition: false,
        recoveryRate: 100,
        sampleRate: 0,
        failureLimit: 1,
      },
      statistics,
    )
    await explorer.explore(run.machine.log)
    const [failure] = explorer.failures
    if (failure !== undefined) return `generation ${generation}: ${JSON.stringify(failure)}`
    image = drawCrash(run.image, run.machine.log, prng)
  }
  return undefined
}

/** The image that a power failure leaves at a moment that `prng` draws. */
function drawCrash(image: Uint8Array, log: StoreLog, prng: Prng): Uint8Array {
  const all = [...epochs(log.events, 4096)]
  const end = prng.below(all.length)
  const disk = new CrashDisk(image)
  for (const epoch of all) {
    if (epoch.index === end) {
      layCrashState(disk, epoch, prng.below(epoch.stores.length + 1), { kind: 'random', seed: prng.next() })
      break
    }
    for (const { offset, bytes } of epoch.stores.slice(0, epoch.settles)) disk.settle(offset, bytes)
  }
  return disk.bytes.slice()
}

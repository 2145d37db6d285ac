import { Prng } from '../../lib/prng.js'
import { type CrashFailure, Explorer, type ExplorerOptions } from './explorer.js'
import type { ImageSet } from './image-set.js'
import { expandWorkload, formatReplay, type Replay } from './replay.js'
import type { SimulatedMachineOptions } from './simulated-machine.js'
import { type RecordedRun, recordWorkload } from './simulation.js'
import { type CrashCounts, formatCounts, noCounts, timed } from './summary.js'
import { parseSurvivors } from './survivors.js'

/** One workload to be run and explored. */
export interface Trial {
  /** Name in the image set. */
  readonly image: string
  readonly workload: string
  /** Of the machine's schedule. */
  readonly seed: number | undefined
}

export type ExplorerChoice = Partial<Omit<ExplorerOptions, 'prng'>>

const DEFAULTS: Omit<ExplorerOptions, 'prng'> = {
  random: 1,
  torn: 0,
  unit: 512,
  positionRate: 1,
  everyPosition: false,
  recoveryRate: 40,
  sampleRate: 0,
  failureLimit: 5,
}

/** Runs trials and counts. */
export class Campaign {
  readonly statistics: CrashCounts = noCounts()
  /** A line for each failure: how to replay it, and what it is. */
  readonly failures: string[] = []
  readonly #images: ImageSet
  readonly #machine: Partial<SimulatedMachineOptions>

  /** `machine`: what all machines have, for instance a fault. */
  constructor(images: ImageSet, machine: Partial<SimulatedMachineOptions> = {}) {
    this.#images = images
    this.#machine = machine
  }

  /** Records a workload and explores its crash states; `seed` draws them. */
  async run(trial: Trial, seed: number, choice: ExplorerChoice = {}): Promise<void> {
    await timed(this.statistics, () => this.#run(trial, seed, choice))
  }

  /** What is wrong with the state of a replay line; undefined: nothing. `sample`: a further judge. */
  async replay(replay: Replay, sample?: ExplorerOptions['sample']): Promise<string | undefined> {
    const run = await this.#record(replay)
    if (run.error !== undefined) throw run.error
    const options = { ...DEFAULTS, prng: new Prng(0), ...(sample === undefined ? {} : { sample }) }
    const explorer = new Explorer(run.image, run.runner.oracle, options, this.statistics)
    return explorer.replay(run.machine.log, { ...replay, survivors: parseSurvivors(replay.survivors) })
  }

  /** How the run of a trial ended, when it did not end well. */
  async rerun(trial: Trial): Promise<string | undefined> {
    const { error } = await this.#record(trial)
    return error === undefined ? undefined : describeError(error)
  }

  /** One line. */
  get summary(): string {
    return `${formatCounts(this.statistics)}, ${this.failures.length} failures`
  }

  async #run(trial: Trial, seed: number, choice: ExplorerChoice): Promise<void> {
    this.statistics.workloads++
    const run = await this.#record(trial)
    if (run.error !== undefined) {
      this.failures.push(`${formatRun(trial)}\n  ${describeError(run.error)}`)
      return
    }
    const options = { ...DEFAULTS, ...choice, prng: new Prng(seed) }
    const explorer = new Explorer(run.image, run.runner.oracle, options, this.statistics)
    await explorer.explore(run.machine.log)
    for (const failure of explorer.failures) this.failures.push(describe(trial, failure))
  }

  async #record(trial: Trial): Promise<RecordedRun> {
    const image = await this.#images.get(trial.image)
    const seed = trial.seed === undefined ? {} : { seed: trial.seed }
    return recordWorkload(expandWorkload(trial.workload), { ...this.#machine, image, ...seed })
  }
}

/** As the line of a run that did not end well. */
export function formatRun({ image, seed, workload }: Trial): string {
  return `run image=${image} seed=${seed ?? 'none'} workload="${workload}"`
}

function describeError(error: unknown): string {
  return `the run itself: ${error instanceof Error ? (error.stack ?? error.message) : error}`
}

function describe({ image, seed, workload }: Trial, failure: CrashFailure): string {
  const { message, ...place } = failure
  return `${formatReplay({ image, seed, workload, ...place })}\n  ${message}`
}

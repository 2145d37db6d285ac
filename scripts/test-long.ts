/**
 * The crash tests without end: every round draws other workloads, states, corruptions, from one seed. Prints counts, and
 * each failure as a line that replays it.
 */
import { parseArgs } from 'node:util'
import { Prng } from '../lib/prng.js'
import {
  CONCURRENT,
  REMOUNTS,
  REUSE,
  SEQUENCES_OF_ONE,
  SEQUENCES_OF_TWO,
  sequencesOfTwo,
} from '../src/crash/ace.js'
import { Campaign, type Trial } from '../src/crash/campaign.js'
import { exploreGenerations } from '../src/crash/generations.js'
import { noCounts, timed } from '../src/crash/summary.js'
import { corruptOnce, corruptSubject } from '../test/crash/corrupt-images.js'
import {
  type FailureTrial,
  type Fault,
  failedRun,
  judgeFailedRun,
  MOUNT_SYNCS,
} from '../test/crash/failed-run.js'
import { LONG_IMAGES, longImages } from '../test/crash/long-images.js'
import { runAgainstModel } from '../test/crash/model-run.js'
import { hunt } from '../test/crash/mutant-hunt.js'
import { MUTANTS } from '../test/crash/mutants.js'
import { formatReplayLine, parseReplayLine, type Replayable } from '../test/crash/replay-line.js'
import { corruptFailure, disagreement, replayOnce } from '../test/crash/replayer.js'
import { samplingJudges } from '../test/crash/sampling-judges.js'
import { e2fsck } from '../test/guest/ext4/image.js'

const SHAPES = ['60/10/6000/4', '150/30/12000/8', '400/60/4000/6', '900/25/4000/3']
const OTHERS = [...CONCURRENT, ...REUSE, ...REMOUNTS]
/** Sequences, random workloads, generations, models, failing hosts, corrupt images. */
const KINDS = 6
/** Workloads in which a mutant has to show. */
const HUNT = 120

class LongTest {
  readonly #images = longImages()
  readonly #judges = samplingJudges()
  readonly #campaign = new Campaign(this.#images)
  readonly #seed: number
  readonly #prng: Prng
  readonly #twos: Iterator<string, never>
  readonly #end: number
  /** What each kind gets of a round, however short the test or slow the machine; ms. */
  #turn = 0
  #shown = 0
  #model = 0
  readonly #failed = noCounts()
  #corrupt = 0
  #failures = 0

  constructor(seed: number, end: number) {
    this.#seed = seed
    this.#prng = new Prng(seed)
    this.#twos = sequencesOfTwo(this.#prng)
    this.#end = end
  }

  async run(): Promise<boolean> {
    await this.#mutants()
    this.#turn = Math.min(30_000, (this.#end - Date.now()) / KINDS)
    for (let round = 0; Date.now() < this.#end; round++) {
      await this.#sequences(round)
      await this.#random()
      await this.#generations()
      await this.#models()
      await this.#failedRuns()
      await this.#corruptions()
      console.log(`round ${round + 1}: ${this.#campaign.summary}; ${this.#judges.described}`)
      console.log(
        `  ${this.#model} model runs, ${this.#failed.workloads} runs on a failing host (${this.#failed.states} crash states), ${this.#corrupt} corrupt images`,
      )
    }
    return this.#failures === 0
  }

  /** Every sequence of two operations, on the smallest image: an hour or two of one core. */
  async runExhaustive(): Promise<boolean> {
    for (let count = 1; count <= SEQUENCES_OF_TWO; count++) {
      const workload = this.#twos.next().value
      await this.#explore({ image: 'ace-1k', workload, seed: this.#pace() }, true)
      if (count % 1000 === 0 || count === SEQUENCES_OF_TWO)
        console.log(`${count} of ${SEQUENCES_OF_TWO} sequences: ${this.#campaign.summary}`)
    }
    return this.#failures === 0
  }

  async #mutants(): Promise<void> {
    let caught = 0
    for (const mutant of MUTANTS) {
      const what = { kind: 'mutant', name: mutant.name, seed: this.#seed, limit: HUNT } as const
      const result = await hunt(mutant, this.#images, what.seed, what.limit)
      if (result.caught === undefined) this.#fail(what, `not caught in ${result.states} crash states`)
      else caught++
    }
    console.log(`${caught} of ${MUTANTS.length} deliberate breaks caught`)
  }

  /** All of one operation in the first rounds, then two, then three. */
  async #sequences(round: number): Promise<void> {
    const prng = this.#prng
    const until = this.#until
    for (let count = 0; Date.now() < until; count++) {
      const kind = prng.below(8)
      const first = this.#twos.next().value
      const workload =
        round === 0 && count < SEQUENCES_OF_ONE.length
          ? (SEQUENCES_OF_ONE[count] as string)
          : kind < 5
            ? first
            : kind === 5
              ? `${first}; ${SEQUENCES_OF_ONE[prng.below(SEQUENCES_OF_ONE.length)]}`
              : (OTHERS[prng.below(OTHERS.length)] as string)
      await this.#explore(
        { image: prng.below(4) === 0 ? 'ace-4k' : 'ace-1k', workload, seed: this.#pace() },
        true,
      )
    }
  }

  async #random(): Promise<void> {
    const prng = this.#prng
    const until = this.#until
    while (Date.now() < until) {
      const image = LONG_IMAGES[prng.below(LONG_IMAGES.length)] as string
      const workload = `random:${prng.next()}/${SHAPES[prng.below(SHAPES.length)]}`
      await this.#explore({ image, workload, seed: this.#pace() }, false)
    }
  }

  async #generations(): Promise<void> {
    const until = this.#until
    for (const image of LONG_IMAGES) {
      const options = { seed: this.#prng.next(), generations: 12, shape: '40/12/6000/4' }
      const first = await this.#images.get(image)
      const { statistics } = this.#campaign
      const wrong = await timed(statistics, () => exploreGenerations(first, options, statistics))
      if (wrong !== undefined) this.#fail({ kind: 'generations', image, options }, wrong)
      if (Date.now() > until) return
    }
  }

  async #explore(trial: Trial, everyPosition: boolean): Promise<void> {
    await this.#campaign.run(trial, this.#prng.next(), {
      everyPosition,
      positionRate: everyPosition ? 1 : 8,
      torn: 1,
      unit: [512, 512, 64, 8][this.#prng.below(4)] as number,
      recoveryRate: 60,
      sampleRate: 20,
      sample: this.#judges.sample,
    })
    for (; this.#shown < this.#campaign.failures.length; this.#shown++)
      this.#tell(this.#campaign.failures[this.#shown] as string)
  }

  async #models(): Promise<void> {
    const until = this.#until
    for (const image of LONG_IMAGES) {
      const seed = this.#prng.next()
      const size = 1000 * (1 + this.#prng.below(60))
      const options = {
        operations: 3000,
        names: 20 + this.#prng.below(600),
        size,
        durableRate: 15,
        remountRate: 500,
      }
      const run = await runAgainstModel(await this.#images.get(image), seed, options)
      this.#model++
      const what = { kind: 'model', image, seed, options } as const
      const judged = run.wrong === undefined ? e2fsck(run.image) : undefined
      if (run.wrong !== undefined) this.#fail(what, run.wrong)
      else if (judged?.status !== 0) this.#fail(what, `e2fsck -fn: ${judged?.output}`)
      if (Date.now() > until) return
    }
  }

  async #failedRuns(): Promise<void> {
    const until = this.#until
    const prng = this.#prng
    for (let count = 0; count < 20 && Date.now() < until; count++) {
      const fault = this.#fault()
      const drawn = prng.below(2) === 0 ? OTHERS[prng.below(OTHERS.length)] : undefined
      const workload = drawn ?? `random:${prng.next()}/40/12/6000/3`
      // Old content must not come back in the middle of an operation: the oracle would never have seen the new.
      const isOld = fault.kind === 'sync' && fault.after === 'clean, old content'
      if ((isOld || fault.kind === 'hang') && (drawn === undefined || drawn.includes('&'))) continue
      if (workload.includes('remount')) continue
      const trial: FailureTrial = { image: 'ace-1k', workload, seed: isOld ? undefined : this.#pace(), fault }
      const run = await failedRun(await this.#images.get(trial.image), trial, this.#failed)
      const wrong = judgeFailedRun(trial, run)
      if (wrong !== undefined) this.#fail({ kind: 'failure', trial }, wrong)
    }
  }

  #fault(): Fault {
    const prng = this.#prng
    const at = MOUNT_SYNCS + 1 + prng.below(8)
    const kind = prng.below(6)
    if (kind === 0) return { kind: 'reset', at: prng.below(10) }
    if (kind === 1) return { kind: 'hang', at }
    const after = (['keep dirty', 'clean, new content', 'clean, old content'] as const)[prng.below(3)]
    const code = prng.below(2) === 0 ? 'EIO' : 'ENOSPC'
    return { kind: 'sync', at, code, after: after ?? 'keep dirty', sticky: prng.below(2) === 0 }
  }

  /** Of every fifth image our checker has to say what e2fsck says of it. */
  async #corruptions(): Promise<void> {
    const images = ['no-checksums', 'empty-1k', 'old', 'small-groups', 'deep-1k']
    for (const image of images) {
      const until = Math.min(this.#end, Date.now() + this.#turn / images.length)
      const subject = await corruptSubject(await this.#images.get(image))
      for (let count = 0; count < 100 && Date.now() < until; count++) {
        const what = { kind: 'corrupt', image, seed: this.#prng.next() } as const
        const result = await corruptOnce(subject, what.seed)
        this.#corrupt++
        const failure = corruptFailure(result) ?? (count % 5 === 0 ? disagreement(result) : undefined)
        if (failure !== undefined) this.#fail(what, failure)
      }
    }
  }

  get #until(): number {
    return Math.min(this.#end, Date.now() + this.#turn)
  }

  #pace(): number | undefined {
    return this.#prng.below(2) === 0 ? undefined : this.#prng.next()
  }

  #fail(what: Replayable, message: string): void {
    this.#tell(`${formatReplayLine(what)}\n  ${message}`)
  }

  #tell(lines: string): void {
    this.#failures++
    console.log(`FAILED ${lines}`)
  }
}

async function replay(line: string): Promise<boolean> {
  const wrong = await replayOnce(parseReplayLine(line), longImages())
  console.log(wrong ?? 'all is as it has to be')
  return wrong === undefined
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    replay: { type: 'string' },
    exhaustive: { type: 'boolean', default: false },
  },
})
if (values.replay !== undefined) {
  process.exitCode = (await replay(values.replay)) ? 0 : 1
} else {
  const seed = Number(values.seed ?? Date.now() % 2 ** 31)
  console.log(`seed ${seed}`)
  const test = new LongTest(seed, values.exhaustive ? Infinity : Date.now() + Number(values.minutes) * 60_000)
  process.exitCode = (await (values.exhaustive ? test.runExhaustive() : test.run())) ? 0 : 1
}

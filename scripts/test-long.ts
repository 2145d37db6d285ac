/**
 * The crash tests without end: every round draws other workloads, states, corruptions, from one seed. Prints counts, and
 * each failure as a line that replays it.
 */
import { parseArgs } from 'node:util'
import { Prng } from '../lib/prng.js'
import { CONCURRENT, REUSE, SEQUENCES_OF_ONE, SEQUENCES_OF_TWO, sequenceOfTwo } from '../src/crash/ace.js'
import { Campaign, type Trial } from '../src/crash/campaign.js'
import { exploreGenerations } from '../src/crash/generations.js'
import { ImageSet } from '../src/crash/image-set.js'
import { parseReplay } from '../src/crash/replay.js'
import { corruptOnce, corruptSubject } from '../test/crash/corrupt-images.js'
import { runAgainstModel } from '../test/crash/model-run.js'
import { hunt } from '../test/crash/mutant-hunt.js'
import { MUTANTS } from '../test/crash/mutants.js'
import { samplingJudges } from '../test/crash/sampling-judges.js'
import { e2fsck, mkfsExt4 } from '../test/guest/ext4/image.js'

const SMALL = ['-J', 'size=1', '-N', '400']

/** File systems that our own mkfs does not make. */
const FEATURES: readonly [string, string[]][] = [
  ['no-orphan-file', ['-b', '1024', '-O', '^orphan_file']],
  ['no-checksums', ['-b', '1024', '-O', '^metadata_csum,uninit_bg']],
  ['small-groups', ['-b', '1024', '-g', '512']],
  ['old', ['-b', '1024', '-I', '128', '-O', '^64bit,^flex_bg,^dir_index']],
]
const IMAGES = ['empty-1k', 'small-1k', 'empty-4k', ...FEATURES.map(([name]) => name)]
const SHAPES = ['60/10/6000/4', '150/30/12000/8', '400/60/4000/6', '900/25/4000/3']

class LongTest {
  readonly #images = new ImageSet()
  readonly #judges = samplingJudges()
  readonly #campaign = new Campaign(this.#images)
  readonly #seed: number
  readonly #prng: Prng
  readonly #end: number
  #shown = 0
  #model = 0
  #corrupt = 0
  #disagreements = 0
  #failures = 0

  constructor(seed: number, end: number) {
    this.#seed = seed
    this.#prng = new Prng(seed)
    this.#end = end
    for (const [name, options] of FEATURES) this.#images.add(name, mkfsExt4(4 << 20, [...SMALL, ...options]))
  }

  async run(): Promise<boolean> {
    await this.#mutants()
    for (let round = 0; Date.now() < this.#end; round++) {
      await this.#sequences(round)
      await this.#random()
      await this.#generations()
      await this.#models()
      await this.#corruptions()
      console.log(`round ${round + 1}: ${this.#campaign.summary}; ${this.#judges.described}`)
      console.log(
        `  ${this.#model} model runs, ${this.#corrupt} corrupt images (${this.#disagreements} judged otherwise by e2fsck)`,
      )
    }
    return this.#failures === 0
  }

  async #mutants(): Promise<void> {
    let caught = 0
    for (const mutant of MUTANTS) {
      const result = await hunt(mutant, this.#images, this.#seed, 120)
      if (result.caught === undefined)
        this.#fail(`not caught: ${mutant.name} (seed ${this.#seed}, ${result.states} states)`)
      else caught++
    }
    console.log(`${caught} of ${MUTANTS.length} deliberate breaks caught`)
  }

  /** All of one operation in the first rounds, then two, then three. */
  async #sequences(round: number): Promise<void> {
    const prng = this.#prng
    const until = Math.min(this.#end, Date.now() + 30_000)
    for (let count = 0; Date.now() < until; count++) {
      const kind = prng.below(8)
      const first = sequenceOfTwo(prng.below(SEQUENCES_OF_TWO))
      const workload =
        round === 0 && count < SEQUENCES_OF_ONE.length
          ? (SEQUENCES_OF_ONE[count] as string)
          : kind < 5
            ? first
            : kind === 5
              ? `${first}; ${SEQUENCES_OF_ONE[prng.below(SEQUENCES_OF_ONE.length)]}`
              : ([...CONCURRENT, ...REUSE][prng.below(CONCURRENT.length + REUSE.length)] as string)
      await this.#explore(
        { image: prng.below(4) === 0 ? 'ace-4k' : 'ace-1k', workload, seed: this.#pace() },
        true,
      )
    }
  }

  async #random(): Promise<void> {
    const prng = this.#prng
    const until = Math.min(this.#end, Date.now() + 30_000)
    while (Date.now() < until) {
      const image = IMAGES[prng.below(IMAGES.length)] as string
      const workload = `random:${prng.next()}/${SHAPES[prng.below(SHAPES.length)]}`
      await this.#explore({ image, workload, seed: this.#pace() }, false)
    }
  }

  async #generations(): Promise<void> {
    for (const image of IMAGES) {
      const options = { seed: this.#prng.next(), generations: 12, shape: '40/12/6000/4' }
      const first = await this.#images.get(image)
      const wrong = await exploreGenerations(first, options, this.#campaign.statistics)
      if (wrong !== undefined)
        this.#fail(`generations: image=${image} ${JSON.stringify(options)}\n  ${wrong}`)
      if (Date.now() > this.#end) return
    }
  }

  async #explore(trial: Trial, everyPosition: boolean): Promise<void> {
    await this.#campaign.run(trial, this.#prng.next(), {
      everyPosition,
      positionRate: everyPosition ? 1 : 8,
      torn: 1,
      unit: 512,
      recoveryRate: 60,
      sampleRate: 20,
      sample: this.#judges.sample,
    })
    for (; this.#shown < this.#campaign.failures.length; this.#shown++)
      this.#fail(this.#campaign.failures[this.#shown] as string)
  }

  async #models(): Promise<void> {
    for (const image of IMAGES) {
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
      const what = `model run: image=${image} seed=${seed} ${JSON.stringify(options)}`
      if (run.wrong !== undefined) this.#fail(`${what}\n  ${run.wrong}`)
      const judged = e2fsck(run.image)
      if (run.wrong === undefined && judged.status !== 0) this.#fail(`${what}\n  ${judged.output}`)
      if (Date.now() > this.#end) return
    }
  }

  async #corruptions(): Promise<void> {
    for (const image of ['no-checksums', 'empty-1k', 'old']) {
      const subject = await corruptSubject(await this.#images.get(image))
      for (let count = 0; count < 150 && Date.now() < this.#end; count++) {
        const result = await corruptOnce(subject, this.#prng.next())
        this.#corrupt++
        if (result.error !== undefined)
          this.#fail(`corrupt image=${image} ${result.what}\n  ${(result.error as Error).stack}`)
        else if (count % 10 === 0 && result.clean !== (e2fsck(result.image).status === 0))
          this.#disagreements++
      }
    }
  }

  #pace(): number | undefined {
    return this.#prng.below(2) === 0 ? undefined : this.#prng.next()
  }

  #fail(line: string): void {
    this.#failures++
    console.log(`FAILED ${line}`)
  }
}

async function replay(line: string): Promise<boolean> {
  const images = new ImageSet()
  for (const [name, options] of FEATURES) images.add(name, mkfsExt4(4 << 20, [...SMALL, ...options]))
  const wrong = await new Campaign(images).replay(parseReplay(line))
  console.log(wrong ?? 'recovered as it has to be')
  return wrong === undefined
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    replay: { type: 'string' },
  },
})
if (values.replay !== undefined) {
  process.exitCode = (await replay(values.replay)) ? 0 : 1
} else {
  const seed = Number(values.seed ?? Date.now() % 2 ** 31)
  console.log(`seed ${seed}`)
  process.exitCode = (await new LongTest(seed, Date.now() + Number(values.minutes) * 60_000).run()) ? 0 : 1
}

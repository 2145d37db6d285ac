import type { Prng } from '../../lib/prng.js'
import { CrashDisk } from './crash-disk.js'
import { type Epoch, epochs, type Position } from './epoch.js'
import type { Oracle } from './oracle.js'
import { exploreRecovery } from './recovery-explorer.js'
import type { StoreLog } from './store-log.js'
import { formatSurvivors, layCrashState, type Survivors } from './survivors.js'
import { Judge, type Verdict } from './verdict.js'

/** A crash state that was not recovered as it has to be. */
export interface CrashFailure {
  readonly epoch: number
  readonly stores: number
  readonly survivors: string
  readonly tried: boolean
  readonly recovery: boolean
  readonly message: string
}

export interface ExplorerStatistics {
  states: number
  /** States that differ only in what was promised, or not at all, and were not looked at again. */
  duplicates: number
  /** Crashes during recovery. */
  recoveries: number
  readonly trees: Set<string>
}

export interface ExplorerOptions {
  readonly prng: Prng
  /** Random survivors at each position, and torn ones. */
  readonly random: number
  readonly torn: number
  /** Bytes that survive or are lost together in a torn page. */
  readonly unit: number
  /** Look at one of so many positions, the last of each epoch always. */
  readonly positionRate: number
  /** Drop and keep each page at every position, or at the last of each epoch only. */
  readonly everyPosition: boolean
  /** One of so many states: crash during its recovery, recover it twice. 0: never. */
  readonly recoveryRate: number
  /** Called for sampled states with the unmounted image, for other judges. One of so many; 0: never. */
  readonly sampleRate: number
  readonly sample?: (image: Uint8Array, tree: Verdict['tree']) => string | undefined
  /** Stop after so many failures. */
  readonly failureLimit: number
}

const PAGE = 4096

/** One crash state of a recorded run. */
export interface StatePlace {
  readonly epoch: number
  readonly stores: number
  readonly survivors: Survivors
  /** What was recovered was used also. */
  readonly tried: boolean
  /** The power failed again during the recovery. */
  readonly recovery: boolean
}

/** Looks at the crash states of one recorded run. */
export class Explorer {
  readonly failures: CrashFailure[] = []
  readonly #disk: CrashDisk
  readonly #judge: Judge
  readonly #oracle: Oracle
  readonly #options: ExplorerOptions
  readonly #statistics: ExplorerStatistics
  #seen = new Set<string>()

  /** `image`: what was certain before the first store of the log. */
  constructor(image: Uint8Array, oracle: Oracle, options: ExplorerOptions, statistics: ExplorerStatistics) {
    this.#disk = new CrashDisk(image)
    this.#judge = new Judge(this.#disk)
    this.#oracle = oracle
    this.#options = options
    this.#statistics = statistics
  }

  async explore(log: StoreLog): Promise<void> {
    for (const epoch of epochs(log.events, PAGE)) {
      this.#seen = new Set()
      await this.#exploreEpoch(epoch)
      if (this.failures.length >= this.#options.failureLimit) return
      this.#settle(epoch)
    }
  }

  /** Judges the one state that a replay line names, by {@link ExplorerOptions.sample} too. */
  async replay(log: StoreLog, place: StatePlace): Promise<string | undefined> {
    for (const epoch of epochs(log.events, PAGE)) {
      if (epoch.index === place.epoch) return this.#judgePlace(epoch, place)
      this.#settle(epoch)
    }
    throw new RangeError(`no epoch ${place.epoch}`)
  }

  async #judgePlace(
    epoch: Epoch,
    { stores, survivors, tried, recovery }: StatePlace,
  ): Promise<string | undefined> {
    const position = epoch.positions.find((one) => one.stores === stores)
    if (position === undefined)
      throw new RangeError(`no position of ${stores} stores in epoch ${epoch.index}`)
    const expectation = { oracle: this.#oracle, ...position }
    const lay = (): void => layCrashState(this.#disk, epoch, stores, survivors)
    if (recovery) return (await exploreRecovery(this.#disk, this.#judge, lay, expectation)).failure
    lay()
    const { failure, tree } = await this.#judge.judge(expectation, tried)
    return failure ?? this.#options.sample?.(this.#disk.bytes.slice(), tree)
  }

  #settle(epoch: Epoch): void {
    for (const { offset, bytes } of epoch.stores.slice(0, epoch.settles)) this.#disk.settle(offset, bytes)
    this.#judge.forget()
  }

  async #exploreEpoch(epoch: Epoch): Promise<void> {
    const { positions } = epoch
    const { prng, positionRate } = this.#options
    for (let index = positions.length - 1; index >= 0; index--) {
      const position = positions[index] as Position
      const last = index === positions.length - 1
      if (!last && positionRate > 1 && prng.below(positionRate) !== 0) continue
      for (const survivors of this.#survivors(epoch, position, last)) {
        await this.#state(epoch, position, survivors)
        if (this.failures.length >= this.#options.failureLimit) return
      }
    }
  }

  *#survivors(epoch: Epoch, { stores }: Position, last: boolean): Generator<Survivors> {
    const { prng, random, torn, unit, everyPosition } = this.#options
    yield { kind: 'all' }
    if (stores === 0) return
    yield { kind: 'none' }
    if (stores > 1 && (last || everyPosition)) {
      const pages = new Set<number>()
      for (const { page, store } of epoch.parts) if (store < stores) pages.add(page)
      for (const page of pages) {
        yield { kind: 'drop', page }
        yield { kind: 'keep', page }
      }
    }
    const draws = last ? 4 : 1
    for (let draw = 0; draw < random * draws; draw++) yield { kind: 'random', seed: prng.next() }
    for (let draw = 0; draw < torn * draws; draw++) yield { kind: 'torn', seed: prng.next(), unit }
  }

  async #state(epoch: Epoch, position: Position, survivors: Survivors): Promise<void> {
    const { prng, recoveryRate, sampleRate, sample } = this.#options
    const key = stateKey(epoch, position, survivors)
    if (key !== undefined) {
      if (this.#seen.has(key)) {
        this.#statistics.duplicates++
        return
      }
      this.#seen.add(key)
    }
    const disk = this.#disk
    const lay = (): void => layCrashState(disk, epoch, position.stores, survivors)
    this.#statistics.states++
    lay()
    const expectation = { oracle: this.#oracle, ...position }
    const { failure, tree, fresh, tried } = await this.#judge.judge(expectation, prng.below(2) === 0)
    const fail = (message: string, recovery = false): void => {
      this.failures.push({
        epoch: epoch.index,
        stores: position.stores,
        survivors: formatSurvivors(survivors),
        tried,
        recovery,
        message,
      })
    }
    if (tree !== undefined) this.#statistics.trees.add(tree.names)
    if (failure !== undefined) fail(failure)
    else if (fresh && sampleRate > 0 && prng.below(sampleRate) === 0) {
      const wrong = sample?.(disk.bytes.slice(), tree)
      if (wrong !== undefined) fail(wrong)
    }
    disk.revert()
    if (failure === undefined && recoveryRate > 0 && prng.below(recoveryRate) === 0) {
      const result = await exploreRecovery(disk, this.#judge, lay, expectation)
      this.#statistics.recoveries += result.states
      if (result.failure !== undefined) fail(result.failure, true)
      disk.revert()
    }
  }
}

/** What tells a state from the others of its epoch; undefined when it is not worth computing. */
function stateKey(
  epoch: Epoch,
  { stores, begun, acknowledged }: Position,
  survivors: Survivors,
): string | undefined {
  if (survivors.kind === 'random' || survivors.kind === 'torn') return undefined
  const versions = new Map<number, number>()
  if (survivors.kind !== 'none') {
    for (const { page, store } of epoch.parts) {
      if (store >= stores) break
      if (survivors.kind === 'drop' && survivors.page === page) continue
      if (survivors.kind === 'keep' && survivors.page !== page) continue
      versions.set(page, store)
    }
  }
  return `${begun}/${acknowledged} ${[...versions].sort(([a], [b]) => a - b).join(' ')}`
}

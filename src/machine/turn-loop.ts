import { POLLIN, poll, pollTable } from '../../lib/libc.js'
import type { WakeLine } from './wake-line.js'

/** How long an idle loop looks again before it sleeps, in milliseconds. */
const SPIN_MOST = 0.05
const SPIN_LEAST = 0.004
/** An interrupt that usually comes sooner is waited for awake; milliseconds. */
const AWAKE_MOST = 0.4

/** Two looks so far apart, in milliseconds, had someone else on the processor between them. */
const PREEMPTED = 0.1
/** How long not to look again then, in milliseconds. */
const BACK_OFF = 50

/** Turns between two looks at the clock while there is work. */
const TURNS_PER_CHORE = 16

/** What the loop drives. */
export interface TurnWork {
  /** Serves one request without waiting. */
  serve(): 'served' | 'empty' | 'ended'
  interrupt(): void
  /** Messages of the monitor are waiting. */
  control(): void
  /** Periodic work. Called between requests, and when {@link deadline} has passed. */
  chores(now: number): void
  /** When {@link chores} is due, in milliseconds of the loop's clock. */
  readonly deadline: number | undefined
  /** The device has work, and will interrupt. */
  readonly expectsInterrupt: boolean
}

export interface TurnLoopOptions {
  wake: WakeLine
  /** Milliseconds of a steady clock. */
  clock: () => number
  /** Looking again costs the time of those we wait for when there is no second processor. */
  spin: boolean
}

/**
 * The vcpu's loop: requests, interrupts, promises; nothing to do, look again for a while; still nothing, sleep in
 * poll(2) on the request file descriptor and the eventfd of the wake line.
 *
 * The time of looking again adapts: it doubles when a request came while looking, and halves when none did. While an
 * interrupt is expected it is twice as long as those took lately, unless they are slow: a FLUSH of a fast disk ends
 * before two threads could have been put to sleep and woken. Where the processors are wanted by others nothing is
 * gained: who is waited for then waits for us.
 */
export class TurnLoop {
  /** The file descriptor that requests come from; none before the mount is made. */
  requests: number | undefined
  readonly #wake: WakeLine
  readonly #clock: () => number
  readonly #spins: boolean
  readonly #table = pollTable(2)
  #spin = SPIN_MOST
  /** How long interrupts took lately, from when there was nothing else to do; a moving mean, milliseconds. */
  #interruptDelay = 0
  /** Until then the loop sleeps at once. */
  #asleepUntil = 0

  constructor(options: TurnLoopOptions) {
    this.#wake = options.wake
    this.#clock = options.clock
    this.#spins = options.spin
  }

  /** Runs until `work` ended. */
  async serve(work: TurnWork): Promise<void> {
    let turns = 0
    let idleSince = 0
    let expectingSince = 0
    let looked = 0
    for (;;) {
      const served = work.serve()
      if (served === 'ended') return
      const woken = this.#lines(work)
      if (woken && expectingSince !== 0) {
        const delay = this.#clock() - expectingSince
        this.#interruptDelay += (delay - this.#interruptDelay) / (this.#interruptDelay === 0 ? 1 : 8)
        expectingSince = 0
      }
      // One turn of the microtasks: promises that a request or an interrupt has resolved go on here.
      await undefined
      if (served === 'served' || woken) {
        if (idleSince !== 0) this.#spin = Math.min(this.#spin * 2, SPIN_MOST)
        idleSince = 0
        if (++turns % TURNS_PER_CHORE === 0) work.chores(this.#clock())
        continue
      }
      const now = this.#clock()
      if (idleSince === 0) idleSince = now
      else if (now - looked > PREEMPTED) this.#asleepUntil = now + BACK_OFF
      looked = now
      const expecting = work.expectsInterrupt
      if (expecting && expectingSince === 0) expectingSince = now
      if (this.#mayLook(now) && now - idleSince < (expecting ? this.#awake : this.#spin)) continue
      if (!expecting) this.#spin = Math.max(this.#spin / 2, SPIN_LEAST)
      work.chores(now)
      await this.#sleep(work)
      idleSince = 0
    }
  }

  /** Runs, without requests, until `promise` is settled; rejects as it does. */
  async until<T>(promise: Promise<T>, work: TurnWork): Promise<T> {
    let settled = false
    const watch = promise.then(
      () => {
        settled = true
      },
      () => {
        settled = true
      },
    )
    while (!settled) {
      this.#lines(work)
      work.chores(this.#clock())
      await this.#sleep(work, () => settled)
    }
    await watch
    return promise
  }

  #mayLook(now: number): boolean {
    return this.#spins && now >= this.#asleepUntil
  }

  get #awake(): number {
    return this.#interruptDelay < AWAKE_MOST ? this.#interruptDelay * 2 : this.#spin
  }

  #lines(work: TurnWork): boolean {
    const interrupted = this.#wake.takeInterrupt()
    if (interrupted) work.interrupt()
    const controlled = this.#wake.takeControl()
    if (controlled) work.control()
    return interrupted || controlled
  }

  /** `done`: asked before sleeping; requests are then not waited for. */
  async #sleep(work: TurnWork, done?: () => boolean): Promise<void> {
    // Chains of promises need more than one turn: let all of them run dry.
    await eventLoopTurn()
    if (done?.() || !this.#wake.beginSleep()) return
    const { deadline } = work
    const timeout = deadline === undefined ? -1 : Math.max(0, Math.ceil(deadline - this.#clock()))
    const table = this.#table
    table[0] = this.#wake.eventfd
    table[1] = POLLIN
    table[2] = done === undefined ? (this.requests ?? -1) : -1
    table[3] = POLLIN
    poll(table, 2, timeout)
    this.#wake.endSleep(table[1]! >>> 16 !== 0)
  }
}

/** One turn of the thread's event loop: every promise that can run has run. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

import { POLLIN, poll, pollTable, schedYield } from '../../lib/libc.js'
import { HaltPoll } from './halt-poll.js'
import type { WakeLine } from './wake-line.js'

/** Looking for a request that comes this much later, in milliseconds, is worth it. */
const REQUEST_MOST = 0.05
/** And for an interrupt, while the device has work: a FLUSH of a fast disk ends sooner. */
const INTERRUPT_MOST = 0.5

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
 * How long it looks again adapts ({@link HaltPoll}), to requests and to interrupts apart: a FLUSH of a fast disk ends
 * before two threads could have been put to sleep and woken.
 */
export class TurnLoop {
  /** The file descriptor that requests come from; none before the mount is made. */
  requests: number | undefined
  /** What of it wakes the loop beside POLLERR: 0 where another reads the requests and only the end is waited for. */
  requestEvents = POLLIN
  readonly #wake: WakeLine
  readonly #clock: () => number
  readonly #table = pollTable(2)
  readonly #requestPoll: HaltPoll
  readonly #interruptPoll: HaltPoll

  constructor(options: TurnLoopOptions) {
    this.#wake = options.wake
    this.#clock = options.clock
    this.#requestPoll = new HaltPoll(options.spin ? REQUEST_MOST : 0)
    this.#interruptPoll = new HaltPoll(options.spin ? INTERRUPT_MOST : 0)
  }

  /** Runs until `work` ended. */
  async serve(work: TurnWork): Promise<void> {
    let turns = 0
    let idle = this.#requestPoll
    for (;;) {
      const served = work.serve()
      if (served === 'ended') return
      const woken = this.#lines(work)
      // One turn of the microtasks: promises that a request or an interrupt has resolved go on here.
      await undefined
      if (served === 'served' || woken) {
        if (idle.idle) idle.end(this.#clock())
        if (++turns % TURNS_PER_CHORE === 0) work.chores(this.#clock())
        continue
      }
      const now = this.#clock()
      // Asked at each look: a commit may submit its FLUSH only some turns after the request that began it.
      const poll = work.expectsInterrupt ? this.#interruptPoll : this.#requestPoll
      if (idle !== poll || !idle.idle) {
        idle = poll
        idle.start(now)
      }
      if (idle.poll(now)) {
        schedYield()
        continue
      }
      work.chores(now)
      await this.#sleep(work)
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
    table[3] = this.requestEvents
    poll(table, 2, timeout)
    this.#wake.endSleep(table[1]! >>> 16 !== 0)
  }
}

/** One turn of the thread's event loop: every promise that can run has run. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

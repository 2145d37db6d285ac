/** Two looks so far apart, in milliseconds, had someone else on the processor between them. */
const PREEMPTED = 0.1
/** How long not to look again then, in milliseconds. */
const BACK_OFF = 10
/** Where the window begins to grow, in milliseconds. */
const LEAST = 0.01

/**
 * Whether to look again or to sleep, for a loop with nothing to do. Linux's halt polling (Documentation/virt/kvm/
 * halt-polling.rst): the window doubles when what was waited for came soon after it, and halves when it came much
 * later, since then looking was for nothing. A thread put to sleep and woken by another processor costs about 50 us.
 *
 *     idle: start, then poll until it says no (sleep then), and end when there is work again
 *
 * Where the processors are wanted by others nothing is gained: who is waited for then waits for us. So a loop that
 * finds itself preempted sleeps at once for a while.
 */
export class HaltPoll {
  readonly #most: number
  #window = LEAST
  #since = 0
  /** The last look; 0 before the first. */
  #looked = 0
  #idle = false
  #asleepUntil = 0

  /** `most`: milliseconds of looking that are worth it at most; 0: never look twice. */
  constructor(most: number) {
    this.#most = most
  }

  get idle(): boolean {
    return this.#idle
  }

  /** Nothing is to do. `now`: milliseconds of the loop's clock. */
  start(now: number): void {
    this.#idle = true
    this.#since = now
    this.#looked = 0
  }

  /** Still nothing: look again at once? */
  poll(now: number): boolean {
    if (this.#looked !== 0 && now - this.#looked > PREEMPTED) this.#asleepUntil = now + BACK_OFF
    const again = now >= this.#asleepUntil && now - this.#since < Math.min(this.#window, this.#most)
    this.#looked = again ? now : 0
    return again
  }

  /** There is work again. */
  end(now: number): void {
    this.#idle = false
    const blocked = now - this.#since
    if (blocked <= this.#window) return
    this.#window =
      blocked <= this.#most ? Math.min(this.#window * 2, this.#most) : Math.max(this.#window / 2, LEAST)
  }
}

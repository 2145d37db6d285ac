import { schedYield } from '../../lib/libc.js'
import type { Doorbell } from '../bus/doorbell.js'
import { HaltPoll } from './halt-poll.js'

/**
 * A ring that comes this much later, in milliseconds, is worth looking for: a program that writes and syncs again, and
 * the second FLUSH of a commit, come sooner.
 */
const RING_MOST = 0.3

/** The device's doorbell between threads, on which the iothread sleeps. */
export class SharedDoorbell implements Doorbell {
  readonly #rings: Int32Array

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.#rings = new Int32Array(memory)
  }

  ring(): void {
    Atomics.add(this.#rings, 0, 1)
    Atomics.notify(this.#rings, 0)
  }

  /** Rings so far, modulo 2^32. Read it before looking at the work, and give it to {@link wait} after. */
  get rung(): number {
    return Atomics.load(this.#rings, 0)
  }

  /** Blocks the thread until it rang more often than `seen`, or for `timeout` ms. */
  wait(seen: number, timeout?: number): void {
    Atomics.wait(this.#rings, 0, seen, timeout)
  }
}

/** The waiting end of a doorbell. `spin`: there is another processor, so looking again takes nobody's time. */
export class DoorbellListener {
  readonly #bell: SharedDoorbell
  readonly #clock: () => number
  readonly #poll: HaltPoll

  /** `clock`: milliseconds. */
  constructor(bell: SharedDoorbell, options: { clock: () => number; spin: boolean }) {
    this.#bell = bell
    this.#clock = options.clock
    this.#poll = new HaltPoll(options.spin ? RING_MOST : 0)
  }

  /** Blocks the thread until the bell rang more often than `seen`. */
  wait(seen: number): void {
    const poll = this.#poll
    poll.start(this.#clock())
    while (this.#bell.rung === seen) {
      if (poll.poll(this.#clock())) schedYield()
      else this.#bell.wait(seen)
    }
    poll.end(this.#clock())
  }
}

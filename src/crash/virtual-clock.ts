import type { Timespec } from '../guest/vfs/attributes.js'

/** 2026-01-01, 00:00 UTC. */
const START = 1_767_225_600_000

/** A clock that goes on when it is told to. Milliseconds, also as wall clock. */
export class VirtualClock {
  #ms: number

  constructor(ms = START) {
    this.#ms = ms
  }

  readonly read = (): number => this.#ms

  readonly now = (): Timespec => {
    const sec = Math.floor(this.#ms / 1000)
    return { sec, nsec: (this.#ms - sec * 1000) * 1_000_000 }
  }

  advance(milliseconds: number): void {
    this.#ms += milliseconds
  }
}

/** A wire between two threads: a counter that one side bumps and the other sleeps on. */
export class SharedBell {
  readonly memory: SharedArrayBuffer
  readonly #count: Int32Array
  #seen = 0

  constructor(memory = new SharedArrayBuffer(4)) {
    this.memory = memory
    this.#count = new Int32Array(memory)
  }

  ring(): void {
    Atomics.add(this.#count, 0, 1)
    Atomics.notify(this.#count, 0)
  }

  raise(): void {
    this.ring()
  }

  /** Sleeps until it was rung since the last call. False after `milliseconds` without. */
  wait(milliseconds: number): boolean {
    const woken = Atomics.wait(this.#count, 0, this.#seen, milliseconds) !== 'timed-out'
    this.#seen = Atomics.load(this.#count, 0)
    return woken
  }
}

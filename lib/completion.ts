/** One event that others wait for: a promise with its two outcomes at hand. */
export class Completion<T = void> {
  readonly promise: Promise<T>
  #resolve!: (value: T) => void
  #reject!: (reason: unknown) => void
  #done = false

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get done(): boolean {
    return this.#done
  }

  complete(value: T): void {
    this.#done = true
    this.#resolve(value)
  }

  fail(reason: unknown): void {
    this.#done = true
    this.#reject(reason)
  }
}

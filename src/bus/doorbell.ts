/**
 * The wire from driver to device. Like an eventfd it carries nothing and rings may join: what happened stands in
 * the state that both share, and whoever answers the bell looks at all of it.
 */
export interface Doorbell {
  ring(): void
}

/** A doorbell within one thread: the handler runs before `ring` returns, never nested. */
export class InlineDoorbell implements Doorbell {
  handler: (() => void) | undefined
  /** Rings so far. */
  rung = 0
  #answering = false
  #again = false

  ring(): void {
    this.rung++
    this.#again = true
    if (this.#answering) return
    this.#answering = true
    try {
      while (this.#again) {
        this.#again = false
        this.handler?.()
      }
    } finally {
      this.#answering = false
    }
  }
}

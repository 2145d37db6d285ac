/**
 * The wire from device to driver. It carries nothing but its edge: why it was raised stands in the device's
 * interrupt status. An implementation may deliver late, join edges, or deliver too often; drivers must cope.
 */
export interface InterruptLine {
  raise(): void
}

/**
 * An interrupt line within one thread: the handler runs before `raise` returns. Raised from within the handler it
 * does not nest, as an interrupt does not while it is being served: the handler runs once more afterwards.
 */
export class InlineInterruptLine implements InterruptLine {
  handler: (() => void) | undefined
  /** Edges so far. */
  raised = 0
  #serving = false
  #again = false

  raise(): void {
    this.raised++
    this.#again = true
    if (this.#serving) return
    this.#serving = true
    try {
      while (this.#again) {
        this.#again = false
        this.handler?.()
      }
    } finally {
      this.#serving = false
    }
  }
}

/** Memory for shadow copies of metadata blocks: chunks of equal slots, reused. The first chunks are small: a short life needs few. */
export class ShadowPool {
  readonly #blockSize: number
  readonly #free: Shadow[] = []
  static readonly #LEAST = 1 << 16
  static readonly #MOST = 1 << 20
  #chunk = ShadowPool.#LEAST

  constructor(blockSize: number) {
    this.#blockSize = blockSize
  }

  take(): Shadow {
    if (this.#free.length === 0) this.#grow()
    return this.#free.pop() as Shadow
  }

  give(shadow: Shadow): void {
    this.#free.push(shadow)
  }

  #grow(): void {
    const buffer = new ArrayBuffer(this.#chunk)
    this.#chunk = Math.min(this.#chunk * 2, ShadowPool.#MOST)
    const bytes = new Uint8Array(buffer)
    const view = new DataView(buffer)
    for (let at = 0; at + this.#blockSize <= buffer.byteLength; at += this.#blockSize) {
      this.#free.push({ bytes, view, at })
    }
  }
}

/** One block of private memory. */
export interface Shadow {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly at: number
}

import { FsError } from '../../lib/errno.js'

// Ring indices are read by Atomics on 16-bit views, which have the byte order of the host; virtio's is little-endian.
if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
  throw new Error('a little-endian host is needed: ring indices are shared as 16-bit words')
}

/** An access outside the memory it was meant for. */
export class BusError extends FsError {
  readonly address: number
  readonly length: number

  constructor(message: string, address: number, length: number) {
    super('ENXIO', message)
    this.address = address
    this.length = length
  }
}

export interface GuestMemoryOptions {
  /** Guest-physical address of the first byte, a multiple of 8. */
  start?: number
  /** Bytes, a multiple of 2. */
  size: number
  /** Memory of `size` bytes that another thread's GuestMemory already stands on. */
  memory?: SharedArrayBuffer
}

/**
 * The guest's RAM as the devices see it: one range of guest-physical addresses over memory that all threads share.
 *
 * Bulk bytes are plain accesses; 16-bit words that two threads hand over to each other (ring indices, flags and
 * event fields) go through {@link load16} and {@link store16}. Those are sequentially consistent: each is at the
 * same time the acquire or release and the full store-load barrier that virtio 1.2, 2.7.13.3.1 and 2.7.14 ask for.
 */
export class GuestMemory {
  readonly start: number
  readonly size: number
  readonly memory: SharedArrayBuffer
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly #words: Uint16Array

  constructor(options: GuestMemoryOptions) {
    this.start = options.start ?? 0
    this.size = options.size
    this.memory = options.memory ?? new SharedArrayBuffer(options.size)
    if (this.memory.byteLength !== this.size)
      throw new RangeError(`guest memory of ${this.size} bytes over ${this.memory.byteLength} bytes`)
    if (!Number.isSafeInteger(this.start) || this.start < 0 || this.start % 8 !== 0)
      throw new RangeError(`guest memory starts at ${this.start}, must be a multiple of 8`)
    if (this.size % 2 !== 0) throw new RangeError(`guest memory of ${this.size} bytes, must be even`)
    this.bytes = new Uint8Array(this.memory)
    this.view = new DataView(this.memory)
    this.#words = new Uint16Array(this.memory)
  }

  /** Whether all of `length` bytes at `address` are RAM. Written so that no sum can pass 2^53. */
  contains(address: number, length: number): boolean {
    return (
      address >= this.start &&
      length >= 0 &&
      length <= this.size &&
      address - this.start <= this.size - length
    )
  }

  /** The index of `address` in {@link bytes} and {@link view}. Throws {@link BusError} unless all `length` bytes are RAM. */
  offset(address: number, length: number): number {
    if (!this.contains(address, length)) {
      const end = this.start + this.size
      throw new BusError(
        `guest memory: 0x${address.toString(16)}+${length} is outside 0x${this.start.toString(16)}..0x${end.toString(16)}`,
        address,
        length,
      )
    }
    return address - this.start
  }

  /** Copies out: fills `target` from `address` on. */
  read(address: number, target: Uint8Array): void {
    const at = this.offset(address, target.length)
    target.set(this.bytes.subarray(at, at + target.length))
  }

  /** Copies in: stores `source` at `address`. */
  write(address: number, source: Uint8Array): void {
    this.bytes.set(source, this.offset(address, source.length))
  }

  fill(address: number, length: number, value = 0): void {
    const at = this.offset(address, length)
    this.bytes.fill(value, at, at + length)
  }

  /** The little-endian word at an even `address`, ordered against every other {@link load16} and {@link store16}. */
  load16(address: number): number {
    return Atomics.load(this.#words, this.#wordIndex(address))
  }

  store16(address: number, value: number): void {
    Atomics.store(this.#words, this.#wordIndex(address), value)
  }

  /** The little-endian double word at any `address`. A plain access: order it by the 16-bit word that publishes it. */
  load32(address: number): number {
    return this.view.getUint32(this.offset(address, 4), true)
  }

  store32(address: number, value: number): void {
    this.view.setUint32(this.offset(address, 4), value, true)
  }

  #wordIndex(address: number): number {
    const at = this.offset(address, 2)
    if ((at & 1) !== 0) throw new BusError(`guest memory: 0x${address.toString(16)} is not even`, address, 2)
    return at >>> 1
  }
}

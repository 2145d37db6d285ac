import { DirtyLog } from './dirty-log.js'

/** Bytes at an offset of a region, without a copy: valid from `at` to the end of the segment. */
export interface DirectAccess {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Index into `bytes` and `view`. */
  readonly at: number
  /** Address of `bytes[at]` in this process, 0 when the memory is not mapped by the system. */
  readonly address: number
}

/** Sees every store of a region, after it was made. */
export interface StoreObserver {
  stored(offset: number, length: number): void
}

interface Segment {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly address: number
}

/** Memory, and its address in this process: 0 when not known. */
export interface MappedMemory {
  buffer: ArrayBuffer
  address: number
}

export interface PmemRegionOptions {
  /** Guest-physical address of the first byte. */
  start: number
  /** Bytes. */
  size: number
  /**
   * The memory in order, each but the last {@link PmemRegion.SEGMENT_SIZE} bytes; or what makes a view of a segment when
   * it is first needed (each costs V8 a collection of garbage, so that of a large region few should be made).
   */
  memory: readonly ArrayBuffer[] | ((offset: number, length: number) => MappedMemory)
  /** Address of the first of `memory` in this process, when that is one piece. */
  address?: number
  dirtyLog?: DirtyLog
  readOnly?: boolean
}

/**
 * The persistent memory that host and guest share. Every change goes through {@link store}, {@link zero} or
 * {@link copy}, which keep the dirty log: write-back, crash simulation and migration stand on it.
 */
export class PmemRegion {
  /** A view of more than 4 GiB aborts Node 20; 2 GiB is a multiple of every block size. */
  static readonly SEGMENT_SIZE = 0x8000_0000
  readonly start: number
  readonly size: number
  readonly readOnly: boolean
  readonly dirtyLog: DirtyLog
  /** Stores made so far by this side. */
  storeSequence = 0
  observer: StoreObserver | undefined
  readonly #segments: (Segment | undefined)[]
  readonly #view: ((offset: number, length: number) => MappedMemory) | undefined

  constructor(options: PmemRegionOptions) {
    this.start = options.start
    this.size = options.size
    this.readOnly = options.readOnly ?? false
    this.dirtyLog = options.dirtyLog ?? new DirtyLog(options.size)
    const { memory, size } = options
    if (typeof memory === 'function') {
      this.#view = memory
      this.#segments = new Array(Math.ceil(size / PmemRegion.SEGMENT_SIZE)).fill(undefined)
      return
    }
    const { address = 0 } = options
    this.#segments = memory.map((buffer, index) =>
      segmentOf({ buffer, address: address === 0 ? 0 : address + index * PmemRegion.SEGMENT_SIZE }),
    )
    const total = memory.reduce((sum, buffer) => sum + buffer.byteLength, 0)
    if (total !== size) throw new RangeError(`pmem region of ${size} bytes over ${total} bytes of memory`)
  }

  /** Direct access at `offset`; the contiguous bytes end at the next multiple of {@link SEGMENT_SIZE}. */
  directAccess(offset: number): DirectAccess {
    const { bytes, view, address } = this.#segment(offset)
    const at = offset % PmemRegion.SEGMENT_SIZE
    return { bytes, view, at, address: address === 0 ? 0 : address + at }
  }

  /** Stores `source[from..to)` at `offset`. Throws RangeError outside the region, TypeError when it is read-only. */
  store(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    this.check(offset, to - from)
    for (let done = from; done < to; ) {
      const segment = this.#segment(offset + (done - from))
      const at = (offset + (done - from)) % PmemRegion.SEGMENT_SIZE
      const part = Math.min(to - done, segment.bytes.length - at)
      segment.bytes.set(
        done === 0 && part === source.length ? source : source.subarray(done, done + part),
        at,
      )
      done += part
    }
    this.#stored(offset, to - from)
  }

  /**
   * As {@link store}, for a place whose old content nobody will ask for again, whatever happens: what is stored may
   * become durable at once.
   */
  storeNew(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    this.store(offset, source, from, to)
  }

  zero(offset: number, length: number): void {
    this.check(offset, length)
    this.#fill(offset, length)
    this.#stored(offset, length)
  }

  /** Bytes; a multiple of the dirty log's page. */
  get discardGranularity(): number {
    return DirtyLog.PAGE_SIZE
  }

  /** Whole units, within the region. Memory that is no file has nothing to give back. */
  protected discardPages(offset: number, length: number): void {
    this.#fill(offset, length)
    this.dirtyLog.mark(offset, length)
  }

  #fill(offset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const segment = this.#segment(offset + done)
      const at = (offset + done) % PmemRegion.SEGMENT_SIZE
      const part = Math.min(length - done, segment.bytes.length - at)
      segment.bytes.fill(0, at, at + part)
      done += part
    }
  }

  /**
   * What lies here is nobody's any more, in every state that a power failure could leave: the host may have the memory
   * back. A hint, at once and outside any flush; whole units of {@link discardGranularity} then read as zero, the rest
   * stays as it is. Throws FsError EOPNOTSUPP where the host cannot take it.
   */
  discard(offset: number, length: number): void {
    this.check(offset, length)
    const unit = this.discardGranularity
    const first = Math.ceil(offset / unit) * unit
    const end = Math.floor((offset + length) / unit) * unit
    if (end <= first) return
    this.discardPages(first, end - first)
    this.observer?.stored(first, end - first)
  }

  /** Copies within the region. The ranges may not overlap. */
  copy(to: number, from: number, length: number): void {
    this.check(from, length)
    for (let done = 0; done < length; ) {
      const source = this.directAccess(from + done)
      const part = Math.min(length - done, source.bytes.length - source.at)
      this.store(to + done, source.bytes, source.at, source.at + part)
      done += part
    }
  }

  #segment(offset: number): Segment {
    return this.#segments[Math.floor(offset / PmemRegion.SEGMENT_SIZE)] ?? this.#makeSegment(offset)
  }

  /** Whether the segment that holds `offset` was looked at before. */
  protected isViewed(offset: number): boolean {
    return this.#segments[Math.floor(offset / PmemRegion.SEGMENT_SIZE)] !== undefined
  }

  #makeSegment(offset: number): Segment {
    if (this.#view === undefined || !(offset >= 0 && offset < this.size))
      throw new RangeError(`offset ${offset} outside the pmem region of ${this.size} bytes`)
    const index = Math.floor(offset / PmemRegion.SEGMENT_SIZE)
    const start = index * PmemRegion.SEGMENT_SIZE
    const segment = segmentOf(this.#view(start, Math.min(PmemRegion.SEGMENT_SIZE, this.size - start)))
    this.#segments[index] = segment
    return segment
  }

  /** Throws RangeError outside the region, TypeError when it is read-only. */
  protected check(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      throw new RangeError(`range ${offset}+${length} outside the pmem region of ${this.size} bytes`)
    }
    if (this.readOnly) throw new TypeError('store to a read-only pmem region')
  }

  #stored(offset: number, length: number): void {
    this.dirtyLog.mark(offset, length)
    this.noteStore(offset, length)
  }

  /** Counts a store, and tells the observer. */
  protected noteStore(offset: number, length: number): void {
    this.storeSequence++
    this.observer?.stored(offset, length)
  }
}

function segmentOf({ buffer, address }: MappedMemory): Segment {
  return { bytes: new Uint8Array(buffer), view: new DataView(buffer), address }
}

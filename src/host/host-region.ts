import { writeSync } from 'node:fs'
import createDebug from 'debug'
import { FsError } from '../../lib/errno.js'
import { MADV_POPULATE_WRITE, madvise, PAGE_SIZE, viewAddress } from '../../lib/libc.js'
import { DirtyLog } from '../bus/dirty-log.js'
import { PmemRegion } from '../bus/pmem-region.js'
import type { HostMemory } from './host-memory.js'

const log = createDebug('fakedax:host')

/** Bytes of a store from which on one system call costs less than its faults. */
const WORTHWHILE = 32 * 1024

/**
 * Persistent memory that is a mapping of the image.
 *
 * Large stores take their write faults in one call: one by one they cost 5 to 10 times as much where the file has a
 * hole. Large stores to new places go to the file at once where the private mapping has no copy of the page, which
 * then shows what the file has: a page of the host's cache in place of one there and one here.
 */
export class HostRegion extends PmemRegion {
  readonly #memory: HostMemory
  #populates: boolean

  constructor(memory: HostMemory, start: number) {
    super({
      start,
      size: memory.size,
      memory: (offset, length) => {
        const address = memory.addressOf(offset)
        return { buffer: viewAddress(address, length), address }
      },
      dirtyLog: memory.dirtyLog,
      readOnly: memory.readOnly,
    })
    this.#memory = memory
    this.#populates = !memory.readOnly
  }

  override store(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    if (this.#isAside(offset, to - from)) {
      this.#storeAside(offset, source.subarray(from, to))
      return
    }
    if (to - from >= WORTHWHILE) this.#populate(offset, to - from)
    super.store(offset, source, from, to)
    this.#memory.copies?.addBytes(offset, to - from)
  }

  override zero(offset: number, length: number): void {
    if (length >= WORTHWHILE && this.#isAside(offset, length) && this.#zeroAside(offset, length)) return
    if (length >= WORTHWHILE) this.#populate(offset, length)
    super.zero(offset, length)
    this.#memory.copies?.addBytes(offset, length)
  }

  override storeNew(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    const { aheadLog, copies } = this.#memory
    if (aheadLog === undefined || copies === undefined || to - from < WORTHWHILE) {
      this.store(offset, source, from, to)
      return
    }
    this.check(offset, to - from)
    const end = Math.floor((offset + to - from) / DirtyLog.PAGE_SIZE)
    let page = Math.ceil(offset / DirtyLog.PAGE_SIZE)
    const piece = (upTo: number): Uint8Array => {
      const start = from
      from += upTo - offset
      offset = upTo
      return source.subarray(start, from)
    }
    while (page < end) {
      const absent = copies.nextAbsent(page, end)
      const next = copies.next(absent, end)
      if (absent * DirtyLog.PAGE_SIZE > offset) {
        const at = offset
        this.store(at, piece(absent * DirtyLog.PAGE_SIZE))
      }
      if (next > absent) {
        const at = offset
        this.#storeAhead(aheadLog, at, piece(next * DirtyLog.PAGE_SIZE))
      }
      page = next
    }
    if (from < to) this.store(offset, source, from, to)
  }

  override get discardGranularity(): number {
    return Math.max(PAGE_SIZE, DirtyLog.PAGE_SIZE)
  }

  /** Holes in the image: what is stored there later takes new space, which the host may not have. */
  protected override discardPages(offset: number, length: number): void {
    this.#memory.punchHole(offset, length)
  }

  /** Whole pages without a private copy. Where the file refuses them they are stored as any other. */
  #storeAhead(aheadLog: DirtyLog, offset: number, bytes: Uint8Array): void {
    try {
      const written = writeSync(this.#memory.fd, bytes, 0, bytes.length, offset)
      if (written !== bytes.length) {
        this.store(offset, bytes)
        return
      }
    } catch (error) {
      log('storing ahead of the sync: %s', (error as Error).message)
      this.store(offset, bytes)
      return
    }
    aheadLog.mark(offset, bytes.length)
    this.noteStore(offset, bytes.length)
  }

  /**
   * Whether to write to the file, which the mapping shares, in place of looking at a segment for the first time: mkfs
   * stores a little in every one of thousands.
   */
  #isAside(offset: number, length: number): boolean {
    return this.#memory.copies === undefined && !this.isViewed(offset) && !this.isViewed(offset + length - 1)
  }

  #storeAside(offset: number, bytes: Uint8Array): void {
    this.check(offset, bytes.length)
    const written = writeSync(this.#memory.fd, bytes, 0, bytes.length, offset)
    if (written !== bytes.length) throw new FsError('EIO', `${written} of ${bytes.length} bytes written`)
    this.dirtyLog.mark(offset, bytes.length)
    this.noteStore(offset, bytes.length)
  }

  /** A hole is zeroes too. False where that cannot be: the range is not whole pages, or the file cannot have holes. */
  #zeroAside(offset: number, length: number): boolean {
    const unit = this.discardGranularity
    if (offset % unit !== 0 || length % unit !== 0) return false
    this.check(offset, length)
    try {
      this.#memory.punchHole(offset, length)
    } catch (error) {
      log('no holes in the image: %s', (error as Error).message)
      return false
    }
    this.noteStore(offset, length)
    return true
  }

  /** A hint: what is wrong with the range is told by the store. */
  #populate(offset: number, length: number): void {
    if (!this.#populates || !(offset >= 0 && offset + length <= this.size)) return
    const first = Math.floor(offset / PAGE_SIZE) * PAGE_SIZE
    const end = Math.min(Math.ceil((offset + length) / PAGE_SIZE) * PAGE_SIZE, this.size)
    if (this.#memory.contiguous(first, end - first) < end - first) return
    try {
      madvise(this.#memory.addressOf(first), end - first, MADV_POPULATE_WRITE)
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      log('large stores take their faults one by one: %s', error.message)
      this.#populates = false
    }
  }
}

import createDebug from 'debug'
import { FsError } from '../../lib/errno.js'
import { MADV_POPULATE_WRITE, madvise, PAGE_SIZE, viewSegments } from '../../lib/libc.js'
import { PmemRegion } from '../bus/pmem-region.js'
import type { HostMemory } from '../host/host-memory.js'

const log = createDebug('fakedax:machine')

/** Bytes of a store from which on one call costs less than its faults. */
const WORTHWHILE = 32 * 1024

/**
 * Persistent memory of a file mapping, which takes the faults of a large store in one call. One by one they cost 5 to
 * 10 times as much when the file has a hole there; all pages of the range are about to be stored to, so that none
 * becomes resident for nothing.
 */
export class PopulatedRegion extends PmemRegion {
  #supported: boolean

  constructor(memory: HostMemory, start: number) {
    super({
      start,
      size: memory.size,
      memory: viewSegments(memory.address, memory.size),
      address: memory.address,
      dirtyLog: memory.dirtyLog,
      readOnly: memory.readOnly,
    })
    this.#supported = !memory.readOnly
  }

  override store(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    if (to - from >= WORTHWHILE) this.#populate(offset, to - from)
    super.store(offset, source, from, to)
  }

  override zero(offset: number, length: number): void {
    if (length >= WORTHWHILE) this.#populate(offset, length)
    super.zero(offset, length)
  }

  /** A hint: what is wrong with the range is told by the store. */
  #populate(offset: number, length: number): void {
    if (!this.#supported || !(offset >= 0 && offset + length <= this.size)) return
    const first = Math.floor(offset / PAGE_SIZE) * PAGE_SIZE
    const end = Math.min(Math.ceil((offset + length) / PAGE_SIZE) * PAGE_SIZE, this.size)
    try {
      madvise(this.address + first, end - first, MADV_POPULATE_WRITE)
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      log('large stores take their faults one by one: %s', error.message)
      this.#supported = false
    }
  }
}

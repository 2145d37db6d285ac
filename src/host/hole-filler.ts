import { MADV_POPULATE_WRITE, madvise, seekHoleRaw } from '../../lib/libc.js'
import { DirtyLog } from '../bus/dirty-log.js'
import type { HostMemory } from './host-memory.js'

/** Bytes that are filled together. */
const STRIDE = 64 << 10
const PAGES = STRIDE / DirtyLog.PAGE_SIZE
/** Pages of one sync from which on they come in runs of their own accord. */
const PAGES_MOST = 256
/** Strides that are remembered, 4 GiB of them; then it is asked again. */
const KNOWN_MOST = 1 << 16

/**
 * Gives a sparse image its blocks by the stride where a guest stores page by page, as to a journal or the end of a file.
 * Each fdatasync(2) after a store to a hole waits for the journal of the file system below also, for the block that it
 * allocated: this makes that one sync of sixteen. Contents stay what they are, a hole's pages are written as zeroes.
 */
export class HoleFiller {
  readonly #memory: HostMemory
  readonly #known = new Set<number>()

  /** `memory` is a shared mapping of a regular file. */
  constructor(memory: HostMemory) {
    this.#memory = memory
  }

  /** Before the sync of `pages`. Where the disk is full nothing is filled; that is for the sync to tell. */
  fillAround(pages: readonly number[]): void {
    if (pages.length > PAGES_MOST) return
    let last = -1
    for (const page of pages) {
      const stride = Math.floor(page / PAGES)
      if (stride === last) continue
      last = stride
      if (this.#known.has(stride)) continue
      if (this.#known.size >= KNOWN_MOST) this.#known.clear()
      this.#known.add(stride)
      this.#fill(stride * STRIDE)
    }
  }

  #fill(offset: number): void {
    const end = Math.min(offset + STRIDE, this.#memory.size)
    const hole = seekHoleRaw(this.#memory.fd, offset)
    if (hole < 0 || hole >= end) return
    try {
      madvise(this.#memory.addressOf(offset), end - offset, MADV_POPULATE_WRITE)
    } catch {
      // Before Linux 5.14, or no space: it is only slower.
    }
  }
}

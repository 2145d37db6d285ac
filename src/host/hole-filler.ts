import createDebug from 'debug'
import { MADV_POPULATE_WRITE, mapFile, seekHoleRaw } from '../../lib/libc.js'
import { DirtyLog } from '../bus/dirty-log.js'
import type { ImageFile } from './image-file.js'

const log = createDebug('fakedax:host')

/** Bytes that are filled together. */
const STRIDE = 256 << 10
const PAGES = STRIDE / DirtyLog.PAGE_SIZE
/** Pages of one sync from which on they come in runs of their own accord. */
const PAGES_MOST = 256
/** Strides that are remembered, 16 GiB of them; then it is asked again. */
const KNOWN_MOST = 1 << 16

/** What {@link HoleFiller} needs of an image: a regular file, open for writing. */
export type HoledFile = Pick<ImageFile, 'fd' | 'size'>

/**
 * Gives a sparse image its blocks by the stride where a guest stores page by page, as to a journal or the end of a file.
 * Each fdatasync(2) after a store to a hole waits for the journal of the file system below also, for the block that it
 * allocated: this makes that one sync of sixty-four.
 *
 * It is done by faulting in the pages of a shared mapping, not by writing zeroes: others may store to these pages of the
 * file at the same time, and a fault leaves what is there.
 */
export class HoleFiller {
  readonly #image: HoledFile
  readonly #known = new Set<number>()

  constructor(image: HoledFile) {
    this.#image = image
  }

  /** Undefined where there are no holes to fill: for a block device, or an image that is only read. */
  static of(image: ImageFile): HoleFiller | undefined {
    return image.blockDevice || image.readOnly ? undefined : new HoleFiller(image)
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
    const { fd, size } = this.#image
    const length = Math.min(STRIDE, size - offset)
    const hole = seekHoleRaw(fd, offset)
    if (hole < 0 || hole >= offset + length) return
    try {
      const mapping = mapFile(fd, length, { shared: true, writable: true, offset })
      try {
        mapping.advise(MADV_POPULATE_WRITE)
      } finally {
        mapping.unmap()
      }
    } catch (error) {
      // Before Linux 5.14, or no space: it is only slower.
      log('%d bytes at %d: %s', length, offset, (error as Error).message)
    }
  }
}

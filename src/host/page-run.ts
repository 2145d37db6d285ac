import { E } from '../../lib/errno.js'
import { DirtyLog } from '../bus/dirty-log.js'

/** Adjacent pages. */
export interface PageRun {
  first: number
  count: number
}

/** Joins ascending page numbers to runs of at most `limit` pages. */
export function pageRuns(pages: readonly number[], limit = Number.POSITIVE_INFINITY): PageRun[] {
  const runs: PageRun[] = []
  let run: PageRun | undefined
  for (const page of pages) {
    if (run !== undefined && page === run.first + run.count && run.count < limit) {
      run.count++
    } else {
      run = { first: page, count: 1 }
      runs.push(run)
    }
  }
  return runs
}

/** What pages are written to: bytes written from `address` to `offset`, or -errno. */
export interface PageTarget {
  write(address: number, length: number, offset: number): number
}

/** Where pages are in this process. */
export interface PageSource {
  addressOf(offset: number): number
  /** Bytes from `offset` on that lie one behind the other, `length` at most. */
  contiguous(offset: number, length: number): number
}

/** A system call of this many pages (1 MiB) costs little more per byte than a longer one. */
const RUN_LIMIT = 256
/** A file is written in one piece unless the medium is full; then the second call says why. */
const EMPTY_WRITES = 8

/**
 * Writes ascending `pages` of `source` to the same offsets of `target`. 0, or -errno of the first failure,
 * after which it is not known which of the pages were written.
 */
export function writePages(target: PageTarget, source: PageSource, pages: readonly number[]): number {
  for (const run of pageRuns(pages, RUN_LIMIT)) {
    const end = (run.first + run.count) * DirtyLog.PAGE_SIZE
    let empty = 0
    for (let offset = run.first * DirtyLog.PAGE_SIZE; offset < end; ) {
      const written = target.write(source.addressOf(offset), source.contiguous(offset, end - offset), offset)
      if (written > 0) {
        offset += written
      } else if ((written !== 0 && written !== -E.EINTR) || ++empty === EMPTY_WRITES) {
        return written < 0 ? written : -E.EIO
      }
    }
  }
  return 0
}

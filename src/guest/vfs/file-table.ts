import { FsError } from '../../../lib/errno.js'
import type { OpenFile } from './open-file.js'

/** The lowest descriptor given out: 0 to 2 are never files of an image, as with programs that have standard streams. */
const FIRST = 3
/** RLIMIT_NOFILE of most systems' hard limit. */
const MOST = 1_048_576

/** File descriptors and the open files behind them. A new one is the lowest that is free. */
export class FileTable {
  readonly #files: (OpenFile | undefined)[] = []
  /** No descriptor below is free. */
  #lowest = 0

  /** Throws EMFILE. */
  add(file: OpenFile): number {
    let at = this.#lowest
    while (this.#files[at] !== undefined) at++
    if (at >= MOST) throw new FsError('EMFILE', 'too many open files')
    this.#files[at] = file
    this.#lowest = at + 1
    return at + FIRST
  }

  /** Throws EBADF. */
  get(fd: number): OpenFile {
    const file = this.#files[fd - FIRST]
    if (file === undefined) throw new FsError('EBADF', `no open file ${fd}`)
    return file
  }

  /** Frees the descriptor. Throws EBADF. */
  remove(fd: number): OpenFile {
    const file = this.get(fd)
    this.#files[fd - FIRST] = undefined
    this.#lowest = Math.min(this.#lowest, fd - FIRST)
    return file
  }

  /** Nothing is open any more. */
  clear(): void {
    this.#files.length = 0
    this.#lowest = 0
  }

  /** Descriptors in use. */
  *[Symbol.iterator](): Generator<number> {
    for (const at of this.#files.keys()) if (this.#files[at] !== undefined) yield at + FIRST
  }
}

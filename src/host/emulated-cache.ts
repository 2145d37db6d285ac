import createDebug from 'debug'
import { DirtyLog } from '../bus/dirty-log.js'
import { HoleFiller } from './hole-filler.js'
import { HostMemory } from './host-memory.js'
import type { BackendStatistics, HostMemoryBackend } from './host-memory-backend.js'
import type { ImageFile } from './image-file.js'
import { writePages } from './page-run.js'
import type { PrivatePages } from './private-pages.js'

const log = createDebug('fakedax:host')

/** What {@link EmulatedCache} needs of an image. */
export type WrittenFile = Pick<ImageFile, 'checkLength' | 'write' | 'datasync' | 'close'>

export interface EmulatedCacheOptions {
  /** Bytes of dirty memory from which on a write-back is due without a sync. */
  writeBackLimit?: number
  /** Where the image is a file that may have holes. */
  holes?: HoleFiller | undefined
}

const WRITE_BACK_LIMIT = 64 << 20

/**
 * A cache of our own in place of the host's: stores stay in a private mapping, and only a sync, or a write-back when
 * there are many, takes them to the file. So the death of this process is to the image what a power failure of the
 * host would be.
 *
 * Invariants:
 * (1) Between calls a page is dirty in the log, or among #unsynced, or durable.
 * (2) The log is taken, written and, on failure, put back between beginWriteBack and endWriteBack: nobody drops a
 *     private copy that is on its way.
 * (3) After a failed fdatasync every page written since the last good one is dirty again: the kernel has forgotten
 *     that it owes them.
 */
export class EmulatedCache implements HostMemoryBackend {
  readonly policy = 'emulated'
  readonly memory: HostMemory
  readonly statistics: BackendStatistics = { syncs: 0, failures: 0, bytesWrittenBack: 0 }
  readonly #image: WrittenFile
  readonly #privatePages: PrivatePages
  readonly #holes: HoleFiller | undefined
  readonly #writeBackLimit: number
  /** Pages given to the file by write-backs since the last sync. */
  readonly #unsynced: DirtyLog
  /** The file may owe something to the medium: also what others wrote before it was opened. */
  #fdatasyncDue = true

  /** `memory` is a private mapping of `image`. */
  constructor(image: WrittenFile, memory: HostMemory, options: EmulatedCacheOptions = {}) {
    if (memory.privatePages === undefined) throw new TypeError('emulated cache over a shared mapping')
    this.#image = image
    this.#privatePages = memory.privatePages
    this.memory = memory
    this.#holes = options.holes
    this.#writeBackLimit = options.writeBackLimit ?? WRITE_BACK_LIMIT
    this.#unsynced = new DirtyLog(memory.size)
  }

  static open(
    image: ImageFile,
    options: EmulatedCacheOptions & { reclaimLimit?: number } = {},
  ): EmulatedCache {
    const memory = HostMemory.map(image, { shared: false, ...options })
    return new EmulatedCache(image, memory, { holes: HoleFiller.of(image), ...options })
  }

  get pagesDirty(): number {
    const { dirtyLog, aheadLog } = this.memory
    return dirtyLog.count + (aheadLog?.count ?? 0)
  }

  get writeBackDue(): boolean {
    return this.memory.dirtyLog.count * DirtyLog.PAGE_SIZE > this.#writeBackLimit
  }

  sync(): number {
    this.statistics.syncs++
    if (this.memory.readOnly) return 0
    const pages: number[] = []
    const result = this.#write(pages) || this.#takeAhead() || this.#fdatasync(pages)
    if (result < 0) this.statistics.failures++
    return result
  }

  writeBack(): number {
    const pages: number[] = []
    const result = this.#write(pages)
    if (result < 0) return result
    this.#unsynced.putBack(pages)
    this.#privatePages.wroteBack(pages)
    return 0
  }

  /** As a host does when only the guest died: every store reaches the file, durable or not. 0 or -errno. */
  writeBackAll(): number {
    return this.writeBack()
  }

  /** A power failure of the host while this process lives on: the memory shows what the file has. */
  discardUnflushed(): void {
    this.memory.discard()
  }

  close(): void {
    this.memory.unmap()
    this.#image.close()
  }

  /** Takes the log and writes it, telling the pages in `written`; on failure all are dirty again and none is told. */
  #write(written: number[]): number {
    const { dirtyLog } = this.memory
    const short = this.#image.checkLength()
    if (short < 0) return short
    this.#privatePages.beginWriteBack()
    try {
      const pages = dirtyLog.take()
      if (pages.length === 0) return 0
      this.#fdatasyncDue = true
      this.#holes?.fillAround(pages)
      const result = writePages(this.#image, this.memory, pages)
      if (result < 0) {
        log('write-back of %d pages failed: %d', pages.length, result)
        dirtyLog.putBack(pages)
        return result
      }
      for (const page of pages) written.push(page)
      this.statistics.bytesWrittenBack += pages.length * DirtyLog.PAGE_SIZE
      return 0
    } finally {
      this.#privatePages.endWriteBack()
    }
  }

  /** What the guest's thread stored to the file by itself is owed to the medium like any write-back. */
  #takeAhead(): 0 {
    const pages = this.memory.aheadLog?.take() ?? []
    if (pages.length > 0) {
      this.#unsynced.putBack(pages)
      this.#fdatasyncDue = true
      this.statistics.bytesWrittenBack += pages.length * DirtyLog.PAGE_SIZE
    }
    return 0
  }

  /** `written` are pages given to the file just now; their private copies are let go only once they are durable. */
  #fdatasync(written: readonly number[]): number {
    if (!this.#fdatasyncDue) return 0
    const result = this.#image.datasync()
    const owed = this.#unsynced.take()
    if (result < 0) {
      log('fdatasync failed: %d', result)
      this.memory.dirtyLog.putBack(owed)
      this.memory.dirtyLog.putBack(written)
    } else {
      this.#fdatasyncDue = false
      this.#privatePages.wroteBack(written)
    }
    return result
  }
}

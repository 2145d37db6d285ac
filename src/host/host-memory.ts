import { MADV_DONTNEED, type Mapping, madvise, mapFile, PAGE_SIZE, viewSegments } from '../../lib/libc.js'
import { DirtyLog } from '../bus/dirty-log.js'
import { PmemRegion } from '../bus/pmem-region.js'
import type { ImageFile } from './image-file.js'
import { pageRuns } from './page-run.js'
import { PrivatePages, type PrivatePagesHandle } from './private-pages.js'

/** What another thread needs to see memory that this one mapped; can be sent to a worker. */
export interface HostMemoryHandle {
  readonly address: number
  readonly size: number
  readonly readOnly: boolean
  readonly dirtyLog: SharedArrayBuffer
  readonly privatePages: PrivatePagesHandle | undefined
  readonly reclaimLimit: number
}

export interface HostMemoryOptions {
  /** Stores reach the file by themselves (MAP_SHARED), else only by write-back (MAP_PRIVATE). */
  shared: boolean
  /** Bytes of written-back private copies from which on {@link HostMemory.reclaim} drops them. */
  reclaimLimit?: number
}

const RECLAIM_LIMIT = 64 << 20

/**
 * The image as memory of this process, with the dirty log. The thread that mapped it unmaps it, after the others
 * have dropped their views.
 */
export class HostMemory {
  readonly address: number
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
  readonly dirtyLog: DirtyLog
  /** Only of a private mapping. */
  readonly privatePages: PrivatePages | undefined
  readonly #reclaimLimit: number
  readonly #mapping: Mapping | undefined

  private constructor(handle: HostMemoryHandle, mapping: Mapping | undefined) {
    this.address = handle.address
    this.size = handle.size
    this.readOnly = handle.readOnly
    this.dirtyLog = new DirtyLog(handle.size, handle.dirtyLog)
    this.#reclaimLimit = handle.reclaimLimit
    this.#mapping = mapping
    this.privatePages =
      handle.privatePages === undefined ? undefined : new PrivatePages(handle.size, handle.privatePages)
  }

  static map(image: ImageFile, options: HostMemoryOptions): HostMemory {
    const { size, readOnly } = image
    const mapping = mapFile(image.fd, size, { shared: options.shared, writable: !readOnly })
    const handle = {
      address: mapping.address,
      size,
      readOnly,
      dirtyLog: new DirtyLog(size).memory,
      privatePages: options.shared ? undefined : new PrivatePages(size).handle,
      reclaimLimit: options.reclaimLimit ?? RECLAIM_LIMIT,
    }
    return new HostMemory(handle, mapping)
  }

  /** The memory as another thread mapped it. */
  static attach(handle: HostMemoryHandle): HostMemory {
    return new HostMemory(handle, undefined)
  }

  get handle(): HostMemoryHandle {
    return {
      address: this.address,
      size: this.size,
      readOnly: this.readOnly,
      dirtyLog: this.dirtyLog.memory,
      privatePages: this.privatePages?.handle,
      reclaimLimit: this.#reclaimLimit,
    }
  }

  /** The memory as the bus shows it at guest-physical address `start`. One per storing thread: it counts its stores. */
  region(start: number): PmemRegion {
    return new PmemRegion({
      start,
      size: this.size,
      memory: viewSegments(this.address, this.size),
      address: this.address,
      dirtyLog: this.dirtyLog,
      readOnly: this.readOnly,
    })
  }

  /** The thread that stores should call {@link reclaim}. Cheap: ask after every operation. */
  get reclaimDue(): boolean {
    return (
      this.privatePages !== undefined && this.privatePages.count * DirtyLog.PAGE_SIZE > this.#reclaimLimit
    )
  }

  /**
   * Drops the private copies of pages that the file has, so that a fully overwritten image does not stay resident
   * twice; they are read again from the host's page cache. Only for the thread that stores: a store between the look
   * at the dirty log and the drop would be lost. Returns the bytes dropped, 0 while a write-back is under way.
   */
  reclaim(): number {
    if (this.privatePages === undefined) return 0
    const pages = this.privatePages.takeForReclaim(this.dirtyLog)
    if (pages === undefined) return 0
    try {
      return pageRuns(pages).reduce((sum, { first, count }) => {
        return sum + this.#drop(first * DirtyLog.PAGE_SIZE, (first + count) * DirtyLog.PAGE_SIZE)
      }, 0)
    } finally {
      this.privatePages.endReclaim()
    }
  }

  /** A power failure of the host: every private copy is gone. Only while no thread stores or writes back. */
  discard(): void {
    if (this.privatePages === undefined)
      throw new TypeError('a shared mapping has nothing of its own to discard')
    this.dirtyLog.take()
    this.privatePages.clear()
    this.#drop(0, this.size)
  }

  /** Only the thread that mapped it has something to unmap; views of any thread are dead then. */
  unmap(): void {
    this.#mapping?.unmap()
  }

  /** Inwards to whole pages of the host, which may be larger than those of the log. */
  #drop(from: number, to: number): number {
    const start = Math.ceil(from / PAGE_SIZE) * PAGE_SIZE
    const length = (to === this.size ? to : Math.floor(to / PAGE_SIZE) * PAGE_SIZE) - start
    if (length <= 0) return 0
    madvise(this.address + start, length, MADV_DONTNEED)
    return length
  }
}

import { MADV_DONTNEED, type Mapping, madvise, mapFile, PAGE_SIZE, punchHole } from '../../lib/libc.js'
import { DirtyLog } from '../bus/dirty-log.js'
import { HostRegion } from './host-region.js'
import type { ImageFile } from './image-file.js'
import { pageRuns } from './page-run.js'
import { PageSet } from './page-set.js'
import { PrivatePages, type PrivatePagesHandle } from './private-pages.js'

/** What another thread needs to see memory that this one mapped; can be sent to a worker. */
export interface HostMemoryHandle {
  readonly addresses: readonly number[]
  readonly size: number
  readonly readOnly: boolean
  readonly dirtyLog: SharedArrayBuffer
  readonly privatePages: PrivatePagesHandle | undefined
  readonly aheadLog: SharedArrayBuffer | undefined
  /** Of the image; file descriptors are the process's. */
  readonly fd: number
  readonly reclaimLimit: number
}

export interface HostMemoryOptions {
  /** Stores reach the file by themselves (MAP_SHARED), else only by write-back (MAP_PRIVATE). */
  shared: boolean
  /** Bytes of written-back private copies from which on {@link HostMemory.reclaim} drops them. */
  reclaimLimit?: number
}

/** Bytes of one mapping, a multiple of the region's segments. Larger images have several: one gap may not be had for all. */
const MAPPING_SIZE = 2 ** 40

const RECLAIM_LIMIT = 64 << 20
/** Pages from which on it is worth a system call to let go of a view. */
const LEAST_VIEW = 64

/**
 * The image as memory of this process, with the dirty log. The thread that mapped it unmaps it, after the others
 * have dropped their views.
 */
export class HostMemory {
  /** Of the mappings in order, each but the last of {@link MAPPING_SIZE} bytes. */
  readonly #addresses: readonly number[]
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
  readonly dirtyLog: DirtyLog
  /** Only of a private mapping. */
  readonly privatePages: PrivatePages | undefined
  /**
   * Only of a private mapping: pages that were stored to the file at once, and that no sync has covered. In the log's
   * sense they are clean: the file has them.
   */
  readonly aheadLog: DirtyLog | undefined
  /** Only of a private mapping, and only known to the thread that stores: pages of which it made a private copy. */
  readonly copies: PageSet | undefined
  readonly fd: number
  readonly #reclaimLimit: number
  readonly #mappings: readonly Mapping[]

  private constructor(handle: HostMemoryHandle, mappings: readonly Mapping[]) {
    this.#addresses = handle.addresses
    this.size = handle.size
    this.readOnly = handle.readOnly
    this.dirtyLog = new DirtyLog(handle.size, handle.dirtyLog)
    this.fd = handle.fd
    this.#reclaimLimit = handle.reclaimLimit
    this.#mappings = mappings
    this.aheadLog = handle.aheadLog === undefined ? undefined : new DirtyLog(handle.size, handle.aheadLog)
    this.copies = handle.privatePages === undefined ? undefined : new PageSet(handle.size)
    this.privatePages =
      handle.privatePages === undefined ? undefined : new PrivatePages(handle.size, handle.privatePages)
  }

  static map(image: ImageFile, options: HostMemoryOptions): HostMemory {
    const { size, readOnly } = image
    const mappings = mapInParts(image, options.shared)
    const handle = {
      addresses: mappings.map(({ address }) => address),
      size,
      readOnly,
      dirtyLog: new DirtyLog(size).memory,
      privatePages: options.shared ? undefined : new PrivatePages(size).handle,
      aheadLog: options.shared || readOnly ? undefined : new DirtyLog(size).memory,
      fd: image.fd,
      reclaimLimit: options.reclaimLimit ?? RECLAIM_LIMIT,
    }
    return new HostMemory(handle, mappings)
  }

  /** The memory as another thread mapped it. */
  static attach(handle: HostMemoryHandle): HostMemory {
    return new HostMemory(handle, [])
  }

  get handle(): HostMemoryHandle {
    return {
      addresses: this.#addresses,
      size: this.size,
      readOnly: this.readOnly,
      dirtyLog: this.dirtyLog.memory,
      privatePages: this.privatePages?.handle,
      aheadLog: this.aheadLog?.memory,
      fd: this.fd,
      reclaimLimit: this.#reclaimLimit,
    }
  }

  /** Address of a byte in this process. */
  addressOf(offset: number): number {
    return this.#addresses[Math.floor(offset / MAPPING_SIZE)]! + (offset % MAPPING_SIZE)
  }

  /** Bytes from `offset` on that lie one behind the other, `length` at most. */
  contiguous(offset: number, length: number): number {
    return Math.min(length, MAPPING_SIZE - (offset % MAPPING_SIZE))
  }

  /** The memory as the bus shows it at guest-physical address `start`. One per storing thread: it counts its stores. */
  region(start: number): HostRegion {
    return new HostRegion(this, start)
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
        this.copies?.delete(first, count)
        return sum + this.#drop(first * DirtyLog.PAGE_SIZE, (first + count) * DirtyLog.PAGE_SIZE)
      }, 0)
    } finally {
      this.privatePages.endReclaim()
    }
  }

  /**
   * Lets go of the pages that are only a view of the host's page cache, which keeps them: reading a large image would
   * make all of it resident here too. Only for the thread that stores. Few pages between copies are left alone.
   */
  dropViews(): void {
    const { pages } = this.dirtyLog
    for (let first = 0; first < pages; ) {
      const from = this.copies?.nextAbsent(first, pages) ?? 0
      first = this.copies?.next(from, pages) ?? pages
      if (first - from < LEAST_VIEW) continue
      this.#drop(from * DirtyLog.PAGE_SIZE, Math.min(first * DirtyLog.PAGE_SIZE, this.size))
    }
  }

  /**
   * Gives whole pages of the host back to the file system that the image is in: they read as zero. Only for the thread
   * that stores. Throws FsError of fallocate(2): EOPNOTSUPP where files cannot have holes.
   */
  punchHole(offset: number, length: number): void {
    const first = offset / DirtyLog.PAGE_SIZE
    const count = length / DirtyLog.PAGE_SIZE
    this.privatePages?.beginDiscard()
    try {
      punchHole(this.fd, offset, length)
      if (this.copies !== undefined) this.#drop(offset, offset + length)
      this.copies?.delete(first, count)
      this.aheadLog?.clear(first, count)
      this.dirtyLog.clear(first, count)
    } finally {
      this.privatePages?.endReclaim()
    }
  }

  /** A power failure of the host: every private copy is gone. Only while no thread stores or writes back. */
  discard(): void {
    if (this.privatePages === undefined)
      throw new TypeError('a shared mapping has nothing of its own to discard')
    this.dirtyLog.take()
    this.privatePages.clear()
    this.copies?.delete(0, this.dirtyLog.pages)
    this.#drop(0, this.size)
  }

  /** Only the thread that mapped it has something to unmap; views of any thread are dead then. */
  unmap(): void {
    for (const mapping of this.#mappings) mapping.unmap()
  }

  /** Inwards to whole pages of the host, which may be larger than those of the log. */
  #drop(from: number, to: number): number {
    const start = Math.ceil(from / PAGE_SIZE) * PAGE_SIZE
    const length = (to === this.size ? to : Math.floor(to / PAGE_SIZE) * PAGE_SIZE) - start
    if (length <= 0) return 0
    for (let done = 0; done < length; ) {
      const part = this.contiguous(start + done, length - done)
      madvise(this.addressOf(start + done), part, MADV_DONTNEED)
      done += part
    }
    return length
  }
}

function mapInParts({ fd, size, readOnly }: ImageFile, shared: boolean): Mapping[] {
  const mappings: Mapping[] = []
  try {
    for (let offset = 0; offset < size; offset += MAPPING_SIZE) {
      const length = Math.min(MAPPING_SIZE, size - offset)
      mappings.push(mapFile(fd, length, { shared, writable: !readOnly, offset }))
    }
    return mappings
  } catch (error) {
    for (const mapping of mappings) mapping.unmap()
    throw error
  }
}

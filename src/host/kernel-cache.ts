import { DirtyLog } from '../bus/dirty-log.js'
import { HoleFiller } from './hole-filler.js'
import { HostMemory } from './host-memory.js'
import type { BackendStatistics, HostMemoryBackend } from './host-memory-backend.js'
import type { ImageFile } from './image-file.js'

/** What {@link KernelCache} needs of an image. */
export type SyncedFile = Pick<ImageFile, 'checkLength' | 'datasync' | 'close'>

/**
 * The host's page cache is the cache, as with QEMU's memory-backend-file,share=on: stores go to it at once, and the
 * kernel may write them back at any time. A sync is fdatasync(2), which covers pages stored to through MAP_SHARED.
 */
export class KernelCache implements HostMemoryBackend {
  readonly policy = 'kernel'
  readonly memory: HostMemory
  readonly writeBackDue = false
  readonly statistics: BackendStatistics = { syncs: 0, failures: 0, bytesWrittenBack: 0 }
  readonly #image: SyncedFile
  readonly #holes: HoleFiller | undefined

  /** `memory` is a shared mapping of `image`. `holes`: where the image is a file that may have some. */
  constructor(image: SyncedFile, memory: HostMemory, holes?: HoleFiller) {
    this.#image = image
    this.memory = memory
    this.#holes = holes
  }

  static open(image: ImageFile): KernelCache {
    return new KernelCache(image, HostMemory.map(image, { shared: true }), HoleFiller.of(image))
  }

  get pagesDirty(): number {
    return this.memory.dirtyLog.count
  }

  sync(): number {
    this.statistics.syncs++
    if (this.memory.readOnly) return 0
    const pages = this.memory.dirtyLog.take()
    const result = this.#image.checkLength() || this.#datasync(pages)
    if (result < 0) {
      this.statistics.failures++
      this.memory.dirtyLog.putBack(pages)
    } else {
      this.statistics.bytesWrittenBack += pages.length * DirtyLog.PAGE_SIZE
    }
    return result
  }

  #datasync(pages: readonly number[]): number {
    this.#holes?.fillAround(pages)
    return this.#image.datasync()
  }

  /** The kernel does it. */
  writeBack(): number {
    return 0
  }

  close(): void {
    this.memory.unmap()
    this.#image.close()
  }
}

import createDebug from 'debug'
import { systemError } from '../../lib/libc.js'
import { DirtyLog } from '../bus/dirty-log.js'
import type { GuestMemory } from '../bus/guest-memory.js'
import type { InterruptLine } from '../bus/interrupt-line.js'
import { EmulatedCache } from '../host/emulated-cache.js'
import { FaultInjection, type FaultInjectionOptions } from '../host/fault-injection.js'
import type { HostMemoryBackend } from '../host/host-memory-backend.js'
import { ImageFile } from '../host/image-file.js'
import { KernelCache } from '../host/kernel-cache.js'
import { VirtioPmemDevice } from '../host/virtio-pmem-device.js'
import { VirtioMmioDevice } from '../virtio/mmio-device.js'
import { VirtioMmioState } from '../virtio/mmio-state.js'
import { PMEM_START } from './address-map.js'
import type { HostCache } from './machine-options.js'

const log = createDebug('fakedax:machine')

/** Dirty bytes from which on they are written back without a FLUSH asking. */
export const WRITE_BACK_LIMIT = 64 << 20

export interface HostOptions {
  image: string
  hostCache: HostCache
  readOnly: boolean
  faults?: FaultInjectionOptions
}

/** What the host side counts. */
export interface HostStatus {
  /** FLUSH requests received. */
  flushRequests: number
  /** Syncs made for them. */
  syncs: number
  syncFailures: number
  bytesWrittenBack: number
  /** Stored to and covered by no completed sync. */
  bytesDirty: number
  device: 'running' | 'failed'
}

/** The host's half of a machine: an image, its memory, and the virtio-pmem device that offers it. One thread's. */
export class Host {
  readonly backend: HostMemoryBackend
  readonly readOnlyReason: string | undefined
  readonly state: VirtioMmioState
  readonly #device: VirtioPmemDevice
  readonly #mmio: VirtioMmioDevice

  /** Opens and locks the image. Throws FsError as {@link ImageFile.open} does. */
  static open(options: HostOptions, ram: GuestMemory, interrupt: InterruptLine): Host {
    const image = ImageFile.open(options.image, { readOnly: options.readOnly })
    const cache =
      options.hostCache === 'kernel'
        ? KernelCache.open(image)
        : EmulatedCache.open(image, { writeBackLimit: WRITE_BACK_LIMIT })
    const backend = options.faults === undefined ? cache : new FaultInjection(cache, options.faults)
    return new Host(backend, image, ram, interrupt)
  }

  private constructor(
    backend: HostMemoryBackend,
    image: ImageFile,
    ram: GuestMemory,
    interrupt: InterruptLine,
  ) {
    this.backend = backend
    this.readOnlyReason = image.readOnlyReason === 'asked' ? undefined : image.readOnlyReason
    this.#device = new VirtioPmemDevice({
      start: PMEM_START,
      size: image.size,
      readOnly: image.readOnly,
      sync: () => backend.sync(),
    })
    this.state = VirtioMmioState.create(this.#device.identity)
    this.#mmio = new VirtioMmioDevice({ state: this.state, device: this.#device, memory: ram, interrupt })
  }

  /** Answers the doorbell. */
  process(): void {
    this.#mmio.process()
    if (this.backend.writeBackDue) this.#writeBack()
  }

  get status(): HostStatus {
    const { backend } = this
    return {
      flushRequests: this.#device.statistics.flushes,
      syncs: backend.statistics.syncs,
      syncFailures: backend.statistics.failures,
      bytesWrittenBack: backend.statistics.bytesWrittenBack,
      bytesDirty: backend.pagesDirty * DirtyLog.PAGE_SIZE,
      device: this.#device.failed ? 'failed' : 'running',
    }
  }

  /** Gives every store to the file, as a host does that lives on when its guest died. Throws FsError. */
  keepAll(): void {
    const result = this.backend.writeBack()
    if (result < 0) throw systemError(-result, 'pwrite')
  }

  /** The machine was switched off in good order: what no FLUSH asked for goes to the image too. Throws FsError. */
  async shutDown(): Promise<void> {
    if (!this.backend.memory.readOnly && this.backend.pagesDirty > 0) {
      const result = await this.backend.sync()
      if (result < 0) throw systemError(-result, 'fdatasync')
    }
    this.backend.close()
  }

  /** The power fails: what no sync covered is gone (with the host's own page cache it is not: it stays there). */
  cutPower(): void {
    this.backend.close()
  }

  #writeBack(): void {
    const result = this.backend.writeBack()
    if (result < 0) log('write-back failed: %d', result)
  }
}

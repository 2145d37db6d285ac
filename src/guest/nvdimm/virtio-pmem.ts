import createDebug from 'debug'
import { FsError } from '../../../lib/errno.js'
import type { DmaMemory } from '../../bus/dma-memory.js'
import { BusError } from '../../bus/guest-memory.js'
import type { PmemRegion } from '../../bus/pmem-region.js'
import type { DriverQueue } from '../../virtio/driver-queue.js'
import { FeatureSet, VIRTIO_F_EVENT_IDX } from '../../virtio/features.js'
import type { VirtioMmioTransport } from '../../virtio/mmio-transport.js'
import {
  VIRTIO_ID_PMEM,
  VIRTIO_PMEM_F_SHMEM_REGION,
  VIRTIO_PMEM_REQUEST_QUEUE,
  VIRTIO_PMEM_SHMEM_REGION_ID,
  VirtioPmemConfig,
} from '../../virtio/pmem.js'
import { freeQueue, QueueError } from '../../virtio/ring.js'
import { FlushBuffer, FlushRequest } from './flush-request.js'
import { NdRegion } from './nd-region.js'

const log = createDebug('fakedax:nvdimm')

/** A guest-physical range. */
export interface PhysicalRange {
  start: number
  /** Bytes. */
  size: number
}

export interface VirtioPmemOptions {
  transport: VirtioMmioTransport
  /** For the ring and the requests. */
  dma: DmaMemory
  /** The persistent memory that the bus has at a guest-physical range, if it has any there. */
  memoryAt: (range: PhysicalRange) => PmemRegion | undefined
  /** Milliseconds, never going back. */
  now: () => number
  /** Milliseconds that a flush may take before the device counts as broken. */
  timeout?: number
  /** A power of two; the device's maximum by default. */
  queueSize?: number
}

/** Counts since probe. */
export interface DriverStatistics {
  flushes: number
  /** Flushes that were rejected. */
  failures: number
  /** Flushes that had to wait for a descriptor. */
  waits: number
  interrupts: number
}

/** What the device has been given while it is up. */
interface Resources {
  queue: DriverQueue<FlushBuffer>
  buffersAt: number | undefined
  /** Buffers that the device has not. */
  free: FlushBuffer[]
  range: PhysicalRange
}

const TIMEOUT = 60_000
/** One for the request, one for the response. */
const DESCRIPTORS_PER_FLUSH = 2

/**
 * The virtio-pmem driver. virtio 1.2, 5.19; Linux has it as drivers/nvdimm/{virtio_pmem,nd_virtio}.c.
 *
 *     live → broken [#break: NEEDS_RESET, a broken ring, a timeout] ; live, broken → frozen [freeze] → live [restore]
 *     any → removed [remove]
 *
 * Invariants:
 * (1) Each flush() is a request of its own, made available after the call. One that is under way is never shared: the
 *     device may have begun it before the caller's stores. That several cost one sync is the device's business.
 * (2) A flush resolves only for a response of 4 bytes that says 0. Every other end is EIO.
 * (3) Buffers that the device has are not reused or freed before it gave them back or was reset.
 * (4) Whoever waits is answered: by the device, when the device breaks, or at freeze and remove.
 */
export class VirtioPmem {
  readonly ndRegion: NdRegion
  readonly statistics: DriverStatistics = { flushes: 0, failures: 0, waits: 0, interrupts: 0 }
  readonly #options: VirtioPmemOptions
  #state: 'live' | 'broken' | 'frozen' | 'removed' = 'live'
  #resources: Resources
  /** All that wait, in order of deadline. */
  readonly #requests = new Set<FlushRequest>()
  /** Those of them that have no buffer yet. */
  #waiting: FlushRequest[] = []

  private constructor(options: VirtioPmemOptions) {
    this.#options = options
    this.#resources = this.#bringUp()
    const { range } = this.#resources
    this.ndRegion = new NdRegion(
      this.#memoryAt(range),
      'virtio-pmem',
      () => this.flush(),
      () => this.flushAtOnce(),
    )
    // Last: whoever gets the region may flush at once.
    options.transport.driverOk()
    log('probe: %d bytes at %d', range.size, range.start)
  }

  /** Takes over the device. Throws FsError ENODEV (not a virtio-pmem device), ENXIO (its memory is not there), ENOMEM. */
  static probe(options: VirtioPmemOptions): VirtioPmem {
    return new VirtioPmem(options)
  }

  /** Flushes that the device has not answered. */
  get inFlight(): number {
    return this.#requests.size
  }

  get broken(): boolean {
    return this.#state === 'broken'
  }

  /** When {@link tick} has something to do next, in ms of the driver's clock. */
  get deadline(): number | undefined {
    for (const request of this.#requests) return request.deadline
    return undefined
  }

  /** Makes durable every store made before the call. Rejects with FsError EIO, see invariant (2). */
  flush(): Promise<void> {
    return this.#ask().completion.promise
  }

  /** As {@link flush}; undefined when the device has answered within the call. Throws FsError EIO. */
  flushAtOnce(): Promise<void> | undefined {
    const request = this.#ask()
    const { completion } = request
    if (!completion.done) return completion.promise
    // What it tells is told here.
    completion.promise.catch(() => {})
    if (request.error !== undefined) throw request.error
    return undefined
  }

  /** Asks the device for a flush. */
  #ask(): FlushRequest {
    this.statistics.flushes++
    if (this.#state === 'live' && this.#options.transport.needsReset) this.#break('device needs reset')
    const request = new FlushRequest(this.#options.now() + (this.#options.timeout ?? TIMEOUT))
    if (this.#state !== 'live') {
      this.#fail(request, `device is ${this.#state}`)
      return request
    }
    this.#requests.add(request)
    const buffer = this.#waiting.length === 0 ? this.#resources.free.pop() : undefined
    if (buffer === undefined) {
      this.statistics.waits++
      this.#waiting.push(request)
    } else {
      this.#submit(buffer, request)
      // The device may run, and answer, within this call.
      this.#resources.queue.kick()
    }
    return request
  }

  /** The interrupt line was raised, or may have been: takes what the device is done with. */
  handleInterrupt(): void {
    this.statistics.interrupts++
    this.#options.transport.acknowledgeInterrupt()
    if (this.#state !== 'live') return
    try {
      this.#drain()
    } catch (error) {
      if (!(error instanceof QueueError || error instanceof BusError)) throw error
      this.#break(error.message)
    }
    if (this.#state === 'live' && this.#options.transport.needsReset) this.#break('device needs reset')
  }

  /** Time goes on: a flush past its deadline breaks the device, and with it fail all that wait. */
  tick(now: number): void {
    const { deadline } = this
    if (this.#state === 'live' && deadline !== undefined && now >= deadline) this.#break('flush timed out')
  }

  /** Before the machine sleeps. What is under way fails with EIO, and later flushes until {@link restore}. */
  freeze(): void {
    if (this.#state !== 'live' && this.#state !== 'broken') return
    this.#takeDown('frozen')
  }

  /** After {@link freeze}. Throws as {@link probe} does, and FsError ENXIO when the region is another one. */
  restore(): void {
    if (this.#state !== 'frozen')
      throw new FsError('EBUSY', `virtio-pmem: device is ${this.#state}, not frozen`)
    this.#resources = this.#bringUp()
    const { range } = this.#resources
    const { region } = this.ndRegion
    if (range.start !== region.start || range.size !== region.size) {
      this.#takeDown('frozen')
      throw new FsError('ENXIO', `virtio-pmem: region moved to ${range.start}+${range.size}`)
    }
    this.#state = 'live'
    this.#options.transport.driverOk()
  }

  /** Gives the device back. What is under way fails with EIO. */
  remove(): void {
    if (this.#state === 'removed') return
    if (this.#state === 'frozen') this.#state = 'removed'
    else this.#takeDown('removed')
  }

  #submit(buffer: FlushBuffer, request: FlushRequest): void {
    buffer.prepare(request)
    // There are as many buffers as the queue has room for.
    if (!this.#resources.queue.add(buffer.readable, buffer.writable, buffer)) {
      throw new Error('virtio-pmem: no descriptors for a free buffer')
    }
  }

  #drain(): void {
    const queue = this.#resources.queue
    do {
      queue.disableInterrupts()
      for (let used = queue.getUsed(); used !== undefined; used = queue.getUsed()) {
        this.#complete(used.token, used.length)
      }
    } while (queue.enableInterrupts())
    queue.kick()
  }

  #complete(buffer: FlushBuffer, length: number): void {
    const { request } = buffer
    const failure = buffer.failure(length)
    buffer.request = undefined
    const next = this.#waiting.shift()
    if (next === undefined) this.#resources.free.push(buffer)
    else this.#submit(buffer, next)
    if (request === undefined || !this.#requests.delete(request)) return
    if (failure === undefined) request.completion.complete()
    else this.#fail(request, `flush failed: ${failure}`)
  }

  #fail(request: FlushRequest, why: string): void {
    this.statistics.failures++
    request.error = new FsError('EIO', `virtio-pmem: ${why}`)
    request.completion.fail(request.error)
  }

  /** The buffers stay the device's (invariant 3); only the waiters go. */
  #break(why: string): void {
    log('broken: %s', why)
    this.#state = 'broken'
    this.#failAll(why)
  }

  #failAll(why: string): void {
    const requests = [...this.#requests]
    this.#requests.clear()
    this.#waiting = []
    for (const request of requests) this.#fail(request, why)
  }

  /** Reset first: after it the device has none of our memory (virtio 1.2, 3.3.1). Throws FsError ETIMEDOUT. */
  #takeDown(state: 'frozen' | 'removed'): void {
    try {
      this.#options.transport.reset()
    } catch (error) {
      this.#break('device does not reset')
      throw error
    }
    this.#state = state
    this.#release(this.#resources)
    this.#failAll(`device is ${state}`)
  }

  #bringUp(): Resources {
    const { transport, dma } = this.#options
    const id = transport.probe()
    if (id !== VIRTIO_ID_PMEM) throw new FsError('ENODEV', `virtio-pmem: device id is ${id}`)
    const features = transport.negotiate(FeatureSet.of(VIRTIO_PMEM_F_SHMEM_REGION, VIRTIO_F_EVENT_IDX))
    const range = this.#physicalRange(features)
    const queue = this.#createQueue()
    const count = Math.floor(queue.size / DESCRIPTORS_PER_FLUSH)
    const buffersAt = dma.tryAllocate(count * FlushBuffer.SIZE)
    const free = Array.from({ length: buffersAt === undefined ? 0 : count }, (_, index) => {
      return new FlushBuffer(dma, (buffersAt as number) + index * FlushBuffer.SIZE)
    })
    const resources = { queue, buffersAt, free, range }
    if (free.length > 0) return resources
    transport.reset()
    this.#release(resources)
    throw new FsError('ENOMEM', `virtio-pmem: no room for ${count} requests`)
  }

  #createQueue(): DriverQueue<FlushBuffer> {
    const { transport, dma, queueSize } = this.#options
    try {
      return transport.createQueue(VIRTIO_PMEM_REQUEST_QUEUE, dma, queueSize)
    } catch (error) {
      transport.fail()
      throw error
    }
  }

  /** After a reset only. */
  #release({ queue, buffersAt, free }: Resources): void {
    freeQueue(this.#options.dma, queue.addresses)
    if (buffersAt !== undefined) this.#options.dma.free(buffersAt)
    free.length = 0
  }

  /** "If the SHMEM_REGION feature was negotiated, the driver MUST query shared memory ID 0", else start and size. */
  #physicalRange(features: FeatureSet): PhysicalRange {
    const { transport } = this.#options
    if (!features.has(VIRTIO_PMEM_F_SHMEM_REGION)) {
      return {
        start: transport.readConfig64(VirtioPmemConfig.start.offset),
        size: transport.readConfig64(VirtioPmemConfig.size.offset),
      }
    }
    const shared = transport.sharedMemory(VIRTIO_PMEM_SHMEM_REGION_ID)
    if (shared !== undefined) return { start: shared.base, size: shared.length }
    transport.fail()
    throw new FsError('ENXIO', `virtio-pmem: no shared memory region ${VIRTIO_PMEM_SHMEM_REGION_ID}`)
  }

  #memoryAt(range: PhysicalRange): PmemRegion {
    const region = range.size > 0 ? this.#options.memoryAt(range) : undefined
    if (region !== undefined) return region
    this.#takeDown('removed')
    throw new FsError('ENXIO', `virtio-pmem: no memory at ${range.start}+${range.size}`)
  }
}

import createDebug from 'debug'
import { E, FsError } from '../../lib/errno.js'
import { BusError } from '../bus/guest-memory.js'
import type { DescriptorChain } from '../virtio/descriptor-chain.js'
import type {
  DeviceActivation,
  DeviceTransport,
  VirtioDevice,
  VirtioDeviceIdentity,
} from '../virtio/device.js'
import type { DeviceQueue } from '../virtio/device-queue.js'
import { FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../virtio/features.js'
import {
  VIRTIO_ID_PMEM,
  VIRTIO_PMEM_F_SHMEM_REGION,
  VIRTIO_PMEM_REQUEST_QUEUE,
  VIRTIO_PMEM_RESP_EIO,
  VIRTIO_PMEM_RESP_OK,
  VIRTIO_PMEM_SHMEM_REGION_ID,
  VirtioPmemConfig,
  VirtioPmemResp,
} from '../virtio/pmem.js'
import { QueueError } from '../virtio/ring.js'
import { parseRequest } from './request.js'

const log = createDebug('fakedax:host')

/** Counts since the device was made. */
export interface DeviceStatistics {
  /** Chains taken from the ring. */
  requests: number
  /** Those that were a FLUSH. */
  flushes: number
  /** Syncs begun; fewer than flushes when several shared one. */
  syncs: number
  /** Syncs that failed. */
  failures: number
  /** Requests of an unknown type, and chains that held no request. */
  refused: number
}

/** 0 or -errno, at once or later. A throw or rejection is taken as -EIO. */
export type SyncStep = () => number | Promise<number>

export interface VirtioPmemDeviceOptions {
  /** Guest-physical address of the region, and its bytes. */
  start: number
  size: number
  /** Makes durable every store made before the call. */
  sync: SyncStep
  /**
   * The specification has no word for a read-only device. The guest is told beside it, by the region
   * (PmemRegion.readOnly); here it means that a FLUSH has nothing to do, and succeeds.
   */
  readOnly?: boolean
  /** Offers the region as shared memory region 0 also; start and size stay in the configuration for other drivers. */
  sharedMemoryRegion?: boolean
  /** A power of two. */
  queueSize?: number
}

const QUEUE_SIZE = 128

/**
 * The virtio-pmem device. virtio 1.2, 5.19.
 *
 *     idle → syncing [#begin, by notify] → idle [#finish] ; failed: sticky, ends with reset and reopen
 *
 * Invariants:
 * (1) A sync answers exactly the requests that were in the available ring before it began: the index is read, the
 *     chains up to it are taken, then the sync begins. Later ones wait for the next, since their stores may be
 *     later than what the sync covers.
 * (2) One sync at a time.
 * (3) After a failed sync none succeeds until the device was reset and {@link reopen}ed: what the failed one owed may
 *     be lost, and a success would promise it.
 */
export class VirtioPmemDevice implements VirtioDevice {
  readonly identity: VirtioDeviceIdentity
  readonly statistics: DeviceStatistics = { requests: 0, flushes: 0, syncs: 0, failures: 0, refused: 0 }
  readonly #readOnly: boolean
  #sync: SyncStep
  #queue: DeviceQueue | undefined
  #transport: DeviceTransport | undefined
  /** The loop or a sync is under way; either looks at the ring again when it ends. */
  #busy = false
  #failed = false

  constructor(options: VirtioPmemDeviceOptions) {
    this.#sync = options.sync
    this.#readOnly = options.readOnly ?? false
    this.identity = identityOf(options)
  }

  /** A sync failed, and with it the device (invariant 3). */
  get failed(): boolean {
    return this.#failed
  }

  activate({ queues, transport }: DeviceActivation): void {
    this.#queue = queues[VIRTIO_PMEM_REQUEST_QUEUE]
    this.#transport = transport
    this.#serve()
  }

  notify(queueIndex: number): void {
    if (queueIndex === VIRTIO_PMEM_REQUEST_QUEUE) this.#serve()
  }

  /** A sync under way goes on, and its requests are forgotten: their queue is stopped. */
  reset(): void {
    this.#queue = undefined
    this.#transport = undefined
  }

  /** The image was opened anew: FLUSH may succeed again. Throws FsError EBUSY while active or syncing. */
  reopen(sync: SyncStep): void {
    if (this.#queue !== undefined || this.#busy) throw new FsError('EBUSY', 'virtio-pmem: not reset')
    this.#sync = sync
    this.#failed = false
  }

  #serve(): void {
    if (this.#busy) return
    this.#busy = true
    let later = false
    try {
      for (;;) {
        const queue = this.#queue
        if (queue === undefined || queue.stopped) return
        queue.disableNotification()
        const flushes = this.#take(queue, queue.availableIndex())
        const result = flushes.length === 0 ? 0 : this.#begin()
        if (typeof result !== 'number') {
          later = true
          result.then((value) => this.#finish(queue, flushes, value))
          return
        }
        this.#answer(queue, flushes, result)
        if (!queue.enableNotification()) return
      }
    } finally {
      this.#busy = later
    }
  }

  /** Takes the chains before `limit`. Returns the flushes; all others are answered. */
  #take(queue: DeviceQueue, limit: number): DescriptorChain[] {
    const flushes: DescriptorChain[] = []
    while (queue.nextAvailable !== limit && !queue.stopped) {
      this.statistics.requests++
      const chain = this.#pop(queue, limit)
      if (chain === undefined) continue
      const kind = parseRequest(chain)
      if (kind === 'flush') {
        flushes.push(chain)
      } else {
        log('refused a request: %s', kind)
        this.statistics.refused++
        if (kind === 'unknown') respond(queue, chain, VIRTIO_PMEM_RESP_EIO)
        else queue.addUsed(chain.head, 0)
      }
    }
    this.statistics.flushes += flushes.length
    return flushes
  }

  /** The next chain; one that breaks the rules of the ring is handed back unread. */
  #pop(queue: DeviceQueue, limit: number): DescriptorChain | undefined {
    try {
      return queue.pop(limit)
    } catch (error) {
      if (!(error instanceof QueueError) || error.head === undefined) throw error
      log('refused a chain: %s', error.message)
      this.statistics.refused++
      queue.addUsed(error.head, 0)
      return undefined
    }
  }

  #begin(): number | Promise<number> {
    if (this.#failed) return -E.EIO
    if (this.#readOnly) return 0
    this.statistics.syncs++
    try {
      const result = this.#sync()
      return typeof result === 'number' ? this.#outcome(result) : result.then(this.#outcome, this.#fault)
    } catch (error) {
      return this.#fault(error)
    }
  }

  readonly #outcome = (result: number): number => {
    if (result === 0) return 0
    log('sync failed: %d', result)
    this.statistics.failures++
    this.#failed = true
    return result
  }

  readonly #fault = (error: unknown): number => {
    log('sync threw: %O', error)
    return this.#outcome(-E.EIO)
  }

  #answer(queue: DeviceQueue, flushes: readonly DescriptorChain[], result: number): void {
    const ret = result === 0 ? VIRTIO_PMEM_RESP_OK : VIRTIO_PMEM_RESP_EIO
    for (const chain of flushes) respond(queue, chain, ret)
    if (queue.needsInterrupt()) this.#transport?.notifyUsed()
  }

  /** The end of a sync that took its time: not within a call of the transport, so errors are ours to report. */
  #finish(queue: DeviceQueue, flushes: readonly DescriptorChain[], result: number): void {
    try {
      this.#answer(queue, flushes, result)
      this.#busy = false
      this.#serve()
    } catch (error) {
      this.#busy = false
      if (!(error instanceof QueueError || error instanceof BusError)) throw error
      log('needs reset: %s', error.message)
      this.#transport?.needsReset()
    }
  }
}

/** After a reset the chain's memory is the driver's again, so a stopped queue is left alone. */
function respond(queue: DeviceQueue, chain: DescriptorChain, ret: number): void {
  if (queue.stopped) return
  chain.write32(VirtioPmemResp.ret.offset, ret)
  queue.addUsed(chain.head, VirtioPmemResp.SIZE)
}

function identityOf(options: VirtioPmemDeviceOptions): VirtioDeviceIdentity {
  const config = new Uint8Array(VirtioPmemConfig.SIZE)
  const view = new DataView(config.buffer)
  VirtioPmemConfig.start.set(view, 0, options.start)
  VirtioPmemConfig.size.set(view, 0, options.size)
  const features = FeatureSet.of(VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC)
  const queueSizeMax = [options.queueSize ?? QUEUE_SIZE]
  if (options.sharedMemoryRegion !== true) return { deviceId: VIRTIO_ID_PMEM, features, queueSizeMax, config }
  return {
    deviceId: VIRTIO_ID_PMEM,
    features: features.with(VIRTIO_PMEM_F_SHMEM_REGION),
    queueSizeMax,
    config,
    sharedMemory: [{ id: VIRTIO_PMEM_SHMEM_REGION_ID, base: options.start, length: options.size }],
  }
}

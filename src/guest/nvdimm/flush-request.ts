import { Completion } from '../../../lib/completion.js'
import type { FsError } from '../../../lib/errno.js'
import type { DmaMemory } from '../../bus/dma-memory.js'
import type { BufferRange } from '../../virtio/descriptor-table.js'
import {
  VIRTIO_PMEM_REQ_TYPE_FLUSH,
  VIRTIO_PMEM_RESP_EIO,
  VIRTIO_PMEM_RESP_OK,
  VirtioPmemReq,
  VirtioPmemResp,
} from '../../virtio/pmem.js'

/** A FLUSH that someone waits for. */
export class FlushRequest {
  readonly completion = new Completion()
  /** When its waiter gives up, in ms of the driver's clock. */
  readonly deadline: number
  /** Set when it has failed. */
  error: FsError | undefined

  constructor(deadline: number) {
    this.deadline = deadline
  }
}

/** Request and response of one FLUSH in DMA memory, reused from flush to flush. */
export class FlushBuffer {
  static readonly SIZE = VirtioPmemReq.SIZE + VirtioPmemResp.SIZE
  readonly readable: readonly BufferRange[]
  readonly writable: readonly BufferRange[]
  /** Whose flush it carries now. */
  request: FlushRequest | undefined
  readonly #dma: DmaMemory
  readonly #address: number

  /** At `address` of `dma`, {@link FlushBuffer.SIZE} bytes. */
  constructor(dma: DmaMemory, address: number) {
    this.#dma = dma
    this.#address = address
    this.readable = [{ address, length: VirtioPmemReq.SIZE }]
    this.writable = [{ address: address + VirtioPmemReq.SIZE, length: VirtioPmemResp.SIZE }]
  }

  /** The response says failure until the device says otherwise: one that was never written is no success. */
  prepare(request: FlushRequest): void {
    const { view } = this.#dma.memory
    const at = this.#dma.memory.offset(this.#address, FlushBuffer.SIZE)
    VirtioPmemReq.type.set(view, at, VIRTIO_PMEM_REQ_TYPE_FLUSH)
    VirtioPmemResp.ret.set(view, at + VirtioPmemReq.SIZE, VIRTIO_PMEM_RESP_EIO)
    this.request = request
  }

  /** Why the device's answer, of which it wrote `length` bytes, is a failure; `undefined` for success. */
  failure(length: number): string | undefined {
    if (length < VirtioPmemResp.SIZE) return `${length} bytes of response, need ${VirtioPmemResp.SIZE}`
    const at = this.#dma.memory.offset(this.#address, FlushBuffer.SIZE)
    const ret = VirtioPmemResp.ret.get(this.#dma.memory.view, at + VirtioPmemReq.SIZE)
    return ret === VIRTIO_PMEM_RESP_OK ? undefined : `ret is ${ret | 0}`
  }
}

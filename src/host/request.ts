import type { DescriptorChain } from '../virtio/descriptor-chain.js'
import { VIRTIO_PMEM_REQ_TYPE_FLUSH, VirtioPmemReq, VirtioPmemResp } from '../virtio/pmem.js'

/**
 * What a request asks for. `unknown`: a type that is not ours, to be answered with a failure. `malformed`: there is no
 * whole request to read, or no room for the response; nothing can be answered.
 */
export type RequestKind = 'flush' | 'unknown' | 'malformed'

/**
 * Reads struct virtio_pmem_req (virtio 1.2, 5.19.6), in however many descriptors it comes. More bytes than the
 * structures have are no fault: the specification fixes what the first ones mean, not where a descriptor ends.
 */
export function parseRequest(chain: DescriptorChain): RequestKind {
  if (chain.readableLength < VirtioPmemReq.SIZE || chain.writableLength < VirtioPmemResp.SIZE)
    return 'malformed'
  return chain.read32(VirtioPmemReq.type.offset) === VIRTIO_PMEM_REQ_TYPE_FLUSH ? 'flush' : 'unknown'
}

import { layout, le32, le64 } from '../../lib/layout.js'

/** The persistent memory device. virtio 1.2, 5.19 "PMEM Device". */
export const VIRTIO_ID_PMEM = 27

/** Feature bit: the region is shared memory region 0, and the configuration's start and size are not used. 5.19.3. */
export const VIRTIO_PMEM_F_SHMEM_REGION = 0
export const VIRTIO_PMEM_SHMEM_REGION_ID = 0

/** The one virtqueue, req_vq. 5.19.2. */
export const VIRTIO_PMEM_REQUEST_QUEUE = 0

/** struct virtio_pmem_config: guest-physical start and size in bytes. 5.19.4. */
export const VirtioPmemConfig = layout('virtio_pmem_config', 16, {
  start: le64(0x0),
  size: le64(0x8),
})

/** The one request type: everything stored to the region before it becomes durable. 5.19.6. */
export const VIRTIO_PMEM_REQ_TYPE_FLUSH = 0

/** struct virtio_pmem_req, read by the device. 5.19.6. */
export const VirtioPmemReq = layout('virtio_pmem_req', 4, {
  type: le32(0x0),
})

/** struct virtio_pmem_resp, written by the device. 5.19.6. */
export const VirtioPmemResp = layout('virtio_pmem_resp', 4, {
  ret: le32(0x0),
})

/** "The device MUST return "0" for success and "-1" for failure." 5.19.7. Drivers take every other value as failure. */
export const VIRTIO_PMEM_RESP_OK = 0
export const VIRTIO_PMEM_RESP_EIO = 0xffff_ffff

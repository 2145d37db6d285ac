import t from 'tap'
import {
  VIRTIO_PMEM_RESP_EIO,
  VirtioPmemConfig,
  VirtioPmemReq,
  VirtioPmemResp,
} from '../../src/virtio/pmem.js'

t.test('structures of virtio 1.2, 5.19: bytes by hand -> fields', async (t) => {
  const bytes = Uint8Array.of(0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0x20, 0, 1, 0, 0, 0)
  const view = new DataView(bytes.buffer)
  t.equal(VirtioPmemConfig.start.get(view, 0), 0x2_0000_0000)
  t.equal(VirtioPmemConfig.size.get(view, 0), 0x1_0020_0000)
  t.equal(VirtioPmemConfig.SIZE, 16)
  t.equal(VirtioPmemReq.SIZE, 4)
  t.equal(VirtioPmemReq.type.get(view, 4), 2)
  VirtioPmemResp.ret.set(view, 0, VIRTIO_PMEM_RESP_EIO)
  t.equal(view.getInt32(0, true), -1, 'failure is "-1"')
})

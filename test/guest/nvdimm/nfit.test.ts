import t from 'tap'
import { PmemRegion } from '../../../src/bus/pmem-region.js'
import { nfitRegion } from '../../../src/guest/nvdimm/nfit.js'
import { PmemDisk } from '../../../src/guest/nvdimm/pmem-disk.js'

t.test('nfit: flush -> the platform persists, and its failure is EIO', async (t) => {
  const results = [0, -28]
  const region = new PmemRegion({ start: 0, size: 4096, memory: [new ArrayBuffer(4096)] })
  const disk = new PmemDisk(
    1,
    nfitRegion(region, () => results.shift() ?? 0),
  )
  disk.write(0, Uint8Array.of(1))
  await disk.flush()
  t.equal(disk.flushedSequence, 1)
  disk.write(0, Uint8Array.of(2))
  await t.rejects(disk.flush(), { code: 'EIO' })
  t.equal(disk.flushedSequence, 1)
})

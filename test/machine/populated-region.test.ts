import fc from 'fast-check'
import t from 'tap'
import { HostMemory } from '../../src/host/host-memory.js'
import { ImageFile } from '../../src/host/image-file.js'
import { PopulatedRegion } from '../../src/machine/populated-region.js'
import { temporaryImage } from './temporary-image.js'

const SIZE = 1 << 20

t.test('store, zero: large and small, anywhere -> the bytes, and their pages dirty', async (t) => {
  const { image } = await temporaryImage(2 << 20)
  const file = ImageFile.open(image)
  const memory = HostMemory.map(file, { shared: false })
  t.teardown(() => {
    memory.unmap()
    file.close()
  })
  const region = new PopulatedRegion(memory, 0)
  const model = new Uint8Array(SIZE).fill(7)
  region.store(0, model)
  const place = fc.record({ at: fc.nat(SIZE), length: fc.nat(200_000), fill: fc.nat(255) })
  fc.assert(
    fc.property(place, ({ at, length, fill }) => {
      const part = Math.min(length, SIZE - at)
      model.fill(fill, at, at + part)
      if (fill === 0) region.zero(at, part)
      else region.store(at, new Uint8Array(part).fill(fill))
    }),
    { numRuns: 60 },
  )
  const { bytes } = region.directAccess(0)
  t.equal(Buffer.compare(bytes.subarray(0, SIZE), model), 0)
  t.equal(memory.dirtyLog.count, SIZE / 4096)
})

t.test('a range outside, or a read-only region -> refused as by any region', async (t) => {
  const { image } = await temporaryImage(2 << 20)
  const file = ImageFile.open(image, { readOnly: true })
  const memory = HostMemory.map(file, { shared: true })
  t.teardown(() => {
    memory.unmap()
    file.close()
  })
  const region = new PopulatedRegion(memory, 0)
  t.throws(() => region.store((2 << 20) - 4096, new Uint8Array(SIZE)), RangeError)
  t.throws(() => region.zero(-1, SIZE), RangeError)
  t.throws(() => region.store(0, new Uint8Array(SIZE)), TypeError)
})

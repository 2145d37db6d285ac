import fc from 'fast-check'
import t from 'tap'
import { crc32c } from '../../../lib/crc32c.js'
import { ZeroRun } from '../../../src/guest/ext4/zero-run.js'

t.test('zero run: any CRC and length -> what the bytes one by one give', async (t) => {
  const lengths = fc.integer({ min: 0, max: 4096 })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), lengths, (crc, length) => {
      return ZeroRun.of(length).apply(crc) === crc32c(crc, new Uint8Array(length))
    }),
    { numRuns: 50 },
  )
  t.equal(ZeroRun.of(1020).apply(0xffffffff), crc32c(0xffffffff, new Uint8Array(1020)))
})

t.test('zero run: bytes -> matched only when all are zero', async (t) => {
  const bytes = new Uint8Array(100)
  const run = new ZeroRun(50)
  t.equal(run.matches(bytes, 25), true)
  bytes[74] = 1
  t.equal(run.matches(bytes, 25), false)
  t.equal(run.matches(bytes, 24), true)
})

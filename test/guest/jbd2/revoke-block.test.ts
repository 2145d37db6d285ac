import t from 'tap'
import { type LogFormat, tailIsValid } from '../../../src/guest/jbd2/log-format.js'
import {
  RevokeBlock,
  RevokeHeader,
  readRevokes,
  recordsPerRevokeBlock,
} from '../../../src/guest/jbd2/revoke-block.js'
import { FORMATS } from './formats.js'

function written(format: LogFormat, blocks: readonly number[]): { bytes: Uint8Array; view: DataView } {
  const revoke = new RevokeBlock(format)
  revoke.begin(7)
  for (const block of blocks) revoke.add(block)
  revoke.finish()
  return { bytes: revoke.bytes, view: new DataView(revoke.bytes.buffer) }
}

t.test('a full block, in each format -> the same block numbers read back', async (t) => {
  for (const [name, format] of Object.entries(FORMATS)) {
    const blocks = Array.from({ length: recordsPerRevokeBlock(format) }, (_, index) => index * 3)
    const { bytes, view } = written(format, blocks)
    t.same(readRevokes(format, view, 0, 50), blocks, name)
    t.equal(tailIsValid(format, bytes, view, 0), true)
  }
})

t.test('bytes: r_count counts the header', async (t) => {
  const { bytes } = written(FORMATS['v3wide'] as LogFormat, [0x12_3456_7890])
  t.equal(
    Buffer.from(bytes.subarray(0, 24)).toString('hex'),
    ['c03b3998', '00000005', '00000007', '00000018', '0000001234567890'].join(''),
  )
})

t.test('a block number past 2^32 in a 32-bit journal -> RangeError', async (t) => {
  t.throws(() => written(FORMATS['v3'] as LogFormat, [0x1_0000_0000]), RangeError)
})

t.test('r_count out of range -> CorruptError', async (t) => {
  for (const count of [0, 15, 1021, 0xffffffff]) {
    const format = FORMATS['v3'] as LogFormat
    const { view } = written(format, [1])
    RevokeHeader.r_count.set(view, 0, count)
    t.throws(() => readRevokes(format, view, 0, 50), {
      code: 'EUCLEAN',
      corruption: { field: 'r_count', block: 50 },
    })
  }
})

t.test('a changed byte -> the tail checksum is wrong', async (t) => {
  const format = FORMATS['v2'] as LogFormat
  const { bytes, view } = written(format, [1])
  bytes[16] = 1
  t.equal(tailIsValid(format, bytes, view, 0), false)
})

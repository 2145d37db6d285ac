import t from 'tap'
import { tagBytes, tagChecksum } from '../../../src/guest/jbd2/block-tag.js'
import { DescriptorBlock, readTags, tagsPerDescriptor } from '../../../src/guest/jbd2/descriptor-block.js'
import { type LogFormat, tailIsValid } from '../../../src/guest/jbd2/log-format.js'
import { FORMATS } from './formats.js'
import { UUID } from './ram-journal.js'

/** A descriptor block of transaction 7 at offset 100 of some memory. */
function written(format: LogFormat, blocks: readonly number[]): { bytes: Uint8Array; view: DataView } {
  const descriptor = new DescriptorBlock(format)
  descriptor.begin(7)
  for (const block of blocks) descriptor.add(block, block % 2 === 1, block & 0xffff)
  descriptor.finish()
  const bytes = new Uint8Array(2000).fill(0xee)
  bytes.set(descriptor.bytes, 100)
  return { bytes, view: new DataView(bytes.buffer) }
}

t.test('tag sizes, by format', async (t) => {
  const sizes = Object.entries(FORMATS).map(([name, format]) => [name, tagBytes(format)])
  t.same(Object.fromEntries(sizes), { plain: 8, wide: 12, v1: 8, v2: 10, v2wide: 14, v3: 16, v3wide: 16 })
})

t.test('a full block, in each format -> the same tags read back', async (t) => {
  for (const [name, format] of Object.entries(FORMATS)) {
    const blocks = Array.from({ length: tagsPerDescriptor(format) }, (_, index) => index + 1000)
    const { bytes, view } = written(format, blocks)
    const tags = readTags(format, view, 100)
    t.same(
      tags,
      blocks.map((block) => ({
        block,
        escaped: block % 2 === 1,
        checksum: format.checksumVersion >= 2 ? block & 0xffff : 0,
      })),
      name,
    )
    t.equal(tailIsValid(format, bytes, view, 100), true)
  }
})

t.test('bytes of a version 3 block: header, tag, UUID, second tag', async (t) => {
  const { bytes } = written(FORMATS['v3'] as LogFormat, [0x1234, 0x1235])
  t.equal(Buffer.from(bytes.subarray(100, 112)).toString('hex'), 'c03b39980000000100000007')
  t.equal(Buffer.from(bytes.subarray(112, 128)).toString('hex'), '00001234000000000000000000001234')
  t.same(bytes.subarray(128, 144), UUID)
  t.equal(Buffer.from(bytes.subarray(144, 160)).toString('hex'), '000012350000000b0000000000001235')
})

t.test('block numbers past 2^32: kept where 64-bit, refused elsewhere', async (t) => {
  const block = 0x12_3456_7890
  for (const name of ['wide', 'v2wide', 'v3wide']) {
    const format = FORMATS[name] as LogFormat
    t.equal(readTags(format, written(format, [block]).view, 100)[0]?.block, block)
  }
  for (const name of ['plain', 'v2', 'v3'])
    t.throws(() => written(FORMATS[name] as LogFormat, [block]), RangeError, name)
})

t.test('a changed byte -> the tail checksum is wrong', async (t) => {
  for (const name of ['v2', 'v3wide']) {
    const format = FORMATS[name] as LogFormat
    const { bytes, view } = written(format, [1, 2, 3])
    bytes[500] = 1
    t.equal(tailIsValid(format, bytes, view, 100), false)
  }
})

t.test('no last-tag flag -> reading ends with the block', async (t) => {
  const format = FORMATS['v3'] as LogFormat
  const bytes = new Uint8Array(1024)
  t.ok(readTags(format, new DataView(bytes.buffer), 0).length < 1024 / 16)
})

t.test('tag checksum: of an escaped copy it does not depend on the first four bytes', async (t) => {
  const format = FORMATS['v3'] as LogFormat
  const zero = new Uint8Array(1024)
  const magic = zero.slice()
  magic.set([0xc0, 0x3b, 0x39, 0x98])
  t.equal(tagChecksum(format, 7, magic, 0, true), tagChecksum(format, 7, zero, 0, false))
  t.not(tagChecksum(format, 7, zero, 0, false), tagChecksum(format, 8, zero, 0, false))
  t.ok(tagChecksum(FORMATS['v2'] as LogFormat, 7, zero, 0, false) <= 0xffff)
  t.equal(tagChecksum(FORMATS['v1'] as LogFormat, 7, zero, 0, false), 0)
})

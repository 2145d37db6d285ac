import fc from 'fast-check'
import t from 'tap'
import { be16, be32, be64, bytes, layout, le16, le32, le64, u8 } from '../../lib/layout.js'

const Everything = layout('everything', 40, {
  byte: u8(0),
  little16: le16(2),
  little32: le32(4),
  little64: le64(8),
  big16: be16(16),
  big32: be32(20),
  big64: be64(24),
  run: bytes(32, 6),
})

t.test('layout: fields that ascend -> the literal with its size and name, frozen', async (t) => {
  t.equal(Everything.SIZE, 40)
  t.equal(Everything.NAME, 'everything')
  t.ok(Object.isFrozen(Everything))
})

t.test('layout: overlap, descent, past the end -> RangeError naming the field', async (t) => {
  t.throws(() => layout('s', 8, { a: le32(0), b: le16(2) }), { name: 'RangeError', message: /s\.b/ })
  t.throws(() => layout('s', 8, { b: le16(4), a: le32(0) }), { name: 'RangeError', message: /s\.a/ })
  t.throws(() => layout('s', 8, { a: le64(4) }), { name: 'RangeError', message: /12.*8/ })
  t.throws(() => layout('s', 8, { a: bytes(0, 9) }), RangeError)
})

t.test('fields: known bytes -> values in the stated order', async (t) => {
  const memory = Uint8Array.from({ length: 48 }, (_, at) => at - 4)
  const view = new DataView(memory.buffer)
  t.equal(Everything.byte.get(view, 4), 0)
  t.equal(Everything.little16.get(view, 4), 0x0302)
  t.equal(Everything.little32.get(view, 4), 0x07060504)
  t.equal(Everything.big16.get(view, 4), 0x1011)
  t.equal(Everything.big32.get(view, 4), 0x14151617)
  t.same(Everything.run.get(view, 4), Uint8Array.of(32, 33, 34, 35, 36, 37))
})

t.test('fields: any value -> set and get agree, and with DataView by hand', async (t) => {
  const view = new DataView(new ArrayBuffer(64), 8)
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(fc.nat(0xffff), fc.nat(0xffff_ffff), fc.maxSafeNat(), fc.nat(8), (half, word, wide, at) => {
        Everything.little16.set(view, at, half)
        Everything.little32.set(view, at, word)
        Everything.little64.set(view, at, wide)
        Everything.big16.set(view, at, half)
        Everything.big32.set(view, at, word)
        Everything.big64.set(view, at, wide)
        return (
          view.getUint16(at + 2, true) === half &&
          view.getUint32(at + 4, true) === word &&
          view.getBigUint64(at + 8, true) === BigInt(wide) &&
          view.getUint16(at + 16) === half &&
          view.getUint32(at + 20) === word &&
          view.getBigUint64(at + 24) === BigInt(wide) &&
          Everything.little16.get(view, at) === half &&
          Everything.little32.get(view, at) === word &&
          Everything.little64.get(view, at) === wide &&
          Everything.big16.get(view, at) === half &&
          Everything.big32.get(view, at) === word &&
          Everything.big64.get(view, at) === wide
        )
      }),
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})

t.test('bytes: get -> a view; set -> cut to size, the rest zero', async (t) => {
  const view = new DataView(new ArrayBuffer(48), 4)
  Everything.run.set(view, 0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
  t.same(Everything.run.get(view, 0), Uint8Array.of(1, 2, 3, 4, 5, 6))
  t.equal(view.getUint8(38), 0, 'nothing past the field')
  Everything.run.set(view, 0, Uint8Array.of(9))
  t.same(Everything.run.get(view, 0), Uint8Array.of(9, 0, 0, 0, 0, 0))
  Everything.run.get(view, 0)[5] = 7
  t.equal(view.getUint8(37), 7)
})

import fc from 'fast-check'
import t from 'tap'
import { FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1 } from '../../src/virtio/features.js'

t.test('of: bits -> the words of the registers', async (t) => {
  const set = FeatureSet.of(0, 29, 31, 32, 63)
  t.equal(set.low, 0xa0000001)
  t.equal(set.high, 0x80000001)
  t.same(set.bits(), [0, 29, 31, 32, 63])
  for (const bit of [-1, 64, 0.5]) t.throws(() => FeatureSet.of(bit), RangeError)
})

t.test('toString: named and private bits -> names and numbers', async (t) => {
  t.equal(String(FeatureSet.of(0, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1)), 'bit 0, EVENT_IDX, VERSION_1')
})

t.test('set operations: any sets -> as of sets of numbers', async (t) => {
  const bits = fc.uniqueArray(fc.nat(63))
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(bits, bits, fc.nat(63), (left, right, bit) => {
        const a = FeatureSet.of(...left)
        const b = FeatureSet.of(...right)
        const sorted = (list: number[]): string => JSON.stringify([...new Set(list)].sort((x, y) => x - y))
        const inBoth = left.filter((each) => right.includes(each))
        const onlyLeft = left.filter((each) => !right.includes(each))
        return (
          sorted(left) === JSON.stringify(a.bits()) &&
          a.has(bit) === left.includes(bit) &&
          sorted(inBoth) === JSON.stringify(a.and(b).bits()) &&
          sorted(onlyLeft) === JSON.stringify(a.minus(b).bits()) &&
          sorted([...left, bit]) === JSON.stringify(a.with(bit).bits()) &&
          sorted(left.filter((each) => each !== bit)) === JSON.stringify(a.without(bit).bits()) &&
          a.isSubsetOf(b) === (onlyLeft.length === 0) &&
          a.equals(b) === (sorted(left) === sorted(right)) &&
          a.isEmpty === (left.length === 0)
        )
      }),
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})

import fc from 'fast-check'
import t from 'tap'
import { PageSet } from '../../src/host/page-set.js'

/** Pages of one part of a set. */
const PART = 2 ** 28

t.test('any additions and deletions around the border of two parts -> as a set has it', async (t) => {
  const BASE = PART - 40
  const step = fc.record({ add: fc.boolean(), first: fc.nat(79), count: fc.nat(30) })
  const property = fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    const set = new PageSet(3 * PART * 4096)
    const model = new Set<number>()
    for (const { add, first, count } of steps) {
      if (add) set.addBytes((BASE + first) * 4096 + 1, count * 4096 - 2)
      else set.delete(BASE + first, count)
      for (let page = first; page < first + count; page++) {
        if (add) model.add(page)
        else model.delete(page)
      }
    }
    const pages = Array.from({ length: 120 }, (_, page) => page)
    const expected = (from: number, has: boolean): number =>
      pages.find((page) => page >= from && model.has(page) === has) ?? 120
    return pages.every(
      (from) =>
        set.next(BASE + from, BASE + 120) === BASE + expected(from, true) &&
        set.nextAbsent(BASE + from, BASE + 120) === BASE + expected(from, false),
    )
  })
  const report = fc.defaultReportMessage(fc.check(property, { numRuns: 30 }))
  t.equal(report, undefined, report ?? 'held for all samples')
})

t.test('an empty set of 64 TiB: nothing is found, and quickly', async (t) => {
  const pages = 2 ** 34
  const set = new PageSet(pages * 4096)
  t.equal(set.next(0, pages), pages)
  t.equal(set.nextAbsent(0, pages), 0)
  set.delete(0, pages)
  set.addBytes((pages - 1) * 4096, 4096)
  t.equal(set.next(0, pages), pages - 1)
  t.equal(set.nextAbsent(pages - 1, pages), pages)
})

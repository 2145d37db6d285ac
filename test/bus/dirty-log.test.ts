import fc from 'fast-check'
import t from 'tap'
import { DirtyLog } from '../../src/bus/dirty-log.js'

const PAGE = DirtyLog.PAGE_SIZE

t.test('mark: a range -> every page it touches, no other', async (t) => {
  const log = new DirtyLog(100 * PAGE)
  log.mark(PAGE - 1, 2)
  log.mark(31 * PAGE, 2 * PAGE)
  log.mark(50 * PAGE, 0)
  t.equal(log.count, 4)
  t.equal(log.isDirty(50), false)
  t.same(log.take(), [0, 1, 31, 32])
  t.equal(log.count, 0)
  t.same(log.take(), [])
})

t.test('take and putBack: failed write-back -> pages are dirty again', async (t) => {
  const log = new DirtyLog(64 * PAGE)
  log.mark(3 * PAGE, 1)
  const pages = log.take()
  log.mark(9 * PAGE, 1)
  log.putBack(pages)
  t.same(log.take(), [3, 9])
})

t.test('clear: a range -> its pages are no longer dirty, others are', async (t) => {
  const log = new DirtyLog(200 * PAGE)
  log.mark(0, 200 * PAGE)
  log.clear(3, 1)
  log.clear(30, 70)
  log.clear(199, 1)
  log.clear(40, 5)
  t.equal(log.count, 200 - 72)
  const expected = Array.from({ length: 200 }, (_, page) => page).filter(
    (page) => page !== 3 && page !== 199 && !(page >= 30 && page < 100),
  )
  t.same(log.take(), expected)
  log.clear(0, 200)
  t.equal(log.count, 0)
})

t.test('a region of 64 TiB: pages past 2^32', async (t) => {
  const log = new DirtyLog(2 ** 46)
  const pages = [5, 2 ** 32 - 1, 2 ** 32, 2 ** 33 + 77, 2 ** 34 - 1]
  for (const page of pages) log.mark(page * PAGE, 1)
  t.same([log.isDirty(2 ** 33 + 77), log.isDirty(77)], [true, false])
  log.clear(2 ** 32, 1)
  t.same(
    log.take(),
    pages.filter((page) => page !== 2 ** 32),
  )
  t.equal(log.count, 0)
})

t.test('two logs over one memory -> one log', async (t) => {
  const guest = new DirtyLog(64 * PAGE)
  const host = new DirtyLog(64 * PAGE, guest.memory)
  guest.mark(63 * PAGE, PAGE)
  t.equal(host.count, 1)
  t.same(host.take(), [63])
  t.equal(guest.isDirty(63), false)
})

t.test('size that is no multiple of a page or of 32 pages -> last page counts', async (t) => {
  const log = new DirtyLog(33 * PAGE + 5)
  t.equal(log.pages, 34)
  log.mark(33 * PAGE, 5)
  t.same(log.take(), [33])
})

t.test('any marks and takes -> every page exactly once per take, ascending, count right', async (t) => {
  const step = fc.oneof(
    fc.record({ at: fc.nat(70 * PAGE - 1), length: fc.nat(5 * PAGE) }),
    fc.record({ clear: fc.nat(69), count: fc.nat(6) }),
    fc.constant('take' as const),
  )
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const log = new DirtyLog(75 * PAGE)
        let model = new Set<number>()
        for (const each of steps) {
          if (each === 'take') {
            const expected = [...model].sort((a, b) => a - b)
            if (JSON.stringify(log.take()) !== JSON.stringify(expected)) return false
            model = new Set()
          } else if ('clear' in each) {
            log.clear(each.clear, each.count)
            for (let page = each.clear; page < each.clear + each.count; page++) model.delete(page)
          } else {
            log.mark(each.at, each.length)
            for (let at = each.at; at < each.at + each.length; at++) {
              model.add(Math.floor(at / PAGE))
              at = (Math.floor(at / PAGE) + 1) * PAGE - 1
            }
          }
          if (log.count !== model.size) return false
        }
        return true
      }),
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})

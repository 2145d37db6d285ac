import t from 'tap'
import { nextTid, previousTid, tidGeq, tidGt } from '../../../src/guest/jbd2/tid.js'

t.test('order goes on past the wrap', async (t) => {
  for (const [earlier, later] of [
    [1, 2],
    [0xffffffff, 0],
    [0xfffffff0, 10],
    [0x7fffffff, 0x80000000],
  ] as const) {
    t.equal(tidGt(later, earlier), true)
    t.equal(tidGt(earlier, later), false)
    t.equal(tidGeq(later, earlier), true)
    t.equal(tidGeq(earlier, later), false)
    t.equal(tidGeq(earlier, earlier), true)
    t.equal(tidGt(earlier, earlier), false)
  }
})

t.test('next and previous stay within 32 bits', async (t) => {
  t.equal(nextTid(0xffffffff), 0)
  t.equal(previousTid(0), 0xffffffff)
})

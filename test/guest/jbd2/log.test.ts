import t from 'tap'
import { JournalMap } from '../../../src/guest/jbd2/journal-map.js'
import { Log } from '../../../src/guest/jbd2/log.js'

t.test('map: pieces in any order; a gap ends it', async (t) => {
  const map = new JournalMap([
    { logical: 10, physical: 500, length: 5 },
    { logical: 0, physical: 900, length: 10 },
    { logical: 20, physical: 100, length: 5 },
  ])
  t.equal(map.length, 15)
  t.same(
    [0, 9, 10, 14].map((block) => map.physical(block)),
    [900, 909, 500, 504],
  )
  t.throws(() => map.physical(15), RangeError)
  t.throws(() => map.physical(99), RangeError)
  t.equal(new JournalMap([]).length, 0)
})

t.test('ring: wraps, keeps one block free, gives back what is released', async (t) => {
  const map = new JournalMap([{ logical: 0, physical: 100, length: 10 }])
  const log = new Log({ first: 1, end: 6, blockSize: 1024, map })
  t.equal(log.length, 5)
  t.same([log.take(), log.take(), log.take(), log.take()], [0, 1, 2, 3])
  t.equal(log.free, 0)
  t.throws(() => log.take(), RangeError)
  log.release(3)
  t.equal(log.used, 1)
  t.same(
    [log.take(), log.take()].map((position) => log.block(position)),
    [5, 1],
  )
  t.equal(log.offset(5), 101 * 1024)
  t.throws(() => log.release(2), RangeError)
  t.throws(() => log.release(7), RangeError)
})

import t from 'tap'
import { ShadowPool } from '../../../src/guest/block/shadow-pool.js'

t.test('take: blocks that do not overlap, more than one chunk of them', async (t) => {
  const pool = new ShadowPool(4096)
  const taken = Array.from({ length: 300 }, () => pool.take())
  const chunks = new Map(taken.map(({ bytes }, index) => [bytes, index]))
  const places = new Set(taken.map(({ bytes, at }) => `${chunks.get(bytes)}:${at}`))
  t.equal(places.size, 300)
  t.ok(taken.every(({ bytes, at }) => at % 4096 === 0 && at + 4096 <= bytes.length))
  t.ok(taken.every(({ bytes, view }) => view.buffer === bytes.buffer))
})

t.test('give: the memory is used again', async (t) => {
  const pool = new ShadowPool(1024)
  const shadow = pool.take()
  pool.give(shadow)
  t.equal(pool.take(), shadow)
})

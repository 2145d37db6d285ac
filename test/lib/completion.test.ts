import t from 'tap'
import { Completion } from '../../lib/completion.js'

t.test('complete: waiting -> every waiter gets the value', async (t) => {
  const completion = new Completion<number>()
  const waiters = [completion.promise, completion.promise]
  t.equal(completion.done, false)
  completion.complete(7)
  t.equal(completion.done, true)
  t.same(await Promise.all(waiters), [7, 7])
})

t.test('fail: waiting -> the reason', async (t) => {
  const completion = new Completion()
  const waiter = t.rejects(completion.promise, { message: 'gone' })
  completion.fail(new Error('gone'))
  t.equal(completion.done, true)
  await waiter
})

t.test('outcome: given twice -> the first stands', async (t) => {
  const completion = new Completion<string>()
  completion.complete('first')
  completion.complete('second')
  completion.fail(new Error('third'))
  t.equal(await completion.promise, 'first')
})

import t from 'tap'
import { HaltPoll } from '../../src/machine/halt-poll.js'

/** Idle for `blocked` ms with looks 1 us apart: how long it looked before it would have slept. */
function lookFor(poll: HaltPoll, from: number, blocked: number): number {
  poll.start(from)
  let looked = 0
  while (looked < blocked && poll.poll(from + looked)) looked += 0.001
  poll.end(from + blocked)
  return looked
}

t.test('poll: work always comes soon -> it is looked for until it comes', async (t) => {
  const poll = new HaltPoll(0.15)
  let now = 1
  for (let turn = 0; turn < 10; turn++, now += 1) lookFor(poll, now, 0.1)
  t.ok(lookFor(poll, now + 1, 0.1) >= 0.1)
})

t.test('poll: work comes late -> the window shrinks, and never passes its most', async (t) => {
  const poll = new HaltPoll(0.15)
  let now = 1
  for (let turn = 0; turn < 10; turn++, now += 10) lookFor(poll, now, 0.14)
  const long = lookFor(poll, now, 5)
  t.ok(long > 0.13 && long <= 0.152, `looked for ${long} ms`)
  for (let turn = 0; turn < 10; turn++, now += 10) lookFor(poll, now, 5)
  const short = lookFor(poll, now + 10, 5)
  t.ok(short > 0 && short <= 0.02, `looked for ${short} ms`)
})

t.test('poll: someone else had the processor between two looks -> asleep at once for a while', async (t) => {
  const poll = new HaltPoll(10)
  let now = 1
  for (let turn = 0; turn < 20; turn++, now += 10) lookFor(poll, now, 1)
  poll.start(now)
  t.ok(poll.poll(now))
  t.notOk(poll.poll(now + 0.5), 'preempted for 0.5 ms')
  poll.end(now + 0.6)
  t.equal(lookFor(poll, now + 1, 1), 0)
  t.ok(lookFor(poll, now + 50, 1) > 0.9, 'and looks again later')
})

t.test('poll: the sleep itself -> is not taken for preemption', async (t) => {
  const poll = new HaltPoll(0.15)
  let now = 1
  for (let turn = 0; turn < 10; turn++, now += 1) lookFor(poll, now, 0.1)
  poll.start(now)
  while (poll.poll(now)) now += 0.001
  t.notOk(poll.poll(now + 5), 'woken for nothing')
  poll.end(now + 5)
  t.ok(lookFor(poll, now + 6, 0.05) >= 0.05)
})

t.test('poll: most is 0 -> never again', async (t) => {
  const poll = new HaltPoll(0)
  for (let now = 1; now < 10; now++) t.equal(lookFor(poll, now, 0.01), 0)
})

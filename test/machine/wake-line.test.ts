import { closeSync } from 'node:fs'
import t, { type Test } from 'tap'
import { eventfd, eventfdRead } from '../../lib/libc.js'
import { WakeLine } from '../../src/machine/wake-line.js'

function wakeLine(t: Test): WakeLine {
  const wake = WakeLine.create(eventfd())
  t.teardown(() => closeSync(wake.eventfd))
  return wake
}

t.test('WakeLine: raised while busy -> seen once, the eventfd is spared', async (t) => {
  const wake = wakeLine(t)
  const other = new WakeLine(wake.memory, wake.eventfd)
  other.raise()
  other.raise()
  other.control()
  t.ok(eventfdRead(wake.eventfd) < 0)
  t.same([wake.takeInterrupt(), wake.takeInterrupt()], [true, false])
  t.same([wake.takeControl(), wake.takeControl()], [true, false])
})

t.test('WakeLine: raised before sleeping -> no sleep', async (t) => {
  const wake = wakeLine(t)
  wake.raise()
  t.equal(wake.beginSleep(), false)
  wake.takeInterrupt()
  t.equal(wake.beginSleep(), true)
})

t.test('WakeLine: raised while asleep -> the eventfd is readable, and empty after the sleep', async (t) => {
  const wake = wakeLine(t)
  t.equal(wake.beginSleep(), true)
  wake.control()
  wake.endSleep(true)
  t.ok(eventfdRead(wake.eventfd) < 0)
  t.equal(wake.takeControl(), true)
  wake.raise()
  t.ok(eventfdRead(wake.eventfd) < 0, 'awake again')
})

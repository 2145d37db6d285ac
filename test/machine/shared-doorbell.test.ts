import { Worker } from 'node:worker_threads'
import t from 'tap'
import { DoorbellListener, SharedDoorbell } from '../../src/machine/shared-doorbell.js'

t.test('SharedDoorbell: rung since it was looked at -> wait returns at once', async (t) => {
  const bell = new SharedDoorbell()
  const other = new SharedDoorbell(bell.memory)
  const seen = bell.rung
  other.ring()
  bell.wait(seen)
  t.equal(bell.rung, seen + 1)
})

/** Rings when the other side has heard all rings so far, `RINGS` times. */
const RINGER = `
  const { workerData: { rings, heard, count } } = require('node:worker_threads')
  for (let ring = 0; ring < count; ring++) {
    for (let now = Atomics.load(heard, 0); now < ring; now = Atomics.load(heard, 0)) Atomics.wait(heard, 0, now)
    Atomics.add(rings, 0, 1)
    Atomics.notify(rings, 0)
  }
`

for (const spin of [true, false]) {
  t.test(
    `DoorbellListener, ${spin ? 'looking' : 'asleep'}: rings of another thread -> none is missed`,
    async (t) => {
      const count = 500
      const bell = new SharedDoorbell()
      const heard = new Int32Array(new SharedArrayBuffer(4))
      const listener = new DoorbellListener(bell, { clock: () => performance.now(), spin })
      const ringer = new Worker(RINGER, {
        eval: true,
        workerData: { rings: new Int32Array(bell.memory as SharedArrayBuffer), heard, count },
      })
      const exit = new Promise((resolve) => ringer.once('exit', resolve))
      for (let seen = 0; seen < count; seen++) {
        listener.wait(seen)
        Atomics.store(heard, 0, bell.rung)
        Atomics.notify(heard, 0)
      }
      t.equal(await exit, 0)
      t.equal(bell.rung, count)
    },
  )
}

import { closeSync } from 'node:fs'
import t, { type Test } from 'tap'
import { eventfd, eventfdRead, eventfdWrite } from '../../lib/libc.js'
import { TurnLoop, type TurnWork } from '../../src/machine/turn-loop.js'
import { WakeLine } from '../../src/machine/wake-line.js'

/** Work that writes down what it was called for. Requests are the counts of an eventfd. */
class ScriptedWork implements TurnWork {
  readonly calls: string[] = []
  deadline: number | undefined
  expectsInterrupt = false
  ended = false
  onServe: () => void = () => {}
  onInterrupt: () => void = () => {}
  onChores: () => void = () => {}
  readonly #requests: number

  constructor(requests: number) {
    this.#requests = requests
  }

  serve(): 'served' | 'empty' | 'ended' {
    if (this.ended) return 'ended'
    if (eventfdRead(this.#requests) < 0) return 'empty'
    this.calls.push('request')
    this.onServe()
    return 'served'
  }

  interrupt(): void {
    this.calls.push('interrupt')
    this.onInterrupt()
  }

  control(): void {
    this.calls.push('control')
    this.ended = true
  }

  chores(): void {
    this.onChores()
  }
}

function loop(
  t: Test,
  spin: boolean,
): { turns: TurnLoop; wake: WakeLine; work: ScriptedWork; requests: number } {
  const requests = eventfd()
  const wake = WakeLine.create(eventfd())
  t.teardown(() => {
    closeSync(requests)
    closeSync(wake.eventfd)
  })
  const turns = new TurnLoop({ wake, clock: () => performance.now(), spin })
  turns.requests = requests
  return { turns, wake, work: new ScriptedWork(requests), requests }
}

t.test('requests that another reads: they do not wake the loop', async (t) => {
  const { turns, wake, work, requests } = loop(t, false)
  turns.requestEvents = 0
  eventfdWrite(requests)
  let sleeps = 0
  work.serve = () => (work.ended ? 'ended' : 'empty')
  work.deadline = performance.now() + 40
  work.onChores = () => {
    // Before the first sleep, and when the deadline has ended it: more often only if the descriptor had woken it.
    if (++sleeps === 2) wake.control()
  }
  const began = performance.now()
  await turns.serve(work)
  t.ok(performance.now() - began >= 35)
  t.equal(eventfdRead(requests), 1, 'nobody took the request')
})

for (const spin of [true, false]) {
  t.test(
    `serve, ${spin ? 'spinning' : 'sleeping at once'}: request, promises, interrupt, control -> each has its turn`,
    async (t) => {
      const { turns, wake, work, requests } = loop(t, spin)
      work.onServe = () => {
        // A chain longer than one turn of the microtasks, as a commit is.
        void (async () => {
          for (let hop = 0; hop < 20; hop++) await undefined
          work.calls.push('promise')
          wake.raise()
        })()
      }
      work.onInterrupt = () => wake.control()
      eventfdWrite(requests)
      await turns.serve(work)
      t.same(work.calls, ['request', 'promise', 'interrupt', 'control'])
    },
  )
}

t.test('serve: a deadline -> the sleep ends and the chores are done', async (t) => {
  const { turns, work } = loop(t, false)
  const start = performance.now()
  work.deadline = start + 20
  work.onChores = () => {
    if (performance.now() >= start + 20) work.ended = true
  }
  await turns.serve(work)
  t.ok(performance.now() - start >= 20)
})

t.test('until: settles by what an interrupt brings -> its value, and its rejection', async (t) => {
  const { turns, wake, work } = loop(t, true)
  const value = new Promise<string>((resolve) => {
    work.onInterrupt = () => resolve('done')
  })
  wake.raise()
  t.equal(await turns.until(value, work), 'done')
  await t.rejects(turns.until(Promise.reject(new Error('no')), work), { message: 'no' })
})

for (const [delay, sleeps] of [
  [0.1, false],
  [2, true],
] as const) {
  t.test(
    `an expected interrupt that takes ${delay} ms -> ${sleeps ? 'asleep' : 'awake'} until it comes`,
    async (t) => {
      const wake = WakeLine.create(eventfd())
      const requests = eventfd()
      t.teardown(() => {
        closeSync(requests)
        closeSync(wake.eventfd)
      })
      let now = 1
      let raiseAt = now + delay
      let slept = 0
      // A clock that goes on with each look at it, and a device that interrupts when its time has come.
      const clock = (): number => {
        now += 0.01
        if (now >= raiseAt) {
          raiseAt = Number.POSITIVE_INFINITY
          wake.raise()
        }
        return now
      }
      const beginSleep = wake.beginSleep.bind(wake)
      wake.beginSleep = () => {
        slept++
        if (raiseAt !== Number.POSITIVE_INFINITY) {
          now = raiseAt
          clock()
        }
        return beginSleep()
      }
      const work = new ScriptedWork(requests)
      work.expectsInterrupt = true
      let interrupts = 0
      work.onInterrupt = () => {
        // What it takes to learn how late they come.
        if (++interrupts === 8) slept = 0
        if (interrupts === 30) work.ended = true
        raiseAt = now + delay
      }
      const turns = new TurnLoop({ wake, clock, spin: true })
      turns.requests = requests
      await turns.serve(work)
      t.equal(interrupts, 30)
      t.equal(slept > 0, sleeps, `slept ${slept} times`)
    },
  )
}

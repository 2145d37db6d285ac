import t from 'tap'
import { InlineDoorbell } from '../../src/bus/doorbell.js'
import { InlineInterruptLine } from '../../src/bus/interrupt-line.js'

/** Both wires behave alike: the signal, its counter and its handler. */
const wires = {
  'interrupt line': () => {
    const line = new InlineInterruptLine()
    return {
      signal: () => line.raise(),
      count: () => line.raised,
      handle: (handler: (() => void) | undefined) => {
        line.handler = handler
      },
    }
  },
  doorbell: () => {
    const bell = new InlineDoorbell()
    return {
      signal: () => bell.ring(),
      count: () => bell.rung,
      handle: (handler: (() => void) | undefined) => {
        bell.handler = handler
      },
    }
  },
}

for (const [name, make] of Object.entries(wires)) {
  t.test(`${name}: signal -> handler has run`, async (t) => {
    const wire = make()
    let runs = 0
    wire.handle(() => runs++)
    wire.signal()
    wire.signal()
    t.equal(runs, 2)
    t.equal(wire.count(), 2)
  })

  t.test(`${name}: signals from within the handler -> not nested, once more afterwards`, async (t) => {
    const wire = make()
    const trace: string[] = []
    wire.handle(() => {
      trace.push('in')
      if (trace.length === 1) {
        wire.signal()
        wire.signal()
      }
      trace.push('out')
    })
    wire.signal()
    t.same(trace, ['in', 'out', 'in', 'out'])
    t.equal(wire.count(), 3)
  })

  t.test(`${name}: no handler, or one that throws -> still works afterwards`, async (t) => {
    const wire = make()
    wire.signal()
    wire.handle(() => {
      throw new Error('handler')
    })
    t.throws(() => wire.signal(), { message: 'handler' })
    let runs = 0
    wire.handle(() => runs++)
    wire.signal()
    t.equal(runs, 1)
  })
}

import fc from 'fast-check'
import t from 'tap'
import { DmaMemory } from '../../src/bus/dma-memory.js'
import { GuestMemory } from '../../src/bus/guest-memory.js'
import type { BufferRange } from '../../src/virtio/descriptor-table.js'
import { DeviceQueue } from '../../src/virtio/device-queue.js'
import { DriverQueue } from '../../src/virtio/driver-queue.js'
import { FeatureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../../src/virtio/features.js'
import { allocateQueue } from '../../src/virtio/ring.js'

/** What both sides know of a request: the device must read `id`, and write as much as `length` says. */
interface Request {
  id: number
  length: number
}

type Step =
  | { kind: 'add'; out: number; in: number; length: number }
  | { kind: 'kick' }
  | { kind: 'pop' }
  | { kind: 'use'; which: number; signal: boolean }
  | { kind: 'interrupt' }
  | { kind: 'drain' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant('add'),
      out: fc.integer({ min: 1, max: 3 }),
      in: fc.nat(2),
      length: fc.nat(8),
    }),
    weight: 4,
  },
  { arbitrary: fc.constant({ kind: 'kick' }), weight: 3 },
  { arbitrary: fc.constant({ kind: 'pop' }), weight: 4 },
  { arbitrary: fc.record({ kind: fc.constant('use'), which: fc.nat(), signal: fc.boolean() }), weight: 4 },
  { arbitrary: fc.constant({ kind: 'interrupt' }), weight: 2 },
  { arbitrary: fc.constant({ kind: 'drain' }), weight: 4 },
) as fc.Arbitrary<Step>

/** Where a side is: it slept and was woken, took something, or found nothing and is about to sleep. */
type Loop = 'asleep' | 'woken' | 'busy' | 'emptied'

/**
 * Driver half and device half on one ring. The device sleeps until it is notified and the driver until it is
 * interrupted, so that a lost wake-up shows as requests which nobody finishes.
 */
class Pair {
  readonly #memory = new GuestMemory({ start: 0x1000, size: 0x4000 })
  readonly #dma = new DmaMemory(this.#memory)
  readonly #driver: DriverQueue<Request>
  readonly #device: DeviceQueue
  readonly #pool: number
  readonly #popped: { head: number; id: number; writable: number }[] = []
  readonly #expected = new Set<number>()
  #nextId = 0
  /** With interrupts off while draining. */
  #quiet = false
  /** The device added used elements and has not asked yet whether to interrupt. */
  #unsignalled = false
  #deviceLoop: Loop = 'asleep'
  #driverLoop: Loop = 'asleep'
  finished = 0
  readonly faults: string[] = []

  constructor(size: number, features: FeatureSet) {
    const queue = allocateQueue(this.#dma, size)
    this.#pool = this.#dma.allocate(4096)
    const { driver, device } = this.#start(queue, features)
    this.#driver = driver
    this.#device = device
  }

  #start(
    queue: ReturnType<typeof allocateQueue>,
    features: FeatureSet,
  ): { driver: DriverQueue<Request>; device: DeviceQueue } {
    const notify = (): void => {
      if (this.#deviceLoop === 'asleep') this.#deviceLoop = 'woken'
    }
    return {
      driver: new DriverQueue({ memory: this.#memory, queue, features, notify, dma: this.#dma }),
      device: new DeviceQueue(this.#memory, queue, features),
    }
  }

  /** The steps that would do something now, but for adding more. */
  get possible(): Step[] {
    const steps: Step[] = []
    if (this.#deviceLoop !== 'asleep') steps.push({ kind: 'pop' })
    if (this.#popped.length > 0) steps.push({ kind: 'use', which: 0, signal: false })
    if (this.#unsignalled) steps.push({ kind: 'interrupt' })
    if (this.#driverLoop !== 'asleep') steps.push({ kind: 'drain' })
    return steps
  }

  get outstanding(): number {
    return this.#expected.size
  }

  run(each: Step): void {
    if (each.kind === 'add') this.#add(each)
    else if (each.kind === 'kick') this.#driver.kick()
    else if (each.kind === 'pop') this.#pop()
    else if (each.kind === 'use') this.#use(each.which, each.signal)
    else if (each.kind === 'interrupt') this.#interrupt()
    else this.#drain()
  }

  /** Lets both sides run, each only when it was woken, until neither does anything. */
  settle(): void {
    for (let turn = 0; turn < 1000; turn++) {
      this.#driver.kick()
      while (this.#deviceLoop !== 'asleep') this.#pop()
      while (this.#popped.length > 0) this.#use(0, false)
      this.#interrupt()
      while (this.#driverLoop !== 'asleep') this.#drain()
      if (this.#deviceLoop === 'asleep') return
    }
    this.faults.push('never settles')
  }

  #add({ out, in: in_, length }: { out: number; in: number; length: number }): void {
    const request = { id: this.#nextId++, length: in_ === 0 ? 0 : length }
    const at = this.#pool + (request.id % 64) * 64
    // The id in the first readable range, the others only dress the chain up; its slot is free again 64 requests on.
    if (this.#expected.has(request.id - 64)) return
    this.#memory.store32(at, request.id)
    const outs: BufferRange[] = [
      { address: at, length: 1 },
      { address: at + 1, length: 3 },
      { address: at, length: 5 },
    ].slice(0, Math.min(Math.max(2, out), this.#driver.size))
    const room = this.#driver.size - outs.length
    const ins: BufferRange[] = [
      { address: at + 8, length: 3 },
      { address: at + 16, length: 20 },
    ].slice(0, Math.min(in_, room))
    if (this.#driver.add(outs, ins, request)) this.#expected.add(request.id)
  }

  /** One action of the device's loop; the driver may act between any two of them. */
  #pop(): void {
    if (this.#deviceLoop === 'asleep') return
    if (this.#deviceLoop === 'emptied') {
      this.#deviceLoop = this.#device.enableNotification() ? 'woken' : 'asleep'
      return
    }
    if (this.#deviceLoop === 'woken') this.#device.disableNotification()
    const chain = this.#device.pop()
    this.#deviceLoop = chain === undefined ? 'emptied' : 'busy'
    if (chain !== undefined)
      this.#popped.push({ head: chain.head, id: chain.read32(0), writable: chain.writableLength })
  }

  #use(which: number, signal: boolean): void {
    const [done] = this.#popped.splice(which % Math.max(1, this.#popped.length), 1)
    if (done === undefined) return
    this.#device.addUsed(done.head, Math.min(done.id % 4, done.writable))
    this.#unsignalled = true
    if (signal) this.#interrupt()
  }

  #interrupt(): void {
    this.#unsignalled = false
    if (this.#device.needsInterrupt() && this.#driverLoop === 'asleep') this.#driverLoop = 'woken'
  }

  /** One action of the driver's loop. Every other time it leaves interrupts on while it drains. */
  #drain(): void {
    if (this.#driverLoop === 'asleep') return
    if (this.#driverLoop === 'emptied') {
      this.#driverLoop = this.#driver.enableInterrupts() ? 'woken' : 'asleep'
      return
    }
    if (this.#driverLoop === 'woken') {
      this.#quiet = !this.#quiet
      if (this.#quiet) this.#driver.disableInterrupts()
    }
    const used = this.#driver.getUsed()
    if (used !== undefined) {
      this.#driverLoop = 'busy'
      this.finished++
      if (!this.#expected.delete(used.token.id)) this.faults.push(`${used.token.id} finished twice`)
    } else {
      this.#driverLoop = this.#quiet ? 'emptied' : 'asleep'
    }
  }

  get restored(): boolean {
    return this.#driver.freeDescriptors === this.#driver.size && this.#device.inFlight === 0
  }
}

const features = fc
  .record({ event: fc.boolean(), indirect: fc.boolean() })
  .map(({ event, indirect }) =>
    FeatureSet.of(...(event ? [VIRTIO_F_EVENT_IDX] : []), ...(indirect ? [VIRTIO_F_INDIRECT_DESC] : [])),
  )

t.test(
  'any order of steps, both sides asleep unless woken -> every request finishes exactly once',
  async (t) => {
    const report = fc.defaultReportMessage(
      fc.check(
        fc.property(
          features,
          fc.constantFrom(2, 4, 8, 64),
          fc.array(step, { maxLength: 150 }),
          (set, size, steps) => {
            const pair = new Pair(size, set)
            for (const each of steps) pair.run(each)
            pair.settle()
            return pair.faults.length === 0 && pair.outstanding === 0 && pair.restored
          },
        ),
        { numRuns: 1000 },
      ),
    )
    t.equal(report, undefined, report ?? 'held for all samples')
  },
)

/** Runs `scenario` with every sequence of choices that it can make; `choose(n)` gives 0..n-1. Returns how many. */
function everySequence(scenario: (choose: (n: number) => number) => void): number {
  const taken: { choice: number; of: number }[] = []
  for (let runs = 1; ; runs++) {
    let depth = 0
    scenario((n) => {
      if (depth === taken.length) taken.push({ choice: 0, of: n })
      return taken[depth++]!.choice
    })
    while (taken.length > 0 && taken.at(-1)!.choice + 1 === taken.at(-1)!.of) taken.pop()
    if (taken.length === 0) return runs
    taken.at(-1)!.choice++
  }
}

t.test('two requests, every order of all steps -> neither is lost or done twice', async (t) => {
  for (const set of [FeatureSet.of(), FeatureSet.of(VIRTIO_F_EVENT_IDX)]) {
    let lost = 0
    const runs = everySequence((choose) => {
      const pair = new Pair(4, set)
      let left = 2
      for (;;) {
        const steps = pair.possible
        if (steps.length === 0 && left === 0) break
        const choice = choose(steps.length + (left > 0 ? 1 : 0))
        if (choice < steps.length) {
          pair.run(steps[choice]!)
        } else {
          left--
          pair.run({ kind: 'add', out: 2, in: 1, length: 4 })
          pair.run({ kind: 'kick' })
        }
      }
      if (pair.outstanding > 0 || pair.faults.length > 0 || !pair.restored) lost++
    })
    t.equal(lost, 0, `features: ${set}`)
    t.ok(runs > 100, `${runs} orders`)
  }
})

t.test(
  'more than 2^16 requests -> indices wrap, none is lost, on every combination of features',
  async (t) => {
    for (const set of [
      FeatureSet.of(),
      FeatureSet.of(VIRTIO_F_EVENT_IDX),
      FeatureSet.of(VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC),
    ]) {
      const pair = new Pair(8, set)
      const total = 0x1_0000 + 100
      for (let added = 0; added < total; added += 2) {
        pair.run({ kind: 'add', out: 2, in: added & 1, length: 4 })
        pair.run({ kind: 'add', out: 2, in: 1, length: 4 })
        pair.settle()
      }
      t.same(pair.faults, [])
      t.equal(pair.finished, total, String(set))
      t.equal(pair.restored, true)
    }
  },
)

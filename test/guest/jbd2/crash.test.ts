/**
 * The journal under power failures: random operations, and at each FLUSH images of what a power failure may leave of
 * the stores before it. Each must recover to exactly one transaction's state, not older than what was reported
 * committed.
 */
import fc from 'fast-check'
import t from 'tap'
import { Prng } from '../../../lib/prng.js'
import { nextTid, previousTid, tidGeq } from '../../../src/guest/jbd2/tid.js'
import { BLOCK_SIZE, newJournal, openImage, type RamJournal } from './ram-journal.js'

/** What a block is for, and what all its bytes are. A free block may hold anything. */
interface BlockState {
  kind: 'metadata' | 'data' | 'free'
  value: number
}

type State = Map<number, BlockState>

const BLOCKS = 24

/** A file system of one rule: a block freed is used again when the commit that frees it is durable. */
class Model {
  readonly state: State = new Map()
  /** The state that each transaction commits. */
  readonly committed = new Map<number, State>()
  readonly reusable: number[] = []
  readonly #ram: RamJournal
  readonly #prng: Prng
  #value = 0

  constructor(ram: RamJournal, prng: Prng) {
    this.#ram = ram
    this.#prng = prng
    for (let block = 1; block <= BLOCKS; block++) this.state.set(block, { kind: 'metadata', value: 0xee })
    this.committed.set(ram.journal.committedTid, structuredClone(this.state))
    ram.journal.beforeCommit = (handle) => {
      this.committed.set(handle.tid, structuredClone(this.state))
    }
  }

  operation(): void {
    const handle = this.#ram.journal.start()
    const before = structuredClone(this.state)
    const reusable = [...this.reusable]
    const failing = this.#prng.chance(0.15)
    for (let step = this.#prng.below(4); step >= 0; step--) this.#step(handle)
    if (!failing) {
      handle.stop()
      return
    }
    handle.revert()
    for (const [block, state] of before) this.state.set(block, state)
    this.reusable.splice(0, this.reusable.length, ...reusable)
  }

  #step(handle: ReturnType<RamJournal['journal']['start']>): void {
    this.#value = (this.#value + 1) & 0xff
    const value = this.#value
    const block = 1 + this.#prng.below(BLOCKS)
    const { kind } = this.state.get(block) as BlockState
    if (kind === 'metadata' && this.#prng.chance(0.75)) {
      this.#writeMetadata(handle, block, value, false)
    } else if (kind !== 'free') {
      if (kind === 'metadata') handle.forget(block)
      this.state.set(block, { kind: 'free', value: 0 })
      handle.onCommit(() => this.reusable.push(block))
    } else if (this.reusable.length > 0) {
      const again = this.reusable.shift() as number
      if (this.#prng.chance(0.5)) this.#writeMetadata(handle, again, value, true)
      else {
        this.#ram.disk.write(again * BLOCK_SIZE, new Uint8Array(BLOCK_SIZE).fill(value))
        this.state.set(again, { kind: 'data', value })
      }
    }
  }

  #writeMetadata(
    handle: ReturnType<RamJournal['journal']['start']>,
    block: number,
    value: number,
    create: boolean,
  ): void {
    const head = this.#ram.cache.get(block)
    if (create) handle.getCreateAccess(head)
    else handle.getWriteAccess(head)
    head.bytes.fill(value, head.at, head.at + BLOCK_SIZE)
    if (this.#prng.chance(0.2)) head.view.setUint32(head.at, 0xc03b3998)
    this.state.set(block, { kind: 'metadata', value })
  }
}

/** The transaction that the image recovers to, and how it differs from that transaction's state. */
async function recovered(image: Uint8Array, model: Model): Promise<{ tid: number; wrong: string[] }> {
  const after = openImage(image)
  let tid = previousTid(after.journal.runningTid)
  if (after.journal.needsRecovery) tid = previousTid((await after.journal.recover()).endTid)
  const state = model.committed.get(tid)
  if (state === undefined) return { tid, wrong: [`nothing was committed as ${tid}`] }
  const wrong: string[] = []
  for (const [block, { kind, value }] of state) {
    const at = block * BLOCK_SIZE
    const bytes = after.disk.bytes.subarray(at, at + BLOCK_SIZE)
    if (kind !== 'free' && !bytes.subarray(4).every((byte) => byte === value))
      wrong.push(`${kind} block ${block} is ${bytes[4]}, expected ${value}`)
  }
  return { tid, wrong }
}

/** Runs `operations` and looks at crash images at each flush; what was wrong, empty: nothing. */
async function explore(seed: number, operations: number, rate: number): Promise<string[]> {
  const prng = new Prng(seed)
  const ram = newJournal()
  const model = new Model(ram, prng)
  const wrong: string[] = []
  const checks: (() => Promise<void>)[] = []
  const { counters } = ram.journal
  let checkpoints = 0
  let closely = 0
  ram.disk.beforeFlushed = () => {
    const acknowledged = ram.journal.committedTid
    // The two flushes of a commit that moves the tail are rare and looked at closely.
    closely--
    if (counters.checkpoints > checkpoints) closely = 2
    checkpoints = counters.checkpoints
    for (const subset of ram.disk.crashSubsets(() => prng.next() / 2 ** 32, 4)) {
      if (!prng.chance(closely > 0 ? 0.6 : rate)) continue
      const image = ram.disk.crashImage(subset)
      checks.push(async () => {
        const result = await recovered(image, model)
        wrong.push(...result.wrong)
        if (!tidGeq(result.tid, acknowledged))
          wrong.push(`recovered to ${result.tid}, reported ${acknowledged}`)
      })
    }
  }
  for (let count = 0; count < operations; count++) {
    model.operation()
    // Sometimes the operations go on while the commit waits for its flushes.
    const pace = prng.below(10)
    if (pace < 3) await ram.journal.commit()
    else if (pace < 5) void ram.journal.commit()
    else if (pace < 7) await Promise.resolve()
    for (const check of checks.splice(0)) await check()
  }
  const { dirty, runningTid } = ram.journal
  model.committed.set(dirty ? nextTid(runningTid) : runningTid, model.state)
  await ram.journal.close()
  for (const check of checks.splice(0)) await check()
  return wrong
}

t.test(
  'power failure at any flush, any stores lost -> one transaction, none reported is missing',
  async (t) => {
    const report = fc.defaultReportMessage(
      await fc.check(
        fc.asyncProperty(fc.nat(), async (seed) => {
          const wrong = await explore(seed, 60, 0.35)
          return wrong.length === 0
        }),
        { numRuns: 5 },
      ),
    )
    t.equal(report, undefined, report ?? 'every image recovered')
  },
)

t.test('the same through several rounds of the ring', async (t) => {
  const seed = fc.sample(fc.nat(), 1)[0] as number
  t.same(await explore(seed, 900, 0.002), [], `seed ${seed}`)
})

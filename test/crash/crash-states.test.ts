import t from 'tap'
import { CrashDisk } from '../../src/crash/crash-disk.js'
import { type Epoch, epochs } from '../../src/crash/epoch.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { expandWorkload, formatReplay, parseReplay } from '../../src/crash/replay.js'
import { recordWorkload } from '../../src/crash/simulation.js'
import type { LogEvent } from '../../src/crash/store-log.js'
import { formatSurvivors, layCrashState, parseSurvivors, type Survivors } from '../../src/crash/survivors.js'

const PAGE = 4096
const store = (offset: number, value: number, length = 4): LogEvent => ({
  type: 'store',
  offset,
  bytes: new Uint8Array(length).fill(value),
})

/** Two stores to page 0, one across pages 0 and 1, a sync that began after the second, one store more. */
const EVENTS: LogEvent[] = [
  { type: 'operation', operation: 0 },
  store(0, 1),
  store(0, 2),
  { type: 'begun', sync: 1, stores: 2 },
  store(PAGE - 2, 3),
  { type: 'completed', sync: 1, stores: 2 },
  { type: 'ended', operation: 0 },
  { type: 'acknowledged', operation: 0 },
  { type: 'operation', operation: 1 },
  store(2 * PAGE, 4),
]

t.test(
  'epochs: a sync covers what was stored before it began -> the rest is uncertain in the next epoch',
  async (t) => {
    const [first, second, ...more] = [...epochs(EVENTS, PAGE)] as [Epoch, Epoch]
    t.equal(more.length, 0)
    t.equal(first.stores.length, 3)
    t.equal(first.settles, 2)
    t.same(
      first.positions.map(({ stores }) => stores),
      [0, 1, 2, 3],
    )
    t.equal(second.stores.length, 2)
    t.same(second.positions, [
      { stores: 1, begun: 2, acknowledged: 1 },
      { stores: 2, begun: 2, acknowledged: 1 },
    ])
    t.same(
      second.parts.map(({ page, store: index, bytes }) => [page, index, bytes.length]),
      [
        [0, 0, 2],
        [1, 0, 2],
        [2, 1, 4],
      ],
    )
  },
)

for (const { survivors, stores, expected } of [
  { survivors: { kind: 'none' }, stores: 3, expected: [0, 0, 0] },
  { survivors: { kind: 'all' }, stores: 3, expected: [2, 3, 3] },
  { survivors: { kind: 'all' }, stores: 1, expected: [1, 0, 0] },
  { survivors: { kind: 'drop', page: 0 }, stores: 3, expected: [0, 0, 3] },
  { survivors: { kind: 'keep', page: 0 }, stores: 3, expected: [2, 3, 0] },
] as { survivors: Survivors; stores: number; expected: number[] }[]) {
  t.test(`survivors ${formatSurvivors(survivors)} of ${stores} stores -> ${expected}`, async (t) => {
    const [epoch] = [...epochs(EVENTS, PAGE)] as [Epoch]
    const disk = new CrashDisk(new Uint8Array(4 * PAGE))
    layCrashState(disk, epoch, stores, survivors)
    t.same([disk.bytes[0], disk.bytes[PAGE - 1], disk.bytes[PAGE]], expected)
    disk.revert()
    t.ok(
      disk.bytes.every((byte) => byte === 0),
      'and nothing is left of it',
    )
    t.same(parseSurvivors(formatSurvivors(survivors)), survivors)
  })
}

t.test('random survivors: each page has a version that it had, drawn by the seed', async (t) => {
  const [epoch] = [...epochs(EVENTS, PAGE)] as [Epoch]
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const disk = new CrashDisk(new Uint8Array(4 * PAGE))
    layCrashState(disk, epoch, 3, parseSurvivors(`random:${seed}`))
    seen.add(`${disk.bytes[0]}${disk.bytes[PAGE - 1]} ${disk.bytes[PAGE]}`)
  }
  t.same([...seen].sort(), ['00 0', '00 3', '10 0', '10 3', '20 0', '20 3', '23 0', '23 3'])
})

t.test('torn survivors: sectors of one page have versions of their own', async (t) => {
  const events: LogEvent[] = [store(0, 7, PAGE)]
  const [epoch] = [...epochs(events, PAGE)] as [Epoch]
  const disk = new CrashDisk(new Uint8Array(PAGE))
  const torn = new Set<number>()
  for (let seed = 0; seed < 20; seed++) {
    layCrashState(disk, epoch, 1, { kind: 'torn', seed, unit: 512 })
    for (let sector = 0; sector < 8; sector++)
      torn.add(new Set(disk.bytes.subarray(sector * 512, sector * 512 + 512)).size)
    torn.add(100 + new Set(disk.bytes).size)
    disk.revert()
  }
  t.same(
    [...torn].sort((a, b) => a - b),
    [1, 101, 102],
    'sectors whole, pages not',
  )
})

t.test('replay line -> all that it was made of', async (t) => {
  const replay = {
    image: 'ace-1k',
    seed: 77,
    workload: 'creat bar; fsync bar',
    epoch: 2,
    stores: 9,
    survivors: 'drop:17',
    tried: true,
    recovery: false,
  }
  t.same(parseReplay(formatReplay(replay)), replay)
  t.same(parseReplay(`FAILED ${formatReplay({ ...replay, seed: undefined })}`), {
    ...replay,
    seed: undefined,
  })
  t.throws(() => parseReplay('image=x'), RangeError)
  t.equal(expandWorkload('random:5/40/10/3000/4'), expandWorkload('random:5/40/10/3000/4'))
})

t.test(
  'the same seed -> the same stores, syncs and image, byte for byte; another -> another order',
  async (t) => {
    const image = await new ImageSet().get('ace-1k')
    const workload = expandWorkload('random:9/120/15/5000/3')
    const run = async (seed: number) => (await recordWorkload(workload, { image, seed })).machine
    const [once, again, other] = [await run(3), await run(3), await run(4)]
    t.same(again.log.events, once.log.events)
    t.equal(Buffer.compare(again.bytes, once.bytes), 0)
    t.notSame(
      other.log.events.map(({ type }) => type),
      once.log.events.map(({ type }) => type),
    )
  },
)

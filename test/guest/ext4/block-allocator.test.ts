import fc from 'fast-check'
import t from 'tap'
import { findClear, setBits } from '../../../lib/bitmap.js'
import { Prng } from '../../../lib/prng.js'
import type { BlockRun } from '../../../src/guest/ext4/block-allocator.js'
import { SuperBlock } from '../../../src/guest/ext4/superblock.js'
import type { Volume } from '../../../src/guest/ext4/volume.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { FEATURE_SETS, inHandle, openVolume, operate } from './journaled-volume.js'

const SIZE = 24 << 20
const images = new Map(Object.entries(FEATURE_SETS).map(([name, args]) => [name, mkfsExt4(SIZE, args)]))
const image = images.get('default') as Uint8Array
const smallBlocks = images.get('1k blocks') as Uint8Array

/** Blocks that e2fsck finds marked in use though no file has them, `group` by `group` of its report. */
function unclaimed(output: string): Set<number> {
  const blocks = new Set<number>()
  for (const [, list] of output.matchAll(/Block bitmap differences:([^\n]*)/g)) {
    for (const [, from, to] of list!.matchAll(/-\(?(\d+)(?:--(\d+)\))?/g)) {
      for (let block = Number(from); block <= Number(to ?? from); block++) blocks.add(block)
    }
  }
  return blocks
}

function blocksOf(runs: readonly BlockRun[]): Set<number> {
  return new Set(
    runs.flatMap(({ start, count }) => Array.from({ length: count }, (_, index) => start + index)),
  )
}

/** Takes runs of random length at random goals until there is no room. */
async function takeAll(open: ReturnType<typeof openVolume>, random: Prng): Promise<BlockRun[]> {
  const { volume, journal } = open
  const runs: BlockRun[] = []
  while (volume.blockAllocator.freeCount > 0) {
    const goal = random.below(volume.blocksCount)
    runs.push(
      await operate(journal, (handle) => volume.blockAllocator.allocate(handle, goal, 1 + random.below(600))),
    )
  }
  return runs
}

for (const [name, features] of images) {
  t.test(
    `allocate: all blocks of an image (${name}) -> each once, and freed again e2fsck finds nothing`,
    async (t) => {
      const open = openVolume(features)
      const { volume, journal, disk } = open
      const free = volume.blockAllocator.freeCount
      const runs = await takeAll(open, new Prng(1))
      const taken = blocksOf(runs)
      t.equal(taken.size, free, 'no block twice')
      t.throws(() => inHandle(journal, (handle) => volume.blockAllocator.allocate(handle, 0, 1)), {
        code: 'ENOSPC',
      })
      await journal.commit()
      await journal.close()
      const { output } = e2fsck(disk.bytes)
      t.strictSame(unclaimed(output), taken, 'the bitmaps mark these and no others')
      t.notMatch(output, /counts? wrong for group .*counted=0/)

      const again = openVolume(disk.bytes)
      t.equal(again.volume.blockAllocator.freeCount, 0)
      for (const { start, count } of runs) {
        await operate(again.journal, (handle) => again.volume.blockAllocator.free(handle, start, count))
      }
      t.equal(again.volume.blockAllocator.freeCount, free)
      await again.journal.close()
      const clean = e2fsck(again.disk.bytes)
      t.equal(clean.status, 0, clean.output)
    },
  )
}

t.test('allocate: partly used group -> at the goal, behind it, then in the next group', async (t) => {
  const { volume, journal } = openVolume(image)
  const { blockAllocator } = volume
  // Of the first groups with nothing but free blocks.
  const start = volume.firstBlockOfGroup(1)
  const first = await operate(journal, (handle) => blockAllocator.allocate(handle, start + 300, 10))
  t.strictSame(first, { start: start + 300, count: 10 }, 'goal')
  const second = await operate(journal, (handle) => blockAllocator.allocate(handle, start + 305, 10))
  t.strictSame(second, { start: start + 310, count: 10 }, 'behind the goal')
  const rest = await operate(journal, (handle) => blockAllocator.allocate(handle, start + 320, 5000))
  t.strictSame(rest, { start: start + 320, count: 1024 - 320 }, 'to the end of the group')
  const whole = await operate(journal, (handle) => blockAllocator.allocate(handle, start + 1023, 1024))
  t.equal(whole.count, 1024, 'a group that is free as a whole')
  const least = await operate(journal, (handle) =>
    blockAllocator.allocate(handle, start + 315, 400, { least: 400 }),
  )
  t.equal(least.count, 400)
})

t.test('allocate: only short runs left -> the longest near, ENOSPC below least', async (t) => {
  const open = openVolume(image)
  const { volume, journal } = open
  const runs = await takeAll(open, new Prng(3))
  const long = runs.find(({ count }) => count >= 20)!
  await operate(journal, (handle) => {
    volume.blockAllocator.free(handle, long.start, 9)
    volume.blockAllocator.free(handle, long.start + 10, 4)
  })
  await journal.commit()
  await t.rejects(
    operate(journal, (handle) => volume.blockAllocator.allocate(handle, 0, 100, { least: 10 })),
    { code: 'ENOSPC' },
  )
  const nine = await operate(journal, (handle) => volume.blockAllocator.allocate(handle, 0, 100))
  t.strictSame(nine, { start: long.start, count: 9 })
  const four = await operate(journal, (handle) => volume.blockAllocator.allocate(handle, 0, 100))
  t.strictSame(four, { start: long.start + 10, count: 4 })
})

t.test('free: transaction not durable -> its blocks are not taken again, afterwards they are', async (t) => {
  const open = openVolume(image)
  const { volume, journal } = open
  const { blockAllocator } = volume
  const runs = await takeAll(open, new Prng(4))
  await journal.commit()
  const { start } = runs[0]!
  t.equal(blockAllocator.hasPending, false)
  inHandle(journal, (handle) => blockAllocator.free(handle, start, 1))
  t.equal(blockAllocator.hasPending, true)
  t.equal(blockAllocator.freeCount, 1)
  t.equal(blockAllocator.allocatable, 0)
  t.throws(() => inHandle(journal, (handle) => blockAllocator.allocate(handle, start, 1)), { code: 'ENOSPC' })
  await journal.commit()
  t.equal(blockAllocator.hasPending, false)
  t.strictSame(
    inHandle(journal, (handle) => blockAllocator.allocate(handle, 0, 8)),
    { start, count: 1 },
  )
})

t.test('allocate: unprivileged -> the reserved blocks stay', async (t) => {
  const { volume, journal } = openVolume(image)
  const { superblock, superblockOffset, blockAllocator } = volume
  const reserved = SuperBlock.s_r_blocks_count_lo.get(superblock.view, superblock.at + superblockOffset)
  t.ok(reserved > 0)
  let room = true
  while (room) {
    await operate(journal, (handle) => {
      room = blockAllocator.freeCount > reserved
      if (room) blockAllocator.allocate(handle, 0, 5000, { privileged: false })
    })
  }
  t.equal(blockAllocator.freeCount, reserved)
  t.throws(
    () => inHandle(journal, (handle) => blockAllocator.allocate(handle, 0, 1, { privileged: false })),
    {
      code: 'ENOSPC',
    },
  )
  t.equal(inHandle(journal, (handle) => blockAllocator.allocate(handle, 0, 1)).count, 1)
})

type Step =
  | { kind: 'take'; goal: number; wanted: number }
  | { kind: 'free'; which: number; part: number }
  | { kind: 'commit' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      goal: fc.nat(24000),
      wanted: fc.integer({ min: 1, max: 3000 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('free' as const), which: fc.nat(), part: fc.nat(100) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
)
const operation = fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 6 }), revert: fc.boolean() })

/** The free blocks as the bitmaps have them, by group. */
function snapshot(volume: Volume): unknown {
  const { groups } = volume
  return Array.from({ length: volume.groupCount }, (_, group) => {
    const head = volume.cache.get(groups.blockBitmap(group))
    return [
      groups.flags(group),
      groups.freeBlocks(group),
      Buffer.from(head.bytes.subarray(head.at, head.at + volume.blockSize)).toString('latin1'),
    ]
  })
}

t.test('allocate and free: random operations, some undone -> as a model, and e2fsck agrees', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 25 }), async (operations) => {
      const { volume, journal, disk } = openVolume(smallBlocks)
      const { blockAllocator } = volume
      const free = blockAllocator.freeCount
      let held: BlockRun[] = []
      let freedBlocks = new Set<number>()
      for (const { steps, revert } of operations) {
        for (let wait = journal.ready(60); wait !== undefined; wait = journal.ready(60)) await wait
        if (!blockAllocator.hasPending) freedBlocks = new Set()
        const before = revert ? snapshot(volume) : undefined
        const counts = [blockAllocator.freeCount, blockAllocator.allocatable]
        const handle = journal.start()
        let now = held.slice()
        const freedNow = new Set(freedBlocks)
        for (const step of steps) {
          if (step.kind === 'take') {
            if (blockAllocator.allocatable === 0) continue
            const run = blockAllocator.allocate(handle, step.goal, step.wanted)
            const taken = blocksOf(now)
            const clash = [...blocksOf([run])].some((block) => taken.has(block) || freedNow.has(block))
            t.notOk(clash, 'blocks in use or pending')
            now.push(run)
          } else if (step.kind === 'free' && now.length > 0) {
            const run = now[step.which % now.length]!
            const count = 1 + (step.part % run.count)
            blockAllocator.free(handle, run.start, count)
            for (const block of blocksOf([{ start: run.start, count }])) freedNow.add(block)
            now = now.filter((other) => other !== run)
            if (count < run.count) now.push({ start: run.start + count, count: run.count - count })
          }
        }
        if (revert) {
          handle.revert()
          t.strictSame(snapshot(volume), before, 'undone')
          t.strictSame([blockAllocator.freeCount, blockAllocator.allocatable], counts)
        } else {
          handle.stop()
          held = now
          freedBlocks = freedNow
        }
        if (steps.some(({ kind }) => kind === 'commit')) await journal.commit()
      }
      t.equal(blockAllocator.freeCount, free - blocksOf(held).size)
      await journal.close()
      t.strictSame(unclaimed(e2fsck(disk.bytes).output), blocksOf(held))
    }),
    { numRuns: 15 },
  )
})

t.test('free: blocks that cannot be freed -> CorruptError, nothing changed', async (t) => {
  const { volume, journal } = openVolume(image)
  const { blockAllocator, groups } = volume
  const { start } = await operate(journal, (handle) => blockAllocator.allocate(handle, 3000, 8))
  const before = snapshot(volume)
  const cases: [string, number, number][] = [
    ['twice', start + 8, 1],
    ['partly free', start + 4, 5],
    ['block bitmap', groups.blockBitmap(3), 1],
    ['inode table', groups.inodeTable(0) + 2, 1],
    ['superblock', 0, 1],
    ['descriptors', 1, 1],
    ['superblock copy', volume.firstBlockOfGroup(1), 1],
    ['past the end', volume.blocksCount - 1, 2],
    ['negative', -5, 1],
    ['beyond 2^32', 2 ** 40, 1],
    ['none', start, 0],
  ]
  for (const [what, block, count] of cases) {
    t.throws(
      () => inHandle(journal, (handle) => blockAllocator.free(handle, block, count)),
      { code: 'EUCLEAN' },
      what,
    )
  }
  t.strictSame(snapshot(volume), before)
})

t.test('free: in a group without a bitmap -> CorruptError', (t) => {
  const { volume, journal } = openVolume(image)
  const group = Array.from({ length: volume.groupCount }, (_, index) => index).find(
    (index) => (volume.groups.flags(index) & 2) !== 0,
  )!
  const block = volume.firstBlockOfGroup(group) + 500
  t.throws(() => inHandle(journal, (handle) => volume.blockAllocator.free(handle, block, 1)), {
    code: 'EUCLEAN',
  })
  t.end()
})

t.test('block bitmap: changed on the medium -> CorruptError', (t) => {
  const place = (features: Uint8Array): { volume: Volume; at: number } => {
    const { volume } = openVolume(features)
    return { volume, at: volume.groups.blockBitmap(0) * volume.blockSize }
  }
  const allocate = (features: Uint8Array) => (): unknown => {
    const { volume, journal } = openVolume(features)
    return inHandle(journal, (handle) => volume.blockAllocator.allocate(handle, 0, 1))
  }
  const summed = image.slice()
  summed[place(image).at + 100]! ^= 1
  t.throws(allocate(summed), { code: 'EBADMSG', corruption: { field: 'bg_block_bitmap_csum' } })

  const bare = images.get('^uninit_bg,^metadata_csum') as Uint8Array
  const metadata = bare.slice()
  metadata[place(bare).at]! &= ~1
  t.throws(allocate(metadata), { code: 'EUCLEAN', corruption: { field: 'bit 0' } })

  const counted = bare.slice()
  const { volume, at } = place(bare)
  const clear = findClear(counted, at, 0, volume.blocksPerGroup)
  t.ok(clear < volume.blocksPerGroup)
  setBits(counted, at, clear, clear + 1)
  t.throws(allocate(counted), { code: 'EUCLEAN', corruption: { field: 'clear bits' } })
  t.end()
})

t.test('free: metadata -> revoked', async (t) => {
  const { volume, journal } = openVolume(image)
  const { blockAllocator } = volume
  const { start } = await operate(journal, (handle) => {
    const run = blockAllocator.allocate(handle, 0, 1)
    handle.getCreateAccess(volume.cache.get(run.start))
    return run
  })
  await journal.commit()
  await operate(journal, (handle) => blockAllocator.free(handle, start, 1, { metadata: true }))
  await journal.commit()
  t.equal(journal.counters.revokes, 1)
})

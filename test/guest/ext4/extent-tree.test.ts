import fc from 'fast-check'
import t from 'tap'
import type { BlockAllocator } from '../../../src/guest/ext4/block-allocator.js'
import { ExtentNode } from '../../../src/guest/ext4/extent-node.js'
import { markWritten } from '../../../src/guest/ext4/extent-tree.js'
import { findMapping, insertMapping, mappings, removeLastMapping } from '../../../src/guest/ext4/file-map.js'
import { Inode } from '../../../src/guest/ext4/inode.js'
import { openJournal } from '../../../src/guest/ext4/journal-inode.js'
import { EXTENTS_FL } from '../../../src/guest/ext4/raw-inode.js'
import { Volume } from '../../../src/guest/ext4/volume.js'
import type { Journal } from '../../../src/guest/jbd2/journal.js'
import { RamDisk } from '../../ram-disk.js'
import { mkfsExt4 } from './image.js'

/** Tree nodes come from the end of the disk, one by one, and are counted. */
class NodeAllocator {
  held = 0
  #next: number
  readonly #free: number[] = []
  constructor(end: number) {
    this.#next = end
  }
  allocate(): { start: number; count: number } {
    this.held++
    return { start: this.#free.pop() ?? --this.#next, count: 1 }
  }
  free(handle: { forget(block: number): void }, start: number): void {
    this.held--
    this.#free.push(start)
    handle.forget(start)
  }
}

const image = mkfsExt4(16 << 20, ['-b', '1024'])

function makeFile(): { inode: Inode; journal: Journal; allocator: NodeAllocator } {
  const volume = new Volume(new RamDisk(image), () => ({ sec: 1, nsec: 0 }))
  const allocator = new NodeAllocator(volume.blocksCount - 1)
  Object.assign(volume, { blockAllocator: allocator as unknown as BlockAllocator })
  const journal = openJournal(volume, { clock: () => 0, commitInterval: 5000, barrier: true }) as Journal
  volume.journal = journal
  const inode = new Inode(volume, 12)
  const handle = journal.start()
  inode.modify(handle)
  inode.flags = EXTENTS_FL
  ExtentNode.formatRoot(inode)
  handle.stop()
  return { inode, journal, allocator }
}

async function change(journal: Journal, operation: Parameters<typeof run>[1]): Promise<void> {
  for (let wait = journal.ready(24); wait !== undefined; wait = journal.ready(24)) await wait
  run(journal, operation)
}

function run(journal: Journal, operation: (handle: ReturnType<Journal['start']>) => void): void {
  const handle = journal.start()
  operation(handle)
  handle.stop()
}

t.test(
  'extent tree: 3000 scattered blocks -> three levels, each found, then freed to the root',
  async (t) => {
    const { inode, journal, allocator } = makeFile()
    for (let n = 0; n < 3000; n++) {
      // Written back to front in steps of 7, so that leaves are split in the middle and keys are lowered.
      const logical = ((n * 7) % 3000) * 3 + 5
      await change(journal, (handle) =>
        insertMapping(handle, inode, { logical, physical: 100 + logical, length: 1, unwritten: false }),
      )
    }
    t.equal(ExtentNode.root(inode).depth, 2, 'depth')
    const seen = [...mappings(inode)]
    t.equal(seen.length, 3000, 'extents')
    t.ok(
      seen.every((mapping, n) => mapping.logical === n * 3 + 5 && mapping.physical === 105 + n * 3),
      'each where it was put',
    )
    t.same(findMapping(inode, 0), { logical: 0, physical: 0, length: 5, unwritten: false }, 'the hole before')
    t.same(findMapping(inode, 6), { logical: 6, physical: 0, length: 2, unwritten: false }, 'a hole between')
    let freed = 0
    for (let left = true; left; ) {
      await change(journal, (handle) => {
        const removed = removeLastMapping(handle, inode, 0, 0xffffffff)
        freed += removed?.length ?? 0
        left = removed !== undefined
      })
    }
    t.equal(freed, 3000, 'blocks unmapped')
    t.equal(allocator.held, 0, 'tree blocks held')
    t.equal(ExtentNode.root(inode).depth, 0, 'depth of the empty tree')
  },
)

t.test('extent tree: appended neighbours -> one extent', async (t) => {
  const { inode, journal } = makeFile()
  for (let n = 0; n < 100; n++) {
    run(journal, (handle) =>
      insertMapping(handle, inode, { logical: n, physical: 500 + n, length: 1, unwritten: false }),
    )
  }
  t.same([...mappings(inode)], [{ logical: 0, physical: 500, length: 100, unwritten: false }])
})

t.test(
  'extent tree: part of an unwritten extent written -> three extents, joined again when all is',
  async (t) => {
    const { inode, journal } = makeFile()
    run(journal, (handle) =>
      insertMapping(handle, inode, { logical: 10, physical: 1000, length: 30, unwritten: true }),
    )
    run(journal, (handle) => markWritten(handle, inode, 20, 5))
    t.same(
      [...mappings(inode)].map((m) => [m.logical, m.physical, m.length, m.unwritten]),
      [
        [10, 1000, 10, true],
        [20, 1010, 5, false],
        [25, 1015, 15, true],
      ],
    )
    run(journal, (handle) => markWritten(handle, inode, 10, 10))
    run(journal, (handle) => markWritten(handle, inode, 25, 15))
    t.same([...mappings(inode)], [{ logical: 10, physical: 1000, length: 30, unwritten: false }])
  },
)

t.test(
  'extent tree: a growth that was undone -> its blocks are left alone when the transaction commits',
  async (t) => {
    const { inode, journal, allocator } = makeFile()
    const { volume } = inode
    const { checksums, blocksCount, blockSize, device } = volume
    journal.beforeCommit = (handle) => checksums.seal(handle)
    const handle = journal.start()
    for (let n = 0; n < 10; n++) {
      insertMapping(handle, inode, { logical: n * 2, physical: 1000 + n * 2, length: 1, unwritten: false })
    }
    t.equal(allocator.held, 1, 'the tree took a block')
    handle.revert()
    const data = new Uint8Array(blockSize).fill(0xa5)
    device.write((blocksCount - 2) * blockSize, data)
    run(journal, (next) => inode.modify(next))
    await journal.commit()
    const { bytes, at } = device.directAccess((blocksCount - 2) * blockSize)
    t.same(bytes.slice(at, at + blockSize), data, 'the data that came to stand there')
  },
)

t.test(
  'extent tree: any sequence of inserts, removals and conversions -> as a plain table has it',
  async (t) => {
    type Step = { kind: 'insert' | 'remove' | 'write'; logical: number; length: number; unwritten: boolean }
    const step: fc.Arbitrary<Step> = fc.record({
      kind: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'write'),
      logical: fc.nat(400),
      length: fc.integer({ min: 1, max: 12 }),
      unwritten: fc.boolean(),
    })
    const report = fc.defaultReportMessage(
      await fc.check(
        fc.asyncProperty(
          fc.array(step, { minLength: 50, maxLength: 400 }),
          fc.boolean(),
          async (steps, scatter) => {
            const { inode, journal, allocator } = makeFile()
            const table = new Map<number, { physical: number; unwritten: boolean }>()
            let nextPhysical = 1000
            for (const { kind, logical, length, unwritten } of steps) {
              await change(journal, (handle) => {
                if (kind === 'insert') {
                  let count = 0
                  while (count < length && !table.has(logical + count)) count++
                  if (count === 0) return
                  insertMapping(handle, inode, { logical, physical: nextPhysical, length: count, unwritten })
                  for (let n = 0; n < count; n++)
                    table.set(logical + n, { physical: nextPhysical + n, unwritten })
                  nextPhysical += count + (scatter ? 1 : 0)
                } else if (kind === 'remove') {
                  for (let end = logical + length; ; ) {
                    const removed = removeLastMapping(handle, inode, logical, end)
                    if (removed === undefined) break
                    for (let n = 0; n < removed.length; n++) table.delete(removed.logical + n)
                    end = removed.logical
                  }
                } else {
                  const found = findMapping(inode, logical)
                  if (found.physical === 0 || !found.unwritten) return
                  const count = Math.min(found.length, length)
                  markWritten(handle, inode, logical, count)
                  for (let n = 0; n < count; n++)
                    (table.get(logical + n) as { unwritten: boolean }).unwritten = false
                }
              })
            }
            const found = new Map<number, { physical: number; unwritten: boolean }>()
            for (const { logical, physical, length, unwritten } of mappings(inode)) {
              for (let n = 0; n < length; n++) found.set(logical + n, { physical: physical + n, unwritten })
            }
            const sorted = new Map([...table].sort(([a], [b]) => a - b))
            if (JSON.stringify([...found]) !== JSON.stringify([...sorted]))
              throw new Error('the tree differs from the table')
            if ((allocator.held === 0) !== (ExtentNode.root(inode).depth === 0))
              throw new Error('tree blocks were lost')
          },
        ),
        { numRuns: 60 },
      ),
    )
    t.equal(report, undefined, report ?? '60 sequences')
  },
)

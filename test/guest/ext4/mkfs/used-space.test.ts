import fc from 'fast-check'
import t from 'tap'
import { UsedSpace } from '../../../../src/guest/ext4/mkfs/used-space.js'

const FIRST = 1
const END = 200

/** The same by a set of blocks: what the runs must agree with. */
function blocksOf(space: UsedSpace): number[] {
  return space.runs.flatMap(({ start, end }) =>
    Array.from({ length: end - start }, (_, index) => start + index),
  )
}

t.test('used space: any takes -> disjoint, inside, ascending runs that do not touch', async (t) => {
  const takes = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: FIRST, max: END - 1 })))
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(takes, (wanted) => {
        const space = new UsedSpace(FIRST, END)
        let taken: number[] = []
        for (const [count, goal] of wanted) {
          const runs = space.take(count, goal)
          if (runs === undefined) {
            if (END - FIRST - taken.length >= count) return false
            continue
          }
          const blocks = runs.flatMap(({ start, end }) =>
            Array.from({ length: end - start }, (_, at) => start + at),
          )
          if (blocks.length !== count || blocks.some((block) => taken.includes(block))) return false
          taken = [...taken, ...blocks].sort((a, b) => a - b)
          if (blocksOf(space).join() !== taken.join()) return false
          if (space.runs.some((run, index) => index > 0 && space.runs[index - 1]!.end >= run.start))
            return false
        }
        return taken.every((block) => block >= FIRST && block < END)
      }),
    ),
  )
  t.equal(report, undefined, report ?? 'property holds')
})

t.test('used space: contiguous -> the first gap that is long enough, within the bounds', async (t) => {
  const space = new UsedSpace(0, 100)
  space.mark(0, 10)
  space.mark(14, 6)
  t.equal(space.takeContiguous(5, 0, 100), 20)
  t.equal(space.takeContiguous(4, 0, 100), 10)
  t.same(space.runs, [{ start: 0, end: 25 }])
  t.equal(space.takeContiguous(6, 0, 30), undefined)
})

t.test('used space: no contiguous room -> pieces from the goal on, then from the start', async (t) => {
  const space = new UsedSpace(0, 30)
  space.mark(5, 5)
  space.mark(15, 5)
  t.same(space.take(12, 12), [
    { start: 12, end: 15 },
    { start: 20, end: 29 },
  ])
  t.equal(space.take(12, 0), undefined)
  t.same(blocksOf(space).length, 22)
})

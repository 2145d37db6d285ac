import t from 'tap'
import { type PageSource, pageRuns, writePages } from '../../src/host/page-run.js'

/** A target that takes what `answers` say, in order, then everything. */
function scripted(...answers: number[]): { calls: number[][]; write: (...call: number[]) => number } {
  const calls: number[][] = []
  return {
    calls,
    write: (...call) => {
      calls.push(call)
      return answers.shift() ?? (call[1] as number)
    },
  }
}

/** Memory in one piece, from an address on. */
const at = (address: number): PageSource => ({
  addressOf: (offset) => address + offset,
  contiguous: (_, length) => length,
})

t.test('pageRuns: scattered and adjacent pages -> joined, no longer than the limit', async (t) => {
  t.same(pageRuns([1, 2, 3, 5, 8, 9]), [
    { first: 1, count: 3 },
    { first: 5, count: 1 },
    { first: 8, count: 2 },
  ])
  t.same(
    pageRuns([4, 5, 6, 7, 8], 2).map(({ count }) => count),
    [2, 2, 1],
  )
  t.same(pageRuns([]), [])
})

t.test('writePages: a long run -> calls of 1 MiB', async (t) => {
  const target = scripted()
  t.equal(
    writePages(
      target,
      at(0x10_0000),
      Array.from({ length: 300 }, (_, index) => index + 1),
    ),
    0,
  )
  t.same(target.calls, [
    [0x10_0000 + 4096, 1 << 20, 4096],
    [0x10_0000 + 257 * 4096, 44 * 4096, 257 * 4096],
  ])
})

t.test('writePages: short writes and interruptions -> the rest is written', async (t) => {
  const target = scripted(100, -4, 8000)
  t.equal(writePages(target, at(0), [0, 1]), 0)
  t.same(target.calls, [
    [0, 8192, 0],
    [100, 8092, 100],
    [100, 8092, 100],
    [8100, 92, 8100],
  ])
})

t.test('writePages: an error -> it, and no further call', async (t) => {
  const target = scripted(4096, -28)
  t.equal(writePages(target, at(0), [0, 2, 4]), -28)
  t.equal(target.calls.length, 2)
})

t.test('writePages: a target that never takes a byte -> EIO, not a loop', async (t) => {
  t.equal(writePages({ write: () => 0 }, at(0), [0]), -5)
  t.equal(writePages({ write: () => -4 }, at(0), [0]), -4)
})

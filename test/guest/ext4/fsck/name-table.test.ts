import fc from 'fast-check'
import t from 'tap'
import { NameTable } from '../../../../src/guest/ext4/fsck/name-table.js'

/** Names as directory entries have them: the length two bytes before the first character. */
function entries(names: readonly string[]): { bytes: Uint8Array; at: number; length: number }[] {
  return names.map((name) => {
    const text = Buffer.from(name)
    return { bytes: Uint8Array.of(text.length, 0, ...text), at: 2, length: text.length }
  })
}

t.test('name table: any names -> a name is known when it came before', async (t) => {
  const table = new NameTable()
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 300 }), (names) => {
      table.reset(names.length)
      const seen = new Set<string>()
      return entries(names).every(({ bytes, at, length }, index) => {
        const known = seen.has(names[index]!)
        seen.add(names[index]!)
        return table.add(bytes, at, length) === known
      })
    }),
    { numRuns: 30 },
  )
  table.reset(10)
  t.same(
    entries(['a', 'b', 'a', 'ab']).map(({ bytes, at, length }) => table.add(bytes, at, length)),
    [false, false, true, false],
  )
})

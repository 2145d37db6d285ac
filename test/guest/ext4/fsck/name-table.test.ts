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

t.test('name table: any names -> a name is known when it came before', async () => {
  const table = new NameTable()
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 300 }), (names) => {
      table.reset(names.length)
      const seen = new Set<string>()
      return entries(names).every(({ bytes, at, length }, index) => {
        const known = seen.has(names[index]!)
        seen.add(names[index]!)
        return table.add(bytes, at, length, 0) === (known ? 'other block' : 'new')
      })
    }),
    { numRuns: 30 },
  )
})

t.test(
  'name table: the same name in one block, and in another -> told apart by where it stood last',
  async (t) => {
    const table = new NameTable()
    table.reset(10)
    const bytes = Uint8Array.from(Buffer.from('\x01\0a\x01\0b\x01\0a\x02\0ab|\x01\0a\x01\0a'))
    const add = (at: number, length: number, block: number) => table.add(bytes, at, length, block)
    t.same([add(2, 1, 0), add(5, 1, 0), add(8, 1, 0), add(11, 2, 0)], ['new', 'new', 'same block', 'new'])
    t.same([add(16, 1, 14), add(19, 1, 14)], ['other block', 'same block'])
    t.equal(table.add(bytes.slice(), 2, 1, 0), 'other block', 'other bytes')
  },
)

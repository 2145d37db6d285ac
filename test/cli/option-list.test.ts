import fc from 'fast-check'
import t from 'tap'
import { formatOptionList, parseOptionList } from '../../src/cli/option-list.js'

t.test('parseOptionList: nothing given -> the defaults', async (t) => {
  t.same(parseOptionList(''), {
    readOnly: false,
    dax: 'always',
    commitInterval: 5000,
    errors: undefined,
    barrier: true,
    noload: false,
  })
})

t.test('parseOptionList: each option -> its effect', async (t) => {
  t.match(parseOptionList('ro,noload,dax=never,commit=30,errors=panic,nobarrier'), {
    readOnly: true,
    noload: true,
    dax: 'never',
    commitInterval: 30_000,
    errors: 'panic',
    barrier: false,
  })
  t.match(parseOptionList('dax'), { dax: 'always' })
  t.match(parseOptionList('commit=0'), { commitInterval: 5000 })
})

t.test('parseOptionList: contradictions -> the later wins', async (t) => {
  t.match(parseOptionList('ro,rw,barrier=0,barrier'), { readOnly: false, barrier: true })
})

t.test('parseOptionList: unknown options -> refused, all of them named', async (t) => {
  t.throws(() => parseOptionList('ro,foo,bar=1'), { message: /unknown mount options: foo, bar=1/ })
  t.throws(() => parseOptionList('constructor'), { message: /unknown mount option: constructor/ })
})

t.test('parseOptionList: bad values -> refused', async (t) => {
  for (const text of ['dax=maybe', 'commit=', 'commit=-1', 'errors', 'barrier=2', 'ro=1', 'noload'])
    t.throws(() => parseOptionList(text), { code: 'commander.invalidArgument' }, text)
})

t.test('formatOptionList: any options -> parsed to the same', async (t) => {
  const options = fc.record({
    readOnly: fc.constant(true),
    noload: fc.boolean(),
    dax: fc.constantFrom('always', 'never', 'inode'),
    commitInterval: fc.integer({ min: 1, max: 999_999 }).map((seconds) => seconds * 1000),
    errors: fc.constantFrom(undefined, 'continue', 'remount-ro', 'panic'),
    barrier: fc.boolean(),
  })
  fc.assert(
    fc.property(options, (value) => {
      t.same(parseOptionList(formatOptionList(value)), value)
    }),
    { numRuns: 50 },
  )
})

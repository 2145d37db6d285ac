import t from 'tap'
import { formatSize, parseCount, parseSize } from '../../src/cli/size.js'

t.test('parseSize: numbers and units -> bytes', async (t) => {
  const cases: [string, number][] = [
    ['4096', 4096],
    ['1K', 1024],
    ['256M', 256 * 1024 ** 2],
    ['256MiB', 256 * 1024 ** 2],
    ['1.5g', 1.5 * 1024 ** 3],
    ['2T', 2 * 1024 ** 4],
  ]
  for (const [text, bytes] of cases) t.equal(parseSize(text), bytes, text)
})

t.test('parseSize: what is no size -> refused', async (t) => {
  for (const text of ['', '12Q', '-1', '0', 'M', '1.0001', '1e9', '99999999T'])
    t.throws(() => parseSize(text), { code: 'commander.invalidArgument' }, text)
})

t.test('formatSize: bytes -> the largest binary unit', async (t) => {
  t.equal(formatSize(0), '0 B')
  t.equal(formatSize(1023), '1023 B')
  t.equal(formatSize(4096), '4 KiB')
  t.equal(formatSize(1536), '1.5 KiB')
  t.equal(formatSize(256 * 1024 ** 2), '256 MiB')
  t.equal(formatSize(3 * 1024 ** 5), '3072 TiB')
})

t.test('parseCount: below the least, or no whole number -> refused', async (t) => {
  t.equal(parseCount(16)('16'), 16)
  for (const text of ['15', '1.5', '0x20', '', '-16']) t.throws(() => parseCount(16)(text), text)
})

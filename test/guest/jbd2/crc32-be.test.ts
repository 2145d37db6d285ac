import t from 'tap'
import { crc32be } from '../../../src/guest/jbd2/crc32-be.js'

t.test('crc32be: the check value of CRC-32/MPEG-2, whole and in parts', async (t) => {
  const digits = new TextEncoder().encode('123456789')
  t.equal(crc32be(0xffffffff, digits, 0, 9), 0x0376e6e7)
  t.equal(crc32be(crc32be(0xffffffff, digits, 0, 4), digits, 4, 9), 0x0376e6e7)
})

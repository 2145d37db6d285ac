import t from 'tap'
import { crc16 } from '../../lib/crc16.js'

t.test('crc16: 123456789 -> the check value of CRC-16/ARC', async (t) => {
  t.equal(crc16(0, Buffer.from('123456789')), 0xbb3d)
})

t.test('crc16: cut in two, and by range -> the same', async (t) => {
  const bytes = Buffer.from('..123456789..')
  t.equal(crc16(0, bytes, 2, 11), 0xbb3d)
  t.equal(crc16(crc16(0, bytes, 2, 5), bytes, 5, 11), 0xbb3d)
  t.equal(crc16(0xffff, bytes, 4, 4), 0xffff, 'an empty range changes nothing')
})

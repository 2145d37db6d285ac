import t from 'tap'
import { majorOf, minorOf, parseLockTable } from '../../src/host/lock-holder.js'

const TABLE = `1: FLOCK  ADVISORY  WRITE 4961 fe:00:2146362 0 EOF
1: -> FLOCK  ADVISORY  WRITE 5000 fe:00:2146362 0 EOF
2: POSIX  ADVISORY  WRITE 77 fe:00:2146362 0 EOF
3: FLOCK  ADVISORY  READ 31 08:11:2146362 0 EOF
4: FLOCK  ADVISORY  READ 32 08:11:99 0 EOF
5: FLOCK  ADVISORY  READ 0 fe:00:500 0 EOF
6: OFDLCK ADVISORY  WRITE -1 fe:00:2146362 0 EOF
`

t.test(
  'lock table: device and inode match -> the holder, not those that wait or lock otherwise',
  async (t) => {
    t.same(parseLockTable(TABLE, { dev: 0xfe00, ino: 2146362 }), [4961])
  },
)

t.test('lock table: only the inode matches -> its holders, as on stacked file systems', async (t) => {
  t.same(parseLockTable(TABLE, { dev: 0x31, ino: 2146362 }), [4961, 31])
})

t.test('lock table: no such file, or a holder in another pid namespace -> none', async (t) => {
  t.same(parseLockTable(TABLE, { dev: 0xfe00, ino: 1 }), [])
  t.same(parseLockTable(TABLE, { dev: 0xfe00, ino: 500 }), [])
  t.same(parseLockTable('', { dev: 0, ino: 0 }), [])
})

t.test('device number: minor beyond 8 bits -> taken from both its places', async (t) => {
  t.equal(majorOf(0x12345678), 0x456)
  t.equal(minorOf(0x12345678), 0x12378)
})

import t from 'tap'
import { entryWords, statfsWords, statWords } from '../../../src/fuse/native/stat-words.js'
import type { Attributes } from '../../../src/guest/vfs/attributes.js'

const ATTRIBUTES: Attributes = {
  ...{ ino: 0xffff_fffe, generation: 3, mode: 0o100644, nlink: 0, uid: 4_000_000_000, gid: 5, rdev: 0x1234 },
  ...{ size: 0x5_0000_0007, blocks: 0x2_0000_0001, blockSize: 4096 },
  atime: { sec: 5_000_000_000, nsec: 999_999_999 },
  mtime: { sec: -1, nsec: 5 },
  ctime: { sec: 1, nsec: 1_000_000 },
  btime: undefined,
}

t.test('struct stat: words in the order of fuse-native, 64-bit ones as low and high', async (t) => {
  const words = statWords(ATTRIBUTES)
  t.same([...words.slice(0, 3)], [0o100644, 4_000_000_000, 5])
  t.same([...words.slice(3, 5)], [7, 5], 'size')
  t.same([...words.slice(5, 10)], [0, 0, 0xffff_fffe, 0x1234, 4096], 'dev, nlink, ino, rdev, blksize')
  t.same([...words.slice(10, 12)], [1, 2], 'blocks')
  t.equal(words[12]! + words[13]! * 2 ** 32, 5_000_000_000_999, 'atime in milliseconds')
  t.same([...words.slice(14, 16)], [0, 0], 'before 1970: 1970')
  t.same([...words.slice(16)], [1001, 0])
})

t.test('struct stat of a directory entry: type and inode', async (t) => {
  const words = entryWords(12, 4)
  t.equal(words[0], 0o040000)
  t.equal(words[7], 12)
})

t.test('struct statvfs: counts past 32 bits -> larger blocks', async (t) => {
  const counts = { files: 10, filesFree: 9, nameMax: 255, blockSize: 4096 }
  const small = statfsWords({ ...counts, blocks: 100, blocksFree: 50, blocksAvailable: 40 })
  t.same([...small], [4096, 4096, 100, 50, 40, 10, 9, 9, 0, 0, 255])
  const large = statfsWords({ ...counts, blocks: 2 ** 34, blocksFree: 2 ** 33, blocksAvailable: 2 ** 32 })
  t.same([...large.slice(0, 5)], [32768, 32768, 2 ** 31, 2 ** 30, 2 ** 29])
})

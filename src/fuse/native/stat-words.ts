/** What fuse-native takes as struct stat and struct statvfs: words of 32 bits, each number of 64 as two of them. */
import type { Attributes, StatFs, Timespec } from '../../guest/vfs/attributes.js'

const STAT_WORDS = 18
const STATFS_WORDS = 11
const WORD = 0x1_0000_0000

/** Milliseconds, as fuse-native has times; those before 1970 are shown as 1970. */
function milliseconds({ sec, nsec }: Timespec): number {
  return Math.max(0, sec * 1000 + Math.floor(nsec / 1_000_000))
}

/** populate_stat() of fuse-native.c reads them in this order. */
export function statWords(attributes: Attributes): Uint32Array {
  const words = new Uint32Array(STAT_WORDS)
  let at = 0
  const word = (value: number): void => {
    words[at++] = value
  }
  const double = (value: number): void => {
    word(value % WORD)
    word(Math.floor(value / WORD))
  }
  word(attributes.mode)
  word(attributes.uid)
  word(attributes.gid)
  double(attributes.size)
  word(0)
  word(attributes.nlink)
  word(attributes.ino)
  word(attributes.rdev)
  word(attributes.blockSize)
  double(attributes.blocks)
  double(milliseconds(attributes.atime))
  double(milliseconds(attributes.mtime))
  double(milliseconds(attributes.ctime))
  return words
}

/** Only what a directory entry has: the inode and its type. */
export function entryWords(ino: number, type: number): Uint32Array {
  const words = new Uint32Array(STAT_WORDS)
  words[0] = type << 12
  words[7] = ino
  return words
}

/** populate_statvfs(). Counts past 32 bits are told in larger blocks. */
export function statfsWords(stat: StatFs): Uint32Array {
  let scale = 1
  while (stat.blocks / scale >= WORD) scale *= 2
  const blocks = [stat.blocks, stat.blocksFree, stat.blocksAvailable].map((count) =>
    Math.floor(count / scale),
  )
  const words = new Uint32Array(STATFS_WORDS)
  const size = stat.blockSize * scale
  words.set([size, size, ...blocks, stat.files, stat.filesFree, stat.filesFree, 0, 0, stat.nameMax])
  return words
}

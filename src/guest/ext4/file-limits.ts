import { MAX_LOGICAL_BLOCK } from './extent.js'

/** i_blocks without huge_file: 32 bits, in units of 512 bytes. Kernel docs: ext4, "Inode Table". */
export const MOST_SECTORS = 0xffff_ffff

/** Pointers in i_block that lead to data at once. */
const DIRECT = 12

/** Blocks that a map of indirect blocks can lead to. */
export function indirectLimit(blockSize: number): number {
  const count = blockSize / 4
  return Math.min(DIRECT + count + count ** 2 + count ** 3, MAX_LOGICAL_BLOCK + 1)
}

/** How many blocks a file can have, by the kind of its map. */
export interface FileLimits {
  readonly extents: number
  readonly indirect: number
}

/**
 * Without huge_file i_blocks is what limits a file. As in Linux, data without a hole, and where the map is one of
 * indirect blocks these too, have to find room in it; blocks of an extent tree are not thought of.
 */
export function fileLimits(blockSize: number, hasHugeFiles: boolean): FileLimits {
  const limits = { extents: MAX_LOGICAL_BLOCK + 1, indirect: indirectLimit(blockSize) }
  if (hasHugeFiles) return limits
  const most = Math.floor(MOST_SECTORS / (blockSize / 512))
  const indirect = Math.min(limits.indirect, most)
  return {
    extents: Math.min(limits.extents, most),
    indirect:
      indirect + blocksOfMap(blockSize, indirect) > most ? most - blocksOfMap(blockSize, most) : indirect,
  }
}

/** Indirect blocks of a file of `blocks` blocks without a hole, by which Linux too reckons: rounded up at each level. */
function blocksOfMap(blockSize: number, blocks: number): number {
  const count = blockSize / 4
  const beyond = blocks - DIRECT - count
  if (beyond < count ** 2) return 2 + Math.ceil(beyond / count)
  const third = beyond - count ** 2
  return 2 + count + (third <= 0 ? 0 : 1 + Math.ceil(third / count) + Math.ceil(third / count ** 2))
}

import { FsError } from '../../../../lib/errno.js'

/** How a new file system divides its device. Kernel docs: ext4, "Layout" and "Block Groups". */
export interface Geometry {
  /** Bytes. */
  readonly blockSize: number
  /** Blocks; fewer than the device has when a last group too small to be useful was left out. */
  readonly blocksCount: number
  /** 1 with blocks of 1 KiB (the boot block stands alone), else 0. */
  readonly firstDataBlock: number
  readonly blocksPerGroup: number
  readonly groupCount: number
  /** Blocks of one copy of the descriptor table. */
  readonly descBlocks: number
  /** Blocks kept behind each copy of the descriptor table for growth. */
  readonly reservedGdtBlocks: number
  readonly inodesPerGroup: number
  readonly inodesCount: number
  /** Blocks of one group's inode table. */
  readonly inodeTableBlocks: number
}

/** Bytes of a group descriptor with the 64bit feature. */
export const DESC_SIZE = 64
export const INODE_SIZE = 256
/** Groups whose bitmaps and inode tables stand together: 2^4. */
export const LOG_GROUPS_PER_FLEX = 4
export const GROUPS_PER_FLEX = 1 << LOG_GROUPS_PER_FLEX
/** With 32-bit block numbers the resize inode can map every reserved block. */
export const MAX_BLOCKS = 0xffffffff
const MAX_INODES = 0xffffffff
/** A last group with less room than this for files is left out, as mke2fs does. */
const LEAST_USEFUL_BLOCKS = 50
/** Inodes 1 to 10 are reserved, 11 is lost+found, 12 the orphan file. */
const LEAST_INODES = 12
/** Descriptor blocks are reserved for a file system that grows to this many times its size. */
const GROWTH = 1024

const MIB = 2 ** 20
const TIB = 2 ** 40

/** Bytes of the device for each inode, by the size of the device: the usage types of mke2fs.conf. */
export function inodeRatio(bytes: number): number {
  if (bytes < 3 * MIB) return 8192
  if (bytes < 512 * MIB) return 4096
  if (bytes < 4 * TIB) return 16384
  return bytes < 16 * TIB ? 32768 : 65536
}

/** Whether `group` begins with a copy of the superblock (sparse_super): 0, 1 and the powers of 3, 5 and 7. */
export function hasSuperblock(group: number): boolean {
  if (group <= 1) return true
  return [3, 5, 7].some((base) => {
    let power = base
    while (power < group) power *= base
    return power === group
  })
}

/** Blocks at the start of `group` that hold the superblock, the descriptors and what is reserved behind them. */
export function superblockZone(geometry: Geometry, group: number): number {
  return hasSuperblock(group) ? 1 + geometry.descBlocks + geometry.reservedGdtBlocks : 0
}

export function firstBlockOfGroup(geometry: Geometry, group: number): number {
  return geometry.firstDataBlock + group * geometry.blocksPerGroup
}

export function blocksInGroup(geometry: Geometry, group: number): number {
  return Math.min(geometry.blocksPerGroup, geometry.blocksCount - firstBlockOfGroup(geometry, group))
}

/**
 * The geometry for a device of `deviceBlocks` blocks. `inodes` is a wish: the tables are filled up to whole blocks.
 * Undefined when one group does not hold its own metadata. Throws FsError EINVAL on too many inodes, EFBIG past
 * {@link MAX_BLOCKS}.
 */
export function planGeometry(
  deviceBlocks: number,
  options: { blockSize: number; inodes?: number | undefined },
): Geometry | undefined {
  if (deviceBlocks > MAX_BLOCKS) throw new FsError('EFBIG', `${deviceBlocks} blocks, at most ${MAX_BLOCKS}`)
  const bytes = deviceBlocks * options.blockSize
  const wanted = options.inodes ?? Math.floor(bytes / Math.max(inodeRatio(bytes), options.blockSize))
  let blocks = deviceBlocks
  for (;;) {
    const geometry = divide(
      blocks,
      options.blockSize,
      Math.max(wanted, LEAST_INODES),
      options.inodes !== undefined,
    )
    const last = geometry.groupCount - 1
    if (last < 0) return undefined
    const overhead = superblockZone(geometry, last) + 2 + geometry.inodeTableBlocks
    const room = blocksInGroup(geometry, last)
    if (last === 0) return room < overhead ? undefined : geometry
    if (room === geometry.blocksPerGroup || room >= overhead + LEAST_USEFUL_BLOCKS) return geometry
    blocks -= room
  }
}

/** `exact`: with fewer inodes than wanted the caller is not served. */
function divide(blocksCount: number, blockSize: number, wantedInodes: number, exact: boolean): Geometry {
  const firstDataBlock = blockSize === 1024 ? 1 : 0
  const blocksPerGroup = blockSize * 8
  const groupCount = Math.ceil((blocksCount - firstDataBlock) / blocksPerGroup)
  const descPerBlock = blockSize / DESC_SIZE
  const descBlocks = Math.ceil(groupCount / descPerBlock)
  const mostBlocks = Math.min(blocksCount * GROWTH, MAX_BLOCKS)
  const mostGroups = Math.ceil((mostBlocks - firstDataBlock) / blocksPerGroup)
  const reservedGdtBlocks = Math.min(Math.ceil(mostGroups / descPerBlock) - descBlocks, blockSize / 4)
  const mostInodes = blockSize * 8
  const fittingInodes = wholeTable(Math.ceil(wantedInodes / Math.max(groupCount, 1)), blockSize)
  const inodesPerGroup = exact ? fittingInodes : Math.min(fittingInodes, mostInodes)
  if (inodesPerGroup > mostInodes || inodesPerGroup * groupCount > MAX_INODES) {
    const most = Math.min(mostInodes * groupCount, MAX_INODES)
    throw new FsError(
      'EINVAL',
      `too many inodes: ${wantedInodes}, at most ${most} on ${blocksCount} blocks of ${blockSize} bytes`,
    )
  }
  return {
    blockSize,
    blocksCount,
    firstDataBlock,
    blocksPerGroup,
    groupCount,
    descBlocks,
    reservedGdtBlocks: Math.max(reservedGdtBlocks, 0),
    inodesPerGroup,
    inodesCount: inodesPerGroup * groupCount,
    inodeTableBlocks: (inodesPerGroup * INODE_SIZE) / blockSize,
  }
}

/** Rounds up to whole blocks of the table and whole bytes of the bitmap. */
function wholeTable(inodes: number, blockSize: number): number {
  const step = Math.max(blockSize / INODE_SIZE, 8)
  return Math.ceil(inodes / step) * step
}

import { crc16 } from '../../../lib/crc16.js'
import { crc32c, crc32cWord, crc32cZeroes } from '../../../lib/crc32c.js'
import { GroupDesc } from './group-descriptor.js'
import { GOOD_OLD_INODE_SIZE, RawInode } from './raw-inode.js'
import { SuperBlock } from './superblock.js'

/** Checksums of metadata. Kernel docs: ext4, "Checksums". `at` is where the structure begins in `bytes`. */

export function superblockChecksum(bytes: Uint8Array, at: number): number {
  return crc32c(0xffffffff, bytes, at, at + SuperBlock.s_checksum.offset)
}

/** Seed of all other checksums when metadata_csum_seed is off. */
export function uuidSeed(uuid: Uint8Array): number {
  return crc32c(0xffffffff, uuid)
}

/** Checksum seed of what belongs to one inode. */
export function inodeSeed(seed: number, ino: number, generation: number): number {
  return crc32cWord(crc32cWord(seed, ino), generation)
}

/** All 32 bits; an inode of 128 bytes stores the low 16. */
export function inodeChecksum(inoSeed: number, bytes: Uint8Array, at: number, inodeSize: number): number {
  const low = at + RawInode.l_i_checksum_lo.offset
  let crc = crc32c(inoSeed, bytes, at, low)
  crc = crc32cZeroes(crc, 2)
  if (inodeSize <= GOOD_OLD_INODE_SIZE) return crc32c(crc, bytes, low + 2, at + GOOD_OLD_INODE_SIZE)
  const high = at + RawInode.i_checksum_hi.offset
  if (!hasHighChecksum(bytes, at, inodeSize)) return crc32c(crc, bytes, low + 2, at + inodeSize)
  crc = crc32c(crc, bytes, low + 2, high)
  crc = crc32cZeroes(crc, 2)
  return crc32c(crc, bytes, high + 2, at + inodeSize)
}

/** Whether i_extra_isize reaches past i_checksum_hi. */
export function hasHighChecksum(bytes: Uint8Array, at: number, inodeSize: number): boolean {
  if (inodeSize <= GOOD_OLD_INODE_SIZE) return false
  const extra = at + RawInode.i_extra_isize.offset
  return bytes[extra]! + bytes[extra + 1]! * 256 >= 4
}

/** bg_checksum with metadata_csum. */
export function groupDescChecksum(
  seed: number,
  group: number,
  bytes: Uint8Array,
  at: number,
  descSize: number,
): number {
  const field = at + GroupDesc.bg_checksum.offset
  let crc = crc32c(crc32cWord(seed, group), bytes, at, field)
  crc = crc32cZeroes(crc, 2)
  return crc32c(crc, bytes, field + 2, at + descSize) & 0xffff
}

/** bg_checksum with uninit_bg and no metadata_csum. */
export function groupDescCrc16(
  uuid: Uint8Array,
  group: number,
  bytes: Uint8Array,
  at: number,
  descSize: number,
): number {
  const number = new Uint8Array([group, group >>> 8, group >>> 16, group >>> 24])
  const field = at + GroupDesc.bg_checksum.offset
  let crc = crc16(crc16(0xffff, uuid), number)
  crc = crc16(crc, bytes, at, field)
  if (descSize > GroupDesc.bg_checksum.offset + 2) crc = crc16(crc, bytes, field + 2, at + descSize)
  return crc
}

/** Of a block or inode bitmap: `bits` bits from `at`. */
export function bitmapChecksum(seed: number, bytes: Uint8Array, at: number, bits: number): number {
  return crc32c(seed, bytes, at, at + (bits >>> 3))
}

/** Of an extent tree block whose tail begins `tail` bytes in. */
export function extentBlockChecksum(inoSeed: number, bytes: Uint8Array, at: number, tail: number): number {
  return crc32c(inoSeed, bytes, at, at + tail)
}

/** Of a linear directory block: all before the 12 bytes of its tail. */
export function dirLeafChecksum(inoSeed: number, bytes: Uint8Array, at: number, blockSize: number): number {
  return crc32c(inoSeed, bytes, at, at + blockSize - 12)
}

/**
 * Of an htree block: its head and `count` entries, then the tail (dt_reserved and a zero in place of dt_checksum)
 * that stands behind `limit` entries. `countOffset` is where the count and limit stand.
 */
export function dirIndexChecksum(
  inoSeed: number,
  bytes: Uint8Array,
  at: number,
  where: { countOffset: number; count: number; limit: number },
): number {
  const crc = crc32c(inoSeed, bytes, at, at + where.countOffset + where.count * 8)
  const tail = at + where.countOffset + where.limit * 8
  return crc32cZeroes(crc32c(crc, bytes, tail, tail + 4), 4)
}

/** Of an orphan file block at physical `block`: its block number and its inode numbers. */
export function orphanBlockChecksum(
  inoSeed: number,
  block: number,
  bytes: Uint8Array,
  at: number,
  tail: number,
): number {
  const crc = crc32cWord(crc32cWord(inoSeed, block >>> 0), Math.floor(block / 0x1_0000_0000))
  return crc32c(crc, bytes, at, at + tail)
}

/** Of an extended attribute block at physical `block`; h_checksum (bytes 16..20) counts as zero. */
export function xattrBlockChecksum(
  seed: number,
  block: number,
  bytes: Uint8Array,
  at: number,
  blockSize: number,
): number {
  let crc = crc32cWord(crc32cWord(seed, block >>> 0), Math.floor(block / 0x1_0000_0000))
  crc = crc32cZeroes(crc32c(crc, bytes, at, at + 16), 4)
  return crc32c(crc, bytes, at + 20, at + blockSize)
}

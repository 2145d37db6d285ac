import { crc32c, crc32cWord } from '../../../lib/crc32c.js'
import { be16, be32, layout } from '../../../lib/layout.js'
import type { LogFormat } from './log-format.js'

/** The log copy's first four bytes were the magic number and are stored as zeroes. */
export const TAG_ESCAPE = 1
/** No UUID follows this tag. */
export const TAG_SAME_UUID = 2
export const TAG_LAST = 8

/** struct journal_block_tag3_s, with CSUM_V3. */
export const BlockTag3 = layout('journal_block_tag3_s', 16, {
  t_blocknr: be32(0x0),
  t_flags: be32(0x4),
  t_blocknr_high: be32(0x8),
  t_checksum: be32(0xc),
})

/** struct journal_block_tag_s; t_blocknr_high is there with 64BIT only. CSUM_V2 adds two bytes of nothing. */
export const BlockTag = layout('journal_block_tag_s', 12, {
  t_blocknr: be32(0x0),
  t_checksum: be16(0x4),
  t_flags: be16(0x6),
  t_blocknr_high: be32(0x8),
})

/** Bytes of a tag without the UUID behind it. */
export function tagBytes(format: LogFormat): number {
  if (format.checksumVersion === 3) return BlockTag3.SIZE
  return (format.wide ? 12 : 8) + (format.checksumVersion === 2 ? 2 : 0)
}

/** The checksum of a log copy as stored in its tag: over the sequence number and the (escaped) copy. */
export function tagChecksum(
  format: LogFormat,
  tid: number,
  bytes: Uint8Array,
  at: number,
  escaped: boolean,
): number {
  if (format.checksumVersion < 2) return 0
  let crc = crc32cWord(format.seed, swap32(tid))
  // An escaped copy begins with four zeroes, whatever the block that it was made from has there.
  if (escaped) crc = crc32cWord(crc, 0)
  crc = crc32c(crc, bytes, escaped ? at + 4 : at, at + format.blockSize)
  return format.checksumVersion === 3 ? crc : crc & 0xffff
}

function swap32(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)
}

export function writeTag(
  format: LogFormat,
  view: DataView,
  at: number,
  block: number,
  flags: number,
  checksum: number,
): void {
  const high = Math.floor(block / 0x1_0000_0000)
  if (high !== 0 && !format.wide) throw new RangeError(`block ${block} in a journal of 32-bit block numbers`)
  if (format.checksumVersion === 3) {
    BlockTag3.t_blocknr.set(view, at, block >>> 0)
    BlockTag3.t_flags.set(view, at, flags)
    BlockTag3.t_blocknr_high.set(view, at, high)
    BlockTag3.t_checksum.set(view, at, checksum)
    return
  }
  BlockTag.t_blocknr.set(view, at, block >>> 0)
  BlockTag.t_checksum.set(view, at, checksum)
  BlockTag.t_flags.set(view, at, flags)
  if (format.wide) BlockTag.t_blocknr_high.set(view, at, high)
}

export function tagBlock(format: LogFormat, view: DataView, at: number): number {
  const tag = format.checksumVersion === 3 ? BlockTag3 : BlockTag
  const high = format.wide ? tag.t_blocknr_high.get(view, at) : 0
  return high * 0x1_0000_0000 + tag.t_blocknr.get(view, at)
}

export function tagFlags(format: LogFormat, view: DataView, at: number): number {
  return format.checksumVersion === 3 ? BlockTag3.t_flags.get(view, at) : BlockTag.t_flags.get(view, at)
}

export function storedTagChecksum(format: LogFormat, view: DataView, at: number): number {
  if (format.checksumVersion < 2) return 0
  return format.checksumVersion === 3 ? BlockTag3.t_checksum.get(view, at) : BlockTag.t_checksum.get(view, at)
}

/** Sets the flag on a tag that is written already. */
export function markLastTag(format: LogFormat, view: DataView, at: number): void {
  const flags = tagFlags(format, view, at) | TAG_LAST
  if (format.checksumVersion === 3) BlockTag3.t_flags.set(view, at, flags)
  else BlockTag.t_flags.set(view, at, flags)
}

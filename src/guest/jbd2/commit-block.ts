import { be32, be64, layout, u8 } from '../../../lib/layout.js'
import { COMMIT_BLOCK, writeBlockHeader } from './block-header.js'
import { blockChecksum, type LogFormat } from './log-format.js'

/** struct commit_header, behind its journal_header_s. */
export const CommitHeader = layout('commit_header', 60, {
  h_chksum_type: u8(0xc),
  h_chksum_size: u8(0xd),
  /** The first of eight words; the others stay zero. */
  h_chksum: be32(0x10),
  h_commit_sec: be64(0x30),
  h_commit_nsec: be32(0x38),
})

/** h_chksum_type of a version 1 journal, and its h_chksum_size in bytes. */
const CRC32_CHKSUM = 1
const CRC32_CHKSUM_SIZE = 4

/** Makes `bytes` (one block) the commit block of `tid`. `ms`: milliseconds since 1970. */
export function writeCommitBlock(
  format: LogFormat,
  bytes: Uint8Array,
  view: DataView,
  tid: number,
  ms: number,
): void {
  bytes.fill(0)
  writeBlockHeader(view, 0, COMMIT_BLOCK, tid)
  const seconds = Math.floor(ms / 1000)
  CommitHeader.h_commit_sec.set(view, 0, seconds)
  CommitHeader.h_commit_nsec.set(view, 0, Math.floor((ms - seconds * 1000) * 1e6))
  if (format.checksumVersion >= 2) {
    CommitHeader.h_chksum.set(view, 0, blockChecksum(format, bytes, 0, CommitHeader.h_chksum.offset))
  }
}

/**
 * Whether the checksum of the commit block at `at` is right; true where the format has none. `crc32` is that of
 * the transaction's descriptor blocks and log copies, which only version 1 looks at.
 */
export function commitIsValid(
  format: LogFormat,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  crc32: number,
): boolean {
  const found = CommitHeader.h_chksum.get(view, at)
  if (format.checksumVersion >= 2)
    return found === blockChecksum(format, bytes, at, CommitHeader.h_chksum.offset)
  if (format.checksumVersion === 0) return true
  const type = CommitHeader.h_chksum_type.get(view, at)
  const size = CommitHeader.h_chksum_size.get(view, at)
  if (type === 0 && size === 0 && found === 0) return true
  return type === CRC32_CHKSUM && size === CRC32_CHKSUM_SIZE && found === crc32
}

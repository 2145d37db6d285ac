import { crc32c } from '../../../lib/crc32c.js'
import {
  COMPAT_CHECKSUM,
  INCOMPAT_64BIT,
  INCOMPAT_ASYNC_COMMIT,
  INCOMPAT_CSUM_V2,
  INCOMPAT_CSUM_V3,
  type JournalFeatures,
} from './journal-feature.js'

/** How the blocks of a log are written, as its superblock's features say. */
export interface LogFormat {
  /** Bytes. */
  readonly blockSize: number
  /** Block numbers have 64 bits. */
  readonly wide: boolean
  /** 0 none, 1 CRC-32 in the commit block, 2 and 3 CRC-32C in every block (2: 16 bits of it in a tag). */
  readonly checksumVersion: 0 | 1 | 2 | 3
  readonly asyncCommit: boolean
  /** s_uuid: follows the first tag of a descriptor block. */
  readonly uuid: Uint8Array
  /** Where the CRC-32C of each block starts: that of the journal's UUID. */
  readonly seed: number
  /** Bytes at the end of descriptor and revoke blocks that hold their checksum. */
  readonly tailBytes: 0 | 4
}

export function logFormat(blockSize: number, features: JournalFeatures, uuid: Uint8Array): LogFormat {
  const checksumVersion = checksumVersionOf(features)
  return {
    blockSize,
    wide: (features.incompat & INCOMPAT_64BIT) !== 0,
    checksumVersion,
    asyncCommit: (features.incompat & INCOMPAT_ASYNC_COMMIT) !== 0,
    uuid,
    seed: crc32c(0xffffffff, uuid),
    tailBytes: checksumVersion >= 2 ? 4 : 0,
  }
}

function checksumVersionOf(features: JournalFeatures): 0 | 1 | 2 | 3 {
  if ((features.incompat & INCOMPAT_CSUM_V3) !== 0) return 3
  if ((features.incompat & INCOMPAT_CSUM_V2) !== 0) return 2
  return (features.compat & COMPAT_CHECKSUM) !== 0 ? 1 : 0
}

/** CRC-32C of the block with the four bytes at `field` taken as zero. */
export function blockChecksum(format: LogFormat, bytes: Uint8Array, at: number, field: number): number {
  const before = crc32c(format.seed, bytes, at, at + field)
  return crc32c(crc32c(before, FOUR_ZEROES), bytes, at + field + 4, at + format.blockSize)
}

const FOUR_ZEROES = new Uint8Array(4)

/** Whether the checksum at the end of a descriptor or revoke block is right; true where the format has none. */
export function tailIsValid(format: LogFormat, bytes: Uint8Array, view: DataView, at: number): boolean {
  if (format.tailBytes === 0) return true
  const field = format.blockSize - 4
  return view.getUint32(at + field) === blockChecksum(format, bytes, at, field)
}

export function setTail(format: LogFormat, bytes: Uint8Array, view: DataView, at: number): void {
  if (format.tailBytes === 0) return
  const field = format.blockSize - 4
  view.setUint32(at + field, blockChecksum(format, bytes, at, field))
}

import { UnsupportedError } from '../../../lib/errno.js'

/** s_feature_compat: the commit block carries a CRC-32 of the whole transaction (checksum version 1). */
export const COMPAT_CHECKSUM = 0x1

export const INCOMPAT_REVOKE = 0x1
export const INCOMPAT_64BIT = 0x2
/** Commit blocks may have become durable before the blocks they commit. */
export const INCOMPAT_ASYNC_COMMIT = 0x4
export const INCOMPAT_CSUM_V2 = 0x8
export const INCOMPAT_CSUM_V3 = 0x10
export const INCOMPAT_FAST_COMMIT = 0x20

const KNOWN_INCOMPAT =
  INCOMPAT_REVOKE |
  INCOMPAT_64BIT |
  INCOMPAT_ASYNC_COMMIT |
  INCOMPAT_CSUM_V2 |
  INCOMPAT_CSUM_V3 |
  INCOMPAT_FAST_COMMIT

/** The three feature words of a journal superblock. */
export interface JournalFeatures {
  compat: number
  incompat: number
  roCompat: number
}

/** Unknown compat bits are harmless by definition; any other is refused. Kernel docs: ext4, "Journal (jbd2)". */
export function checkJournalFeatures(features: JournalFeatures): void {
  const refused = [
    ...unknownBits('journal_incompat', features.incompat & ~KNOWN_INCOMPAT),
    ...unknownBits('journal_ro_compat', features.roCompat),
  ]
  if (refused.length > 0) throw new UnsupportedError('journal features not supported', refused)
}

function unknownBits(set: string, bits: number): string[] {
  const names: string[] = []
  for (let bit = 0; bit < 32; bit++) {
    if ((bits & (1 << bit)) !== 0) names.push(`${set} 0x${((1 << bit) >>> 0).toString(16)}`)
  }
  return names
}

/**
 * What a journal is written with, as Linux does: the file system decides on checksums (version 3) and 64-bit block
 * numbers, revoke records are always allowed.
 */
export function featuresToWrite(found: JournalFeatures, checksum: boolean, wide: boolean): JournalFeatures {
  const decided = INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3 | INCOMPAT_64BIT | INCOMPAT_ASYNC_COMMIT
  const chosen = INCOMPAT_REVOKE | (checksum ? INCOMPAT_CSUM_V3 : 0) | (wide ? INCOMPAT_64BIT : 0)
  return {
    compat: found.compat & ~COMPAT_CHECKSUM,
    incompat: (found.incompat & ~decided) | chosen,
    roCompat: found.roCompat,
  }
}

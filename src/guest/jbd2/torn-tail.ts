import { CorruptError } from '../../../lib/errno.js'
import type { BufferCache } from '../block/buffer-cache.js'
import { BlockHeader, COMMIT_BLOCK, JBD2_MAGIC_NUMBER } from './block-header.js'
import { commitIsValid } from './commit-block.js'
import type { JournalMap } from './journal-map.js'
import type { JournalSuperblock } from './journal-superblock.js'
import { type LogFormat, logFormat } from './log-format.js'
import { LogScan } from './log-scan.js'
import { nextTid, tidGeq, tidGt } from './tid.js'

/**
 * Whether a journal superblock with a wrong checksum is a torn one whose tail may be used as it is.
 *
 * s_sequence and s_start are one aligned unit of 8 bytes, so that a tear leaves those of the old superblock or of the
 * new; and while the new one is not durable both are right. All other fields are known beforehand, or the same in both,
 * or count for an empty log only. So what has to be told from a tear is damage: a tail that would lose a transaction.
 * No committed one may lie in the log that is not found from this tail on; and nobody expects one that is newer than the
 * next but one. `uuid`: of the file system; the log may be another's where no transaction shows that it is not.
 */
export function isHarmlessTear(
  cache: BufferCache,
  map: JournalMap,
  superblock: JournalSuperblock,
  uuid: Uint8Array,
): boolean {
  const { first, end, start, sequence, features } = superblock
  const format = logFormat(cache.blockSize, features, superblock.uuid)
  if (format.asyncCommit || superblock.fastCommitStart !== undefined) return false
  try {
    const found =
      start === 0 ? sequence : new LogScan({ cache, map, format, first, end, start, sequence }).endTid
    const newest = newestCommit(cache, map, format, first, end)
    if (newest === undefined) return Buffer.compare(uuid, superblock.uuid) === 0
    return !tidGeq(newest, found) && !tidGt(sequence, nextTid(nextTid(newest)))
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    return false
  }
}

/** The latest transaction of which a good commit block lies anywhere in the ring. */
function newestCommit(
  { device, blockSize }: BufferCache,
  map: JournalMap,
  format: LogFormat,
  first: number,
  end: number,
): number | undefined {
  let newest: number | undefined
  for (let logical = first; logical < end; logical++) {
    const { bytes, view, at } = device.directAccess(map.physical(logical) * blockSize)
    if (BlockHeader.h_magic.get(view, at) !== JBD2_MAGIC_NUMBER) continue
    if (BlockHeader.h_blocktype.get(view, at) !== COMMIT_BLOCK) continue
    if (!commitIsValid(format, bytes, view, at, 0)) continue
    const tid = BlockHeader.h_sequence.get(view, at)
    if (newest === undefined || tidGt(tid, newest)) newest = tid
  }
  return newest
}

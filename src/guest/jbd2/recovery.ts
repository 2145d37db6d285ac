import type { BufferCache } from '../block/buffer-cache.js'
import { JBD2_MAGIC_NUMBER } from './block-header.js'
import type { JournalMap } from './journal-map.js'
import type { JournalSuperblock } from './journal-superblock.js'
import { logFormat } from './log-format.js'
import { type LoggedBlock, LogScan } from './log-scan.js'
import { nextTid, tidGeq } from './tid.js'

/** What {@link replay} found and did. */
export interface RecoveryReport {
  /** Committed transactions found. */
  transactions: number
  /** The first transaction looked for, and the first that was not found committed. */
  firstTid: number
  endTid: number
  /** Blocks written home, each once. */
  blocksReplayed: number
  /** Log copies left alone because their block was freed later. */
  blocksRevoked: number
  revokeRecords: number
  /** Why the scan ended. */
  stop: string
}

/**
 * Copies home what the log holds: the latest committed copy of each block, unless the block was revoked by that
 * transaction or a later one. Nothing is written before the whole log is read and found good. Making it durable
 * and resetting the log is the caller's.
 *
 * Throws CorruptError when a committed transaction has a wrong checksum.
 */
export function replay(cache: BufferCache, map: JournalMap, superblock: JournalSuperblock): RecoveryReport {
  if (superblock.start === 0) return nothingToReplay(superblock.sequence)
  const scan = scanLog(cache, map, superblock)
  const { latest, blocksRevoked } = latestCopies(scan)
  for (const logged of latest.values()) copyHome(cache, logged)
  return {
    transactions: scan.transactions,
    firstTid: superblock.sequence,
    endTid: scan.endTid,
    blocksReplayed: latest.size,
    blocksRevoked,
    revokeRecords: scan.revokeRecords,
    stop: scan.stop,
  }
}

/** A torn superblock may have a log that is empty. The number after the next may stand in blocks of the log already. */
function nothingToReplay(sequence: number): RecoveryReport {
  return {
    transactions: 0,
    firstTid: sequence,
    endTid: nextTid(sequence),
    blocksReplayed: 0,
    blocksRevoked: 0,
    revokeRecords: 0,
    stop: 'the log is empty',
  }
}

/** What {@link replay} would copy to block `home`; undefined when the log has nothing for it. Reads only; throws alike. */
export function findCommitted(
  cache: BufferCache,
  map: JournalMap,
  superblock: JournalSuperblock,
  home: number,
): Uint8Array | undefined {
  if (superblock.start === 0) return undefined
  const logged = latestCopies(scanLog(cache, map, superblock)).latest.get(home)
  if (logged === undefined) return undefined
  const { bytes, at } = cache.device.directAccess(logged.copy * cache.blockSize)
  const copy = bytes.slice(at, at + cache.blockSize)
  if (logged.escaped) copy.set(magicBytes())
  return copy
}

function scanLog(cache: BufferCache, map: JournalMap, superblock: JournalSuperblock): LogScan {
  const format = logFormat(cache.blockSize, superblock.features, superblock.uuid)
  const { first, end, start, sequence } = superblock
  return new LogScan({ cache, map, format, first, end, start, sequence })
}

function latestCopies(scan: LogScan): { latest: Map<number, LoggedBlock>; blocksRevoked: number } {
  const latest = new Map<number, LoggedBlock>()
  let blocksRevoked = 0
  for (const logged of scan.blocks) {
    const revoked = scan.revokes.get(logged.home)
    if (revoked !== undefined && tidGeq(revoked, logged.tid)) blocksRevoked++
    else latest.set(logged.home, logged)
  }
  return { latest, blocksRevoked }
}

function copyHome(cache: BufferCache, logged: LoggedBlock): void {
  const { device, blockSize } = cache
  device.copy(logged.home * blockSize, logged.copy * blockSize, blockSize)
  if (logged.escaped) device.write(logged.home * blockSize, magicBytes())
  cache.get(logged.home).verified = false
}

function magicBytes(): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, JBD2_MAGIC_NUMBER)
  return bytes
}

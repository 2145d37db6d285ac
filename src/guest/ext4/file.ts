import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import type { DataRun } from '../vfs/file-system.js'
import { MAX_UNWRITTEN_LENGTH } from './extent.js'
import { markWritten } from './extent-tree.js'
import { findMapping, insertMapping, mostBlocks } from './file-map.js'
import { takeBlocks } from './file-space.js'
import { hasInlineData, isInline } from './inline-data.js'
import { convertInlineFile, fitsInline, readInlineFile, writeInlineFile } from './inline-file.js'
import type { Inode } from './inode.js'
import { touchWritten } from './timestamps.js'
import type { Volume } from './volume.js'

/** Metadata blocks that one run of a write may touch. */
const RUN_CREDITS = 24

/** Largest size of a file mapped by extents, which is that of any. Bytes. */
export function maxFileSize({ blockSize, fileLimits }: Volume): number {
  return fileLimits.extents * blockSize
}

/** The memory of [offset, offset + length), cut at the end of the file. Nothing is copied but what is inline. */
export function readFile(inode: Inode, offset: number, length: number): DataRun[] {
  if (isInline(inode)) return readInlineFile(inode, offset, length)
  const { blockSize, device } = inode.volume
  const end = Math.min(offset + length, inode.size)
  const runs: DataRun[] = []
  for (let at = offset; at < end; ) {
    const logical = Math.floor(at / blockSize)
    const mapping = findMapping(inode, logical)
    const skip = at - logical * blockSize
    let part = Math.min(mapping.length * blockSize - skip, end - at)
    if (mapping.physical === 0 || mapping.unwritten) {
      runs.push({ bytes: undefined, at: 0, length: part, address: 0 })
    } else {
      const access = device.directAccess(mapping.physical * blockSize + skip)
      part = Math.min(part, access.bytes.length - access.at)
      runs.push({ bytes: access.bytes, at: access.at, length: part, address: access.address })
    }
    at += part
  }
  return runs
}

export interface WriteRequest {
  offset: number
  source: Uint8Array
  from: number
  to: number
  /** The times come by setattr: this is a write-back of the page cache. */
  keepTimes: boolean
}

/**
 * Stores straight into pmem, allocating as needed. A run's blocks, its bytes and the size that covers them belong
 * to one transaction. Returns the bytes stored: fewer than asked when the transaction is full or the disk is;
 * throws ENOSPC or EDQUOT when not one byte found room.
 */
export function writeFile(journal: Journal, inode: Inode, request: WriteRequest): number {
  const { blockSize } = inode.volume
  const limit = mostBlocks(inode) * blockSize
  if (request.offset >= limit) throw new FsError('EFBIG', `offset ${request.offset}, limit ${limit}`)
  const length = Math.min(request.to - request.from, limit - request.offset)
  if (hasInlineData(inode.volume) && writeInline(journal, inode, request, length)) return length
  zeroBehindEnd(inode, request.offset)
  let done = 0
  while (done < length) {
    if (done > 0 && journal.room < RUN_CREDITS) break
    const handle = journal.start()
    try {
      done += writeRun(handle, inode, request, done, length - done)
      handle.stop()
    } catch (error) {
      handle.revert()
      if (done > 0 && error instanceof FsError && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) break
      throw error
    }
  }
  return done
}

/** A write to a file whose content stands, or is to stand, in the inode. Returns false when it belongs to blocks now. */
function writeInline(journal: Journal, inode: Inode, request: WriteRequest, length: number): boolean {
  const { offset, source, from, keepTimes } = request
  const fits = fitsInline(inode, offset + length)
  if (!fits && !isInline(inode)) return false
  const handle = journal.start()
  try {
    if (fits) {
      writeInlineFile(handle, inode, offset, source, from, from + length)
      if (!keepTimes) touchWritten(handle, inode)
    } else {
      convertInlineFile(handle, inode)
    }
    handle.stop()
    return fits
  } catch (error) {
    handle.revert()
    throw error
  }
}

/** Stores into the run of blocks at `request.offset + done` that are mapped alike. Returns how many bytes. */
function writeRun(handle: Handle, inode: Inode, request: WriteRequest, done: number, left: number): number {
  const { volume } = inode
  const { blockSize, device } = volume
  const offset = request.offset + done
  const logical = Math.floor(offset / blockSize)
  const skip = offset - logical * blockSize
  const wanted = Math.ceil((skip + left) / blockSize)
  const found = findMapping(inode, logical)
  const mapping = found.physical === 0 ? takeBlocks(handle, inode, found, wanted) : found
  const blocks = Math.min(mapping.length, wanted)
  const part = Math.min(blocks * blockSize - skip, left)
  const target = mapping.physical * blockSize
  const isNew = found.physical === 0 || mapping.unwritten
  if (isNew) {
    if (skip > 0) device.zero(target, skip)
    const behind = blocks * blockSize - skip - part
    if (behind > 0) device.zero(target + skip + part, behind)
  }
  const from = request.from + done
  if (isNew && device.writeNew !== undefined)
    device.writeNew(target + skip, request.source, from, from + part)
  else device.write(target + skip, request.source, from, from + part)
  inode.dataSequence = device.storeSequence
  if (found.physical === 0) {
    insertMapping(handle, inode, { ...mapping, length: blocks })
  } else if (mapping.unwritten) {
    markWritten(handle, inode, logical, blocks)
    inode.modifyData(handle)
  }
  if (offset + part > inode.size) {
    inode.modifyData(handle)
    inode.size = offset + part
  }
  if (!request.keepTimes) touchWritten(handle, inode)
  return part
}

/**
 * Allocates unwritten blocks for the holes of [from, to) (logical blocks) until the transaction is full.
 * Returns the block where it stopped.
 */
export function preallocate(
  journal: Journal,
  handle: Handle,
  inode: Inode,
  from: number,
  to: number,
): number {
  let logical = from
  while (logical < to && journal.room >= RUN_CREDITS) {
    const found = findMapping(inode, logical)
    if (found.physical === 0) {
      const run = takeBlocks(handle, inode, found, Math.min(to - logical, MAX_UNWRITTEN_LENGTH))
      insertMapping(handle, inode, { ...run, unwritten: true })
      logical += run.length
    } else {
      logical += found.length
    }
  }
  return Math.min(logical, to)
}

/** Zeroes [from, to) (bytes) where it is mapped to written blocks. */
export function zeroRange(inode: Inode, from: number, to: number): void {
  const { blockSize, device } = inode.volume
  for (let at = from; at < to; ) {
    const logical = Math.floor(at / blockSize)
    const mapping = findMapping(inode, logical)
    const skip = at - logical * blockSize
    const part = Math.min(mapping.length * blockSize - skip, to - at)
    if (mapping.physical !== 0 && !mapping.unwritten) {
      device.zero(mapping.physical * blockSize + skip, part)
      inode.dataSequence = device.storeSequence
    }
    at += part
  }
}

/**
 * Before the file grows to `to` or is written there: zeroes what its last block holds behind its end. A transaction
 * that gave the file its greater size may have been lost, and the data, stored in place, not.
 */
export function zeroBehindEnd(inode: Inode, to: number): void {
  const { blockSize } = inode.volume
  const size = inode.size
  const end = Math.min(to, Math.ceil(size / blockSize) * blockSize)
  if (size < end) zeroRange(inode, size, end)
}

/** SEEK_DATA or SEEK_HOLE. The end of the file counts as a hole; ENXIO at or past it. */
export function seekFile(inode: Inode, offset: number, what: 'data' | 'hole'): number {
  const { blockSize } = inode.volume
  const size = inode.size
  if (offset < 0 || offset >= size) throw new FsError('ENXIO', `offset ${offset} of ${size}`)
  if (isInline(inode)) return what === 'data' ? offset : size
  for (let at = offset; at < size; ) {
    const logical = Math.floor(at / blockSize)
    const mapping = findMapping(inode, logical)
    const isData = mapping.physical !== 0 && !mapping.unwritten
    if (isData === (what === 'data')) return at
    at = (logical + mapping.length) * blockSize
  }
  if (what === 'data') throw new FsError('ENXIO', `no data behind ${offset}`)
  return size
}

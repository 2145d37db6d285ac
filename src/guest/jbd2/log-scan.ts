import { CorruptError } from '../../../lib/errno.js'
import type { BufferCache } from '../block/buffer-cache.js'
import {
  BlockHeader,
  COMMIT_BLOCK,
  DESCRIPTOR_BLOCK,
  JBD2_MAGIC_NUMBER,
  REVOKE_BLOCK,
} from './block-header.js'
import { tagChecksum } from './block-tag.js'
import { commitIsValid } from './commit-block.js'
import { crc32be } from './crc32-be.js'
import { readTags } from './descriptor-block.js'
import type { JournalMap } from './journal-map.js'
import { type LogFormat, tailIsValid } from './log-format.js'
import { readRevokes } from './revoke-block.js'
import { nextTid } from './tid.js'

/** A log copy: where it lies (file system block) and where it belongs. */
export interface LoggedBlock {
  readonly home: number
  readonly copy: number
  readonly escaped: boolean
  readonly tid: number
}

export interface LogScanOptions {
  cache: BufferCache
  map: JournalMap
  format: LogFormat
  /** The ring; journal blocks. */
  first: number
  end: number
  /** Where the log begins, and the transaction expected there. */
  start: number
  sequence: number
}

/** What is wrong with a transaction is an error only if it turns out to be committed. */
interface OpenTransaction {
  blocks: LoggedBlock[]
  revokes: number[]
  crc32: number
  fault: CorruptError | undefined
}

/**
 * The first pass of recovery: walks the log from its start and collects the committed transactions. Ends at the
 * first block that does not belong to the transaction expected next. Reads only.
 */
export class LogScan {
  readonly blocks: LoggedBlock[] = []
  /** Freed block -> the last transaction that freed it. */
  readonly revokes = new Map<number, number>()
  transactions = 0
  revokeRecords = 0
  /** The first transaction that was not found committed. */
  endTid: number
  /** Why the walk ended. */
  stop = ''
  readonly #options: LogScanOptions
  #cursor: number
  #walked = 0
  #open: OpenTransaction = emptyTransaction()

  constructor(options: LogScanOptions) {
    this.#options = options
    this.endTid = options.sequence
    this.#cursor = options.start
    const limit = options.end - options.first
    while (this.#walked < limit && this.#step()) {}
    if (this.stop === '') this.stop = 'the whole ring was read'
  }

  #step(): boolean {
    const { cache } = this.#options
    const block = this.#next()
    const { view, at } = cache.device.directAccess(block * cache.blockSize)
    if (BlockHeader.h_magic.get(view, at) !== JBD2_MAGIC_NUMBER) return this.#ends('no magic number')
    const sequence = BlockHeader.h_sequence.get(view, at)
    if (sequence !== this.endTid) return this.#ends(`sequence ${sequence}, expected ${this.endTid}`)
    const type = BlockHeader.h_blocktype.get(view, at)
    switch (type) {
      case DESCRIPTOR_BLOCK:
        return this.#descriptor(block)
      case REVOKE_BLOCK:
        return this.#revoke(block)
      case COMMIT_BLOCK:
        return this.#commit(block)
      default:
        return this.#ends(`block type ${type}`)
    }
  }

  #descriptor(block: number): boolean {
    const { cache, format, first, end } = this.#options
    const { bytes, view, at } = cache.device.directAccess(block * cache.blockSize)
    if (!tailIsValid(format, bytes, view, at)) this.#fault('jbd2_journal_block_tail', 't_checksum', block)
    this.#addCrc32(bytes, at)
    for (const tag of readTags(format, view, at)) {
      if (this.#walked >= end - first) return this.#ends('a descriptor block names more than the ring holds')
      const copy = this.#next()
      const data = cache.device.directAccess(copy * cache.blockSize)
      if (tag.checksum !== tagChecksum(format, this.endTid, data.bytes, data.at, false))
        this.#fault('journal_block_tag_s', 't_checksum', copy)
      if (tag.block >= cache.blockCount) this.#fault('journal_block_tag_s', 't_blocknr', block, tag.block)
      this.#addCrc32(data.bytes, data.at)
      this.#open.blocks.push({ home: tag.block, copy, escaped: tag.escaped, tid: this.endTid })
    }
    return true
  }

  #revoke(block: number): boolean {
    const { cache, format } = this.#options
    const { bytes, view, at } = cache.device.directAccess(block * cache.blockSize)
    if (!tailIsValid(format, bytes, view, at)) this.#fault('jbd2_journal_block_tail', 't_checksum', block)
    try {
      this.#open.revokes.push(...readRevokes(format, view, at, block))
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      this.#open.fault ??= error
    }
    return true
  }

  #commit(block: number): boolean {
    const { cache, format } = this.#options
    const { bytes, view, at } = cache.device.directAccess(block * cache.blockSize)
    const { blocks, revokes, crc32, fault } = this.#open
    if (!commitIsValid(format, bytes, view, at, crc32)) return this.#ends('commit block checksum')
    if (fault !== undefined) {
      // Written by an asynchronous commit, the commit block may be durable without what it commits.
      if (format.asyncCommit) return this.#ends(fault.message)
      throw fault
    }
    for (const logged of blocks) this.blocks.push(logged)
    for (const revoked of revokes) this.revokes.set(revoked, this.endTid)
    this.revokeRecords += revokes.length
    this.transactions++
    this.endTid = nextTid(this.endTid)
    this.#open = emptyTransaction()
    return true
  }

  /** The next block of the ring, as a file system block. */
  #next(): number {
    const { map, first, end } = this.#options
    const block = map.physical(this.#cursor)
    this.#cursor = this.#cursor + 1 === end ? first : this.#cursor + 1
    this.#walked++
    return block
  }

  #addCrc32(bytes: Uint8Array, at: number): void {
    const { format } = this.#options
    if (format.checksumVersion !== 1) return
    this.#open.crc32 = crc32be(this.#open.crc32, bytes, at, at + format.blockSize)
  }

  #fault(structure: string, field: string, block: number, found?: number): void {
    this.#open.fault ??=
      found === undefined
        ? new CorruptError(
            { structure, field, block, found: 'wrong', expected: 'the checksum of its content' },
            'EBADMSG',
          )
        : new CorruptError({
            structure,
            field,
            block,
            found,
            expected: `below ${this.#options.cache.blockCount}`,
          })
  }

  #ends(stop: string): false {
    this.stop = stop
    return false
  }
}

function emptyTransaction(): OpenTransaction {
  return { blocks: [], revokes: [], crc32: 0xffffffff, fault: undefined }
}

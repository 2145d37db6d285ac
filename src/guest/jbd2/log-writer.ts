import type { BlockDevice } from '../block/block-device.js'
import type { BufferHead } from '../block/buffer-head.js'
import { JBD2_MAGIC_NUMBER } from './block-header.js'
import { tagChecksum } from './block-tag.js'
import { writeCommitBlock } from './commit-block.js'
import { DescriptorBlock, tagsPerDescriptor } from './descriptor-block.js'
import type { Log } from './log.js'
import type { LogFormat } from './log-format.js'
import { RevokeBlock, recordsPerRevokeBlock } from './revoke-block.js'
import type { Transaction } from './transaction.js'

/** Where a transaction's copies lie: file system block -> {@link logCopy}. */
export type LogCopies = Map<number, number>

/** A log position and whether the copy there is escaped, as one number. */
export function logCopy(position: number, escaped: boolean): number {
  return position * 2 + (escaped ? 1 : 0)
}

const FOUR_ZEROES = new Uint8Array(4)

/** Writes transactions into the log. All its stores are memory copies; making them durable is the caller's. */
export class LogWriter {
  readonly #device: BlockDevice
  readonly #log: Log
  readonly #format: LogFormat
  readonly #descriptor: DescriptorBlock
  readonly #revoke: RevokeBlock
  readonly #commit: Uint8Array
  readonly #commitView: DataView
  #descriptorAt = -1

  constructor(device: BlockDevice, log: Log, format: LogFormat) {
    this.#device = device
    this.#log = log
    this.#format = format
    this.#descriptor = new DescriptorBlock(format)
    this.#revoke = new RevokeBlock(format)
    this.#commit = new Uint8Array(format.blockSize)
    this.#commitView = new DataView(this.#commit.buffer)
  }

  /** Log blocks that a transaction takes, its commit block included. */
  static blocksFor(format: LogFormat, blocks: number, revokes: number): number {
    return (
      blocks +
      Math.ceil(blocks / tagsPerDescriptor(format)) +
      Math.ceil(revokes / recordsPerRevokeBlock(format)) +
      1
    )
  }

  /** Everything but the commit block. */
  writeBody(transaction: Transaction): LogCopies {
    const copies: LogCopies = new Map()
    if (transaction.revokes.size > 0) this.#writeRevokes(transaction)
    for (const head of transaction.blocks) {
      const copy = this.#writeCopy(transaction.tid, head)
      copies.set(head.block, copy)
    }
    this.#finishDescriptor()
    return copies
  }

  /** The commit block, at a position taken before. `ms`: milliseconds since 1970. */
  writeCommit(tid: number, position: number, ms: number): void {
    writeCommitBlock(this.#format, this.#commit, this.#commitView, tid, ms)
    this.#device.write(this.#log.offset(position), this.#commit)
  }

  #writeCopy(tid: number, head: BufferHead): number {
    if (this.#descriptorAt < 0) {
      this.#descriptorAt = this.#log.take()
      this.#descriptor.begin(tid)
    }
    const position = this.#log.take()
    const offset = this.#log.offset(position)
    // A copy that begins with the magic number would be taken for a block of the journal's own.
    const escaped = head.view.getUint32(head.at) === JBD2_MAGIC_NUMBER
    this.#device.write(offset, head.bytes, head.at, head.at + this.#format.blockSize)
    if (escaped) this.#device.write(offset, FOUR_ZEROES)
    const checksum = tagChecksum(this.#format, tid, head.bytes, head.at, escaped)
    this.#descriptor.add(head.block, escaped, checksum)
    if (this.#descriptor.full) this.#finishDescriptor()
    return logCopy(position, escaped)
  }

  #finishDescriptor(): void {
    if (this.#descriptorAt < 0) return
    this.#descriptor.finish()
    this.#device.write(this.#log.offset(this.#descriptorAt), this.#descriptor.bytes)
    this.#descriptorAt = -1
  }

  #writeRevokes(transaction: Transaction): void {
    let open = false
    for (const block of transaction.revokes) {
      if (!open) this.#revoke.begin(transaction.tid)
      open = true
      this.#revoke.add(block)
      if (this.#revoke.full) {
        this.#writeRevokeBlock()
        open = false
      }
    }
    if (open) this.#writeRevokeBlock()
  }

  #writeRevokeBlock(): void {
    this.#revoke.finish()
    this.#device.write(this.#log.offset(this.#log.take()), this.#revoke.bytes)
  }
}

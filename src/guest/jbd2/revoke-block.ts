import { CorruptError } from '../../../lib/errno.js'
import { be32, layout } from '../../../lib/layout.js'
import { REVOKE_BLOCK, writeBlockHeader } from './block-header.js'
import { type LogFormat, setTail } from './log-format.js'

/** struct jbd2_journal_revoke_header_s, behind its journal_header_s. */
export const RevokeHeader = layout('jbd2_journal_revoke_header_s', 16, {
  /** Bytes used in the block, this header included. */
  r_count: be32(0xc),
})

function recordBytes(format: LogFormat): number {
  return format.wide ? 8 : 4
}

export function recordsPerRevokeBlock(format: LogFormat): number {
  return Math.floor((format.blockSize - RevokeHeader.SIZE - format.tailBytes) / recordBytes(format))
}

/** Blocks that recovery must not replay from this transaction or an earlier one. Built in one block of memory. */
export class RevokeBlock {
  readonly bytes: Uint8Array
  readonly #format: LogFormat
  readonly #view: DataView
  readonly #capacity: number
  #records = 0
  #end = 0

  constructor(format: LogFormat) {
    this.#format = format
    this.bytes = new Uint8Array(format.blockSize)
    this.#view = new DataView(this.bytes.buffer)
    this.#capacity = recordsPerRevokeBlock(format)
  }

  get full(): boolean {
    return this.#records === this.#capacity
  }

  begin(tid: number): void {
    this.bytes.fill(0)
    writeBlockHeader(this.#view, 0, REVOKE_BLOCK, tid)
    this.#records = 0
    this.#end = RevokeHeader.SIZE
  }

  add(block: number): void {
    const high = Math.floor(block / 0x1_0000_0000)
    if (this.#format.wide) {
      this.#view.setUint32(this.#end, high)
      this.#view.setUint32(this.#end + 4, block >>> 0)
    } else {
      if (high !== 0) throw new RangeError(`block ${block} in a journal of 32-bit block numbers`)
      this.#view.setUint32(this.#end, block)
    }
    this.#end += recordBytes(this.#format)
    this.#records++
  }

  /** After the last record: now `bytes` is ready. */
  finish(): void {
    RevokeHeader.r_count.set(this.#view, 0, this.#end)
    setTail(this.#format, this.bytes, this.#view, 0)
  }
}

/** The block numbers in the revoke block at `at`; `block` is its place, for the error. */
export function readRevokes(format: LogFormat, view: DataView, at: number, block: number): number[] {
  const count = RevokeHeader.r_count.get(view, at)
  const limit = format.blockSize - format.tailBytes
  if (count < RevokeHeader.SIZE || count > limit) {
    throw new CorruptError({
      structure: RevokeHeader.NAME,
      field: 'r_count',
      block,
      found: count,
      expected: `${RevokeHeader.SIZE}..${limit}`,
    })
  }
  const size = recordBytes(format)
  const revokes: number[] = []
  for (let record = at + RevokeHeader.SIZE; record + size <= at + count; record += size) {
    revokes.push(
      format.wide
        ? view.getUint32(record) * 0x1_0000_0000 + view.getUint32(record + 4)
        : view.getUint32(record),
    )
  }
  return revokes
}

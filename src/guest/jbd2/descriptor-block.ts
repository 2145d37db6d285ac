import { BlockHeader, DESCRIPTOR_BLOCK, writeBlockHeader } from './block-header.js'
import {
  markLastTag,
  storedTagChecksum,
  TAG_ESCAPE,
  TAG_LAST,
  TAG_SAME_UUID,
  tagBlock,
  tagBytes,
  tagFlags,
  writeTag,
} from './block-tag.js'
import { type LogFormat, setTail } from './log-format.js'

const UUID_BYTES = 16

/** Tags that a descriptor block of ours holds: only the first has a UUID. */
export function tagsPerDescriptor(format: LogFormat): number {
  const room = format.blockSize - BlockHeader.SIZE - UUID_BYTES - format.tailBytes
  return Math.floor(room / tagBytes(format))
}

/** Names the log copies that follow it. Built in one block of memory, again and again. */
export class DescriptorBlock {
  readonly bytes: Uint8Array
  readonly #format: LogFormat
  readonly #view: DataView
  readonly #capacity: number
  readonly #tagBytes: number
  #tags = 0
  #last = 0
  #end = 0

  constructor(format: LogFormat) {
    this.#format = format
    this.bytes = new Uint8Array(format.blockSize)
    this.#view = new DataView(this.bytes.buffer)
    this.#capacity = tagsPerDescriptor(format)
    this.#tagBytes = tagBytes(format)
  }

  get full(): boolean {
    return this.#tags === this.#capacity
  }

  begin(tid: number): void {
    this.bytes.fill(0)
    writeBlockHeader(this.#view, 0, DESCRIPTOR_BLOCK, tid)
    this.#tags = 0
    this.#end = BlockHeader.SIZE
  }

  add(block: number, escaped: boolean, checksum: number): void {
    const first = this.#tags === 0
    const flags = (escaped ? TAG_ESCAPE : 0) | (first ? 0 : TAG_SAME_UUID)
    writeTag(this.#format, this.#view, this.#end, block, flags, checksum)
    this.#last = this.#end
    this.#end += this.#tagBytes
    if (first) {
      this.bytes.set(this.#format.uuid, this.#end)
      this.#end += UUID_BYTES
    }
    this.#tags++
  }

  /** After the last tag: now `bytes` is ready. */
  finish(): void {
    markLastTag(this.#format, this.#view, this.#last)
    setTail(this.#format, this.bytes, this.#view, 0)
  }
}

export interface ReadTag {
  block: number
  escaped: boolean
  checksum: number
}

/** The tags of the descriptor block at `at`; ends at the last-tag flag or the end of the block. */
export function readTags(format: LogFormat, view: DataView, at: number): ReadTag[] {
  const tags: ReadTag[] = []
  const size = tagBytes(format)
  const end = at + format.blockSize - format.tailBytes
  let tag = at + BlockHeader.SIZE
  while (tag + size <= end) {
    const flags = tagFlags(format, view, tag)
    tags.push({
      block: tagBlock(format, view, tag),
      escaped: (flags & TAG_ESCAPE) !== 0,
      checksum: storedTagChecksum(format, view, tag),
    })
    if ((flags & TAG_LAST) !== 0) break
    tag += size + ((flags & TAG_SAME_UUID) !== 0 ? 0 : UUID_BYTES)
  }
  return tags
}

import type { BlockDevice } from '../../block/block-device.js'

interface Segment {
  readonly view: DataView
  readonly bytes: Uint8Array
  readonly at: number
}

/**
 * The device's memory by block, without a copy and without an object for each block: {@link open} leaves the
 * block's place in `view`, `bytes` and `at`. Who goes on reading after another `open` keeps them in locals.
 */
export class Medium {
  readonly blockSize: number
  view: DataView
  bytes: Uint8Array
  /** Index of the block's first byte. */
  at: number
  readonly #segments: Segment[] = []
  /** Blocks of each segment but the last. */
  readonly #segmentBlocks: number

  /** Blocks at or past `blocks` cannot be opened. */
  constructor(device: BlockDevice, blockSize: number, blocks: number) {
    this.blockSize = blockSize
    const end = blocks * blockSize
    let segmentSize = 0
    for (let offset = 0; offset < end; offset += segmentSize) {
      const { view, bytes, at } = device.directAccess(offset)
      if (segmentSize === 0) segmentSize = Math.min(bytes.length - at, end)
      this.#segments.push({ view, bytes, at })
      if (segmentSize % blockSize !== 0 || bytes.length - at < Math.min(segmentSize, end - offset)) {
        throw new RangeError(`${device.name}: direct access in uneven pieces`)
      }
    }
    this.#segmentBlocks = segmentSize / blockSize
    const first = this.#segments[0] as Segment
    this.view = first.view
    this.bytes = first.bytes
    this.at = first.at
  }

  /** Throws RangeError past the file system: numbers from the medium are checked before. */
  open(block: number): void {
    if (block < this.#segmentBlocks) {
      const first = this.#segments[0] as Segment
      this.view = first.view
      this.bytes = first.bytes
      this.at = first.at + block * this.blockSize
      return
    }
    const segment = this.#segments[Math.floor(block / this.#segmentBlocks)]
    if (segment === undefined) throw new RangeError(`block ${block}`)
    this.view = segment.view
    this.bytes = segment.bytes
    this.at = segment.at + (block % this.#segmentBlocks) * this.blockSize
  }
}

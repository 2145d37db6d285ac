import { RawInode } from '../raw-inode.js'
import type { BlockSink } from './block-sink.js'
import type { FsckContext } from './context.js'

const DIRECT = 12

/** Walks the block map of ext2 and ext3. Kernel docs: ext4, "Direct/Indirect Block Addressing". Bounded by three levels. */
export class IndirectWalk {
  readonly #ctx: FsckContext
  readonly #sink: BlockSink
  readonly #pointers: number
  #logical = 0

  constructor(ctx: FsckContext, sink: BlockSink) {
    this.#ctx = ctx
    this.#sink = sink
    this.#pointers = ctx.geometry.blockSize / 4
  }

  /** The map whose 15 pointers stand at `at`. */
  root(view: DataView, at: number): void {
    for (let index = 0; index < RawInode.i_block.size / 4; index++) {
      this.#pointer(view.getUint32(at + index * 4, true), Math.max(index - DIRECT + 1, 0), 0)
    }
  }

  /** A pointer to data (`level` 0) or to a block of pointers. */
  #pointer(physical: number, level: number, block: number): void {
    const span = this.#pointers ** level
    if (physical === 0) {
      this.#logical += span
      return
    }
    if (!this.#ctx.isFileBlock(physical)) {
      this.#sink.outside('block map', `block ${physical} is outside of the file system`, block)
      this.#logical += span
      return
    }
    if (level === 0) {
      this.#sink.data(this.#logical++, physical, 1, false)
      return
    }
    const from = this.#logical
    if (this.#sink.node(physical)) {
      this.#ctx.medium.open(physical)
      const { view, at } = this.#ctx.medium
      for (let index = 0; index < this.#pointers; index++) {
        this.#pointer(view.getUint32(at + index * 4, true), level - 1, physical)
      }
    }
    this.#logical = from + span
  }
}

import { extentBlockChecksum } from '../checksum.js'
import {
  ENTRY_SIZE,
  EXTENT_MAGIC,
  Extent,
  ExtentHeader,
  ExtentIdx,
  MAX_DEPTH,
  MAX_LOGICAL_BLOCK,
  MAX_WRITTEN_LENGTH,
  ROOT_ENTRIES,
} from '../extent.js'
import type { BlockSink } from './block-sink.js'
import type { FsckContext } from './context.js'

/** eh_max may be so much less than there is room for: e2fsprogs leave it to checksums and what may come. */
const SPARE_ENTRIES = 2

/**
 * Walks an extent tree in logical order, checking headers, order, ranges and checksums. Bounded: depth by
 * {@link MAX_DEPTH}, and no block is walked into that the sink has seen before.
 */
export class ExtentWalk {
  readonly #ctx: FsckContext
  readonly #sink: BlockSink
  readonly #seed: number
  /** The logical block behind the last extent. */
  #next = 0

  constructor(ctx: FsckContext, sink: BlockSink, seed: number) {
    this.#ctx = ctx
    this.#sink = sink
    this.#seed = seed
  }

  /** The tree whose root (i_block) stands at `at`. */
  root(view: DataView, at: number): void {
    const depth = ExtentHeader.eh_depth.get(view, at)
    if (depth > MAX_DEPTH) {
      this.#sink.corrupt('ext4_extent_header', `eh_depth is ${depth}, at most ${MAX_DEPTH}`, 0)
      return
    }
    if (this.#header(view, at, { depth, max: ROOT_ENTRIES, block: 0 })) this.#node(view, at, depth, 0)
  }

  #header(view: DataView, at: number, expected: { depth: number; max: number; block: number }): boolean {
    const magic = ExtentHeader.eh_magic.get(view, at)
    const max = ExtentHeader.eh_max.get(view, at)
    const entries = ExtentHeader.eh_entries.get(view, at)
    const depth = ExtentHeader.eh_depth.get(view, at)
    const rules: [string, number, boolean, number][] = [
      ['eh_magic', magic, magic === EXTENT_MAGIC, EXTENT_MAGIC],
      ['eh_depth', depth, depth === expected.depth, expected.depth],
      ['eh_max', max, max <= expected.max && max >= expected.max - SPARE_ENTRIES, expected.max],
      ['eh_entries', entries, entries <= max, max],
    ]
    for (const [field, found, good, right] of rules) {
      if (good) continue
      this.#sink.corrupt('ext4_extent_header', `${field} is ${found}, expected ${right}`, expected.block)
      return false
    }
    if (entries === 0 && depth > 0) {
      this.#sink.corrupt('ext4_extent_header', `no entries at depth ${depth}`, expected.block)
      return false
    }
    return true
  }

  #node(view: DataView, at: number, depth: number, block: number): void {
    const entries = ExtentHeader.eh_entries.get(view, at)
    for (let index = 1; index <= entries; index++) {
      const good =
        depth === 0
          ? this.#extent(view, at + index * ENTRY_SIZE, block)
          : this.#index(view, at + index * ENTRY_SIZE, depth, block)
      if (!good) return
    }
  }

  #extent(view: DataView, at: number, block: number): boolean {
    const logical = Extent.ee_block.get(view, at)
    const stored = Extent.ee_len.get(view, at)
    const unwritten = stored > MAX_WRITTEN_LENGTH
    const count = unwritten ? stored - MAX_WRITTEN_LENGTH : stored
    const physical = Extent.ee_start_lo.get(view, at) + Extent.ee_start_hi.get(view, at) * 0x1_0000_0000
    if (count === 0) return this.#refuse('ext4_extent', `ee_len of logical block ${logical} is 0`, block)
    if (logical < this.#next) {
      return this.#refuse(
        'ext4_extent',
        `logical block ${logical} is out of order, expected ${this.#next} or more`,
        block,
      )
    }
    if (logical + count - 1 > MAX_LOGICAL_BLOCK) {
      return this.#refuse(
        'ext4_extent',
        `logical blocks ${logical}+${count} pass ${MAX_LOGICAL_BLOCK}`,
        block,
      )
    }
    this.#next = logical + count
    if (!this.#ctx.isFileBlock(physical, count)) {
      this.#sink.outside('ext4_extent', `blocks ${physical}+${count} are outside of the file system`, block)
      return true
    }
    this.#sink.data(logical, physical, count, unwritten)
    return true
  }

  #index(view: DataView, at: number, depth: number, block: number): boolean {
    const logical = ExtentIdx.ei_block.get(view, at)
    const child = ExtentIdx.ei_leaf_lo.get(view, at) + ExtentIdx.ei_leaf_hi.get(view, at) * 0x1_0000_0000
    if (logical < this.#next) {
      return this.#refuse(
        'ext4_extent_idx',
        `ei_block ${logical} is out of order, expected ${this.#next} or more`,
        block,
      )
    }
    if (!this.#ctx.isFileBlock(child)) {
      this.#sink.outside('ext4_extent_idx', `ei_leaf ${child} is outside of the file system`, block)
      return true
    }
    if (!this.#sink.node(child)) return true
    const { medium, geometry } = this.#ctx
    medium.open(child)
    const { view: childView, bytes, at: childAt } = medium
    const max = Math.floor((geometry.blockSize - ENTRY_SIZE) / ENTRY_SIZE)
    if (!this.#header(childView, childAt, { depth: depth - 1, max, block: child })) return true
    if (geometry.hasMetadataCsum) this.#checksum(childView, bytes, childAt, child)
    const first = Extent.ee_block.get(childView, childAt + ENTRY_SIZE)
    if (first !== logical) {
      this.#sink.corrupt('ext4_extent_idx', `ei_block is ${logical}, its node begins with ${first}`, block)
    }
    this.#node(childView, childAt, depth - 1, child)
    return true
  }

  #checksum(view: DataView, bytes: Uint8Array, at: number, block: number): void {
    const tail = ENTRY_SIZE * (1 + ExtentHeader.eh_max.get(view, at))
    if (tail + 4 > this.#ctx.geometry.blockSize) return
    const expected = extentBlockChecksum(this.#seed, bytes, at, tail)
    const found = view.getUint32(at + tail, true)
    if (found !== expected) {
      this.#sink.checksum('ext4_extent_tail', `et_checksum is ${found}, expected ${expected}`, block)
    }
  }

  #refuse(structure: string, message: string, block: number): false {
    this.#sink.corrupt(structure, message, block)
    return false
  }
}

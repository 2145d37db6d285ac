import { EXTENTS_FL, RawInode } from '../raw-inode.js'
import type { BlockSink } from './block-sink.js'
import type { FsckContext } from './context.js'
import { ExtentWalk } from './extent-walk.js'
import { IndirectWalk } from './indirect-walk.js'

/** Walks the blocks of the inode at `at`, whichever map it has. */
export function walkBlocks(
  ctx: FsckContext,
  inode: { view: DataView; at: number; seed: number },
  sink: BlockSink,
): void {
  const { view, at, seed } = inode
  const map = at + RawInode.i_block.offset
  if ((RawInode.i_flags.get(view, at) & EXTENTS_FL) !== 0) new ExtentWalk(ctx, sink, seed).root(view, map)
  else new IndirectWalk(ctx, sink).root(view, map)
}

/** Claims the blocks of one inode after the other, and keeps what the checks of an inode ask for. */
export class InodeBlocks implements BlockSink {
  /** Clusters held (blocks without bigalloc), those of the map too: a block of the map takes one. */
  count = 0
  /** The last logical block mapped, and the last one that is written; -1: none. */
  last = -1
  lastWritten = -1
  /** Physical block of logical block 0, 0: none. */
  first = 0
  /** The map cannot be followed to its end. */
  damaged = false
  readonly #ctx: FsckContext
  #ino = 0
  #isDirectory = false
  /** The cluster of the last block mapped; -1: none. */
  #cluster = -1

  constructor(ctx: FsckContext) {
    this.#ctx = ctx
  }

  /** Begins with inode `ino`. */
  begin(ino: number, isDirectory: boolean): void {
    this.count = 0
    this.last = -1
    this.lastWritten = -1
    this.first = 0
    this.damaged = false
    this.#cluster = -1
    this.#ino = ino
    this.#isDirectory = isDirectory
  }

  node(block: number): boolean {
    this.count++
    return this.#claim('block map', block, 1)
  }

  data(logical: number, physical: number, count: number, unwritten: boolean): void {
    this.last = logical + count - 1
    if (!unwritten) this.lastWritten = this.last
    if (logical === 0) this.first = physical
    if (this.#isDirectory) {
      if (unwritten) this.corrupt('ext4_extent', `blocks ${logical}+${count} of a directory are unwritten`, 0)
      else this.#ctx.dirBlocks.add(logical, physical, count)
    }
    if (this.#ctx.geometry.clusterRatio > 1) this.#claimClusters(logical, physical, count)
    else {
      this.count += count
      this.#claim('ext4_inode', physical, count)
    }
  }

  /** The extents of a file may share a cluster when they follow each other; each block has its place in its cluster. */
  #claimClusters(logical: number, physical: number, count: number): void {
    const { clusterRatio } = this.#ctx.geometry
    if (logical % clusterRatio !== physical % clusterRatio) {
      const message = `logical block ${logical} stands elsewhere in its cluster than block ${physical}`
      this.#ctx.error('bad-extent-tree', 'ext4_extent', message, this.#place(0))
    }
    const first = Math.floor(physical / clusterRatio)
    const end = Math.ceil((physical + count) / clusterRatio)
    const from = first === this.#cluster && logical % clusterRatio !== 0 ? first + 1 : first
    this.#cluster = end - 1
    this.count += end - from
    if (from < end) this.#claim('ext4_inode', from * clusterRatio, (end - from) * clusterRatio)
  }

  corrupt(structure: string, message: string, block: number): void {
    this.damaged = true
    this.#ctx.error('bad-extent-tree', structure, message, this.#place(block))
  }

  outside(structure: string, message: string, block: number): void {
    this.damaged = true
    this.#ctx.error('bad-block-number', structure, message, this.#place(block))
  }

  checksum(structure: string, message: string, block: number): void {
    this.#ctx.error('bad-checksum', structure, message, this.#place(block))
  }

  #claim(structure: string, start: number, count: number): boolean {
    const taken = this.#ctx.claims.claim(start, count)
    if (taken < 0) return true
    const place = { ino: this.#ino, block: taken }
    this.#ctx.error(
      'multiply-claimed',
      structure,
      `block ${taken} is in use by metadata or another file`,
      place,
    )
    return false
  }

  #place(block: number): { ino: number; block?: number } {
    return block === 0 ? { ino: this.#ino } : { ino: this.#ino, block }
  }
}

/** Lists the blocks of a file without claiming them: logical blocks below `limit`, by logical number; 0 is a hole. */
export class BlockList implements BlockSink {
  readonly physical: number[]
  #nodes = 0
  static readonly #MOST_NODES = 4096

  constructor(limit: number) {
    this.physical = new Array<number>(limit).fill(0)
  }

  node(): boolean {
    return ++this.#nodes <= BlockList.#MOST_NODES
  }

  data(logical: number, physical: number, count: number, unwritten: boolean): void {
    if (unwritten) return
    const end = Math.min(logical + count, this.physical.length)
    for (let block = logical; block < end; block++) this.physical[block] = physical + block - logical
  }

  // What is wrong with the map is told when the inode is scanned.
  corrupt(): void {}

  outside(): void {}

  checksum(): void {}
}

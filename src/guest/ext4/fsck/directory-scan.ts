import { DirEntry } from '../dir-entry.js'
import { DxHash } from '../dx-hash.js'
import { RawInode } from '../raw-inode.js'
import { FLAG_UNSIGNED_HASH, SuperBlock } from '../superblock.js'
import type { FsckContext } from './context.js'
import { DirBlockCheck } from './dir-block-check.js'
import type { FoundDirectory } from './dir-blocks.js'
import { type HashRanges, HtreeWalk, LEAF, NODE } from './htree.js'
import { findInlineValue } from './inline-data.js'

/** Bytes of the parent's number in an inline directory. */
const PARENT_SIZE = 4

/** The index of a directory, and how its names are hashed. */
interface Index {
  readonly ranges: HashRanges
  readonly hash: DxHash
}

/** Reads all directories: blocks, entries, indexes; counts the links to every inode. */
export class DirectoryScan {
  readonly #ctx: FsckContext
  readonly #check: DirBlockCheck
  readonly #seed = new Int32Array(4)
  readonly #signed: boolean

  constructor(ctx: FsckContext, superblock: { view: DataView; at: number }) {
    this.#ctx = ctx
    this.#check = new DirBlockCheck(ctx)
    const { view, at } = superblock
    for (let word = 0; word < 4; word++) {
      this.#seed[word] = view.getInt32(at + SuperBlock.s_hash_seed.offset + word * 4, true)
    }
    this.#signed = (SuperBlock.s_flags.get(view, at) & FLAG_UNSIGNED_HASH) === 0
  }

  run(): void {
    for (const dir of this.#ctx.dirBlocks.directories) this.#directory(dir)
  }

  #directory(dir: FoundDirectory): void {
    if (dir.inline) {
      this.#inlineDirectory(dir)
      return
    }
    const ctx = this.#ctx
    const { logical, physical } = ctx.dirBlocks
    const mapped = dir.to - dir.from
    if (mapped === 0) {
      ctx.error('bad-directory', 'ext4_inode', 'a directory without blocks', { ino: dir.ino })
      return
    }
    if (mapped !== dir.blocks) {
      ctx.error('bad-directory', 'ext4_inode', `a directory with ${dir.blocks - mapped} holes`, {
        ino: dir.ino,
      })
    }
    this.#check.begin(dir, mapped)
    const index = this.#index(dir, mapped)
    for (let at = dir.from; at < dir.to; at++) this.#block(physical[at]!, logical[at]!, index)
  }

  /** The parent's number, then entries in the rest of i_block and in the value of system.data. */
  #inlineDirectory(dir: FoundDirectory): void {
    const ctx = this.#ctx
    const check = this.#check
    if (!ctx.openInode(dir.ino)) return
    const { view, bytes, at } = ctx.medium
    const value = findInlineValue(ctx, view, at)
    check.begin(dir, 1)
    check.openInode(view, bytes, at)
    const base = RawInode.i_block.offset
    check.inlineDots(base)
    this.#range(base + PARENT_SIZE, base + RawInode.i_block.size)
    if (value !== undefined && value.size > 0) this.#range(value.offset, value.offset + value.size)
  }

  #range(from: number, end: number): void {
    const check = this.#check
    for (let offset = from; offset < end; ) {
      const length = check.length(offset, end)
      if (length === 0) return
      if (DirEntry.inode.get(check.view, check.at + offset) !== 0) check.entry(offset)
      offset += length
    }
  }

  /** The index needs the blocks by logical number, without holes: in a directory with holes it is not walked. */
  #index(dir: FoundDirectory, mapped: number): Index | undefined {
    if (!dir.indexed || mapped !== dir.blocks) return undefined
    const physical = this.#ctx.dirBlocks.physical.slice(dir.from, dir.to)
    const ranges = HtreeWalk.walk(this.#ctx, dir, physical)
    return ranges && { ranges, hash: new DxHash(ranges.version, this.#signed, this.#seed) }
  }

  #block(physical: number, logical: number, index: Index | undefined): void {
    const check = this.#check
    check.open(physical)
    const kind = index === undefined ? LEAF : index.ranges.kinds[logical]!
    if (kind === NODE) {
      // Of the index only its root has entries: the second one covers the rest of the block.
      if (logical === 0) this.#entries(this.#ctx.geometry.blockSize, 0, undefined)
      return
    }
    if (kind !== LEAF)
      check.error('bad-htree', 'dx_root', `block ${logical} of the directory is not in its index`)
    if (this.#ctx.geometry.hasMetadataCsum) check.tail()
    this.#entries(check.leafEnd, logical, kind === LEAF ? index : undefined)
  }

  #entries(end: number, logical: number, index: Index | undefined): void {
    const check = this.#check
    let number = 0
    for (let offset = 0; offset < end; number++) {
      const length = check.length(offset, end)
      if (length === 0) return
      if (logical === 0 && number < 2) check.dots(offset, number)
      else if (DirEntry.inode.get(check.view, check.at + offset) !== 0) {
        check.entry(offset)
        if (index !== undefined) this.#checkHash(offset, logical, index)
      }
      offset += length
    }
  }

  #checkHash(offset: number, logical: number, { ranges, hash }: Index): void {
    const { view, bytes, at } = this.#check
    const found = hash.compute(bytes, at + offset + DirEntry.SIZE, DirEntry.name_len.get(view, at + offset))
    const least = ranges.least[logical]!
    const greatest = ranges.greatest[logical]!
    if (found >= least && found <= greatest) return
    this.#check.error(
      'bad-htree',
      'dx_entry',
      `a name of hash ${found} in the block of ${least} to ${greatest}`,
    )
  }
}

import { layout, le16, le32, u8 } from '../../../../lib/layout.js'
import { dirIndexChecksum } from '../checksum.js'
import { DirEntry } from '../dir-entry.js'
import { DX_HASH_TEA } from '../dx-hash.js'
import { INCOMPAT } from '../features.js'
import type { FsckContext } from './context.js'
import type { FoundDirectory } from './dir-blocks.js'

/** struct dx_root_info, behind the entries of `.` and `..`. Kernel docs: ext4, "Hash Tree Directories". */
const RootInfo = layout('dx_root_info', 8, {
  reserved_zero: le32(0x0),
  hash_version: u8(0x4),
  info_length: u8(0x5),
  indirect_levels: u8(0x6),
  unused_flags: u8(0x7),
})

/** struct dx_countlimit, in place of the hash of a node's first entry. */
const CountLimit = layout('dx_countlimit', 4, { limit: le16(0x0), count: le16(0x2) })

const ROOT_INFO = 0x18
/** Where the entries begin, with their count and limit. */
const ROOT_ENTRIES = 0x20
const NODE_ENTRIES = 0x8
const ENTRY = 8
/** Bytes of the tail with metadata_csum. */
const TAIL = 8
/** Kinds of blocks: one of the index, one of entries. */
export const NODE = 1
export const LEAF = 2
const END_OF_HASHES = 0xffffffff

/** Which blocks of an indexed directory are nodes, and which hashes each leaf may hold. */
export interface HashRanges {
  readonly version: number
  /** By logical block: {@link NODE}, {@link LEAF}, or 0 for a block that the tree does not reach. */
  readonly kinds: Uint8Array
  /** Of a leaf: the least hash, and the greatest. */
  readonly least: Float64Array
  readonly greatest: Float64Array
}

/** Walks the tree of one directory. Bounded: by its levels, and each block is entered once. */
export class HtreeWalk {
  readonly #ctx: FsckContext
  readonly #dir: FoundDirectory
  readonly #ranges: HashRanges
  /** Physical blocks, by logical number. */
  readonly #physical: readonly number[]

  private constructor(ctx: FsckContext, dir: FoundDirectory, physical: readonly number[], version: number) {
    this.#ctx = ctx
    this.#dir = dir
    this.#physical = physical
    this.#ranges = {
      version,
      kinds: new Uint8Array(physical.length),
      least: new Float64Array(physical.length),
      greatest: new Float64Array(physical.length),
    }
  }

  /** Undefined when the root is not one. `physical`: blocks by logical number, 0 for a hole. */
  static walk(ctx: FsckContext, dir: FoundDirectory, physical: readonly number[]): HashRanges | undefined {
    const root = physical[0]
    if (root === undefined || root === 0) return undefined
    ctx.medium.open(root)
    const { view, at } = ctx.medium
    const version = RootInfo.hash_version.get(view, at + ROOT_INFO)
    const walk = new HtreeWalk(ctx, dir, physical, version)
    const levels = RootInfo.indirect_levels.get(view, at + ROOT_INFO)
    const mostLevels = (ctx.geometry.incompat & INCOMPAT.large_dir) !== 0 ? 2 : 1
    const rules: [string, number, boolean][] = [
      [
        'reserved_zero',
        RootInfo.reserved_zero.get(view, at + ROOT_INFO),
        RootInfo.reserved_zero.get(view, at + ROOT_INFO) === 0,
      ],
      ['hash_version', version, version <= DX_HASH_TEA],
      [
        'info_length',
        RootInfo.info_length.get(view, at + ROOT_INFO),
        RootInfo.info_length.get(view, at + ROOT_INFO) === RootInfo.SIZE,
      ],
      ['indirect_levels', levels, levels <= mostLevels],
      [
        'unused_flags',
        RootInfo.unused_flags.get(view, at + ROOT_INFO),
        (RootInfo.unused_flags.get(view, at + ROOT_INFO) & 1) === 0,
      ],
      [
        'rec_len of ..',
        DirEntry.rec_len.get(view, at + 12),
        DirEntry.rec_len.get(view, at + 12) === ctx.geometry.blockSize - 12,
      ],
    ]
    for (const [field, found, good] of rules) {
      if (good) continue
      walk.#error('dx_root', `${field} is ${found}`, root)
      return undefined
    }
    walk.#ranges.kinds[0] = NODE
    walk.#node(0, ROOT_ENTRIES, levels, 0, END_OF_HASHES)
    return walk.#ranges
  }

  /** The entries of the node in block `logical`, whose hashes are `least` to `greatest`. */
  #node(logical: number, entriesAt: number, levels: number, least: number, greatest: number): void {
    const { geometry, medium } = this.#ctx
    const physical = this.#physical[logical]!
    medium.open(physical)
    const { view, bytes, at } = medium
    const limit = CountLimit.limit.get(view, at + entriesAt)
    const count = CountLimit.count.get(view, at + entriesAt)
    const right = Math.floor((geometry.blockSize - entriesAt - (geometry.hasMetadataCsum ? TAIL : 0)) / ENTRY)
    if (limit !== right || count === 0 || count > limit) {
      this.#error('dx_countlimit', `count ${count}, limit ${limit}, expected a limit of ${right}`, physical)
      return
    }
    if (geometry.hasMetadataCsum) {
      const expected = dirIndexChecksum(this.#dir.seed, bytes, at, { countOffset: entriesAt, count, limit })
      const found = view.getUint32(at + entriesAt + limit * ENTRY + 4, true)
      if (found !== expected) {
        const message = `dt_checksum is ${found}, expected ${expected}`
        this.#ctx.error('bad-checksum', 'dx_tail', message, { ino: this.#dir.ino, block: physical })
      }
    }
    let hash = least
    for (let index = 0; index < count; index++) {
      const entry = at + entriesAt + index * ENTRY
      const isLast = index === count - 1
      const next = isLast ? greatest : view.getUint32(entry + ENTRY, true)
      if (next < hash || next > greatest) {
        this.#error('dx_entry', `hash ${next} of entry ${index + 1} is out of order`, physical)
        return
      }
      this.#child(view.getUint32(entry + 4, true), levels, hash, isLast ? next : lastBefore(next), physical)
      hash = next
    }
  }

  #child(logical: number, levels: number, least: number, greatest: number, parent: number): void {
    const child = logical & 0x0fffffff
    const { kinds } = this.#ranges
    const physical = this.#physical[child]
    if (physical === undefined || physical === 0) {
      this.#error('dx_entry', `block ${child} is not a block of the directory`, parent)
      return
    }
    if (kinds[child] !== 0) {
      this.#error('dx_entry', `block ${child} is referenced twice`, parent)
      return
    }
    if (levels === 0) {
      kinds[child] = LEAF
      this.#ranges.least[child] = (least & ~1) >>> 0
      this.#ranges.greatest[child] = greatest
      return
    }
    kinds[child] = NODE
    this.#ctx.medium.open(physical)
    const { view, at } = this.#ctx.medium
    if (
      DirEntry.inode.get(view, at) !== 0 ||
      DirEntry.name_len.get(view, at) !== 0 ||
      DirEntry.rec_len.get(view, at) !== this.#ctx.geometry.blockSize ||
      (DirEntry.file_type.get(view, at) !== 0 && this.#ctx.geometry.hasMetadataCsum)
    ) {
      this.#error('dx_node', 'does not begin with an unused entry over the block', physical)
      return
    }
    this.#node(child, NODE_ENTRIES, levels - 1, least, greatest)
  }

  #error(structure: string, message: string, block: number): void {
    this.#ctx.error('bad-htree', structure, message, { ino: this.#dir.ino, block })
  }
}

/** The greatest hash before the entry with `next`: its lowest bit says that names of the same hash stand before it too. */
function lastBefore(next: number): number {
  return (next & 1) !== 0 ? next - 1 : next - 2
}

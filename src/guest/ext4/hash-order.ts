import type { BufferHead } from '../block/buffer-head.js'
import { leafEnd, nextEntry } from './dir-block.js'
import { DirEntry, isDot, isDotDot } from './dir-entry.js'
import { DX_HASH_HALF_MD4, type DxHash, dxHash } from './dx-hash.js'
import type { Inode } from './inode.js'

/** Entries that one gathering may hold: beyond it a sort key would lose bits. */
const MAX_ENTRIES = 2 ** 22

/**
 * The entries of some leaves in the order of their positions. A position has 63 bits: the upper 31 of the hash
 * (`major`), then 32 that tell names of equal hash apart (`minor`). It depends on the name only, so it stays while
 * other entries come and go. 0 and 1 are `.` and `..`.
 */
export class HashOrder {
  count = 0
  readonly #hash: DxHash
  /** Names of equal hash are common in the legacy version, which has no second hash: another version's serves. */
  readonly #minorHash: DxHash
  readonly #leaves: BufferHead[] = []
  #majors = new Uint32Array(512)
  #minors = new Uint32Array(512)
  #leafOf = new Uint32Array(512)
  #offsets = new Uint16Array(512)
  #keys = new Float64Array(512)

  constructor(dir: Inode, hash: DxHash) {
    this.#hash = hash
    this.#minorHash = hash.hasMinor ? hash : dxHash(dir.volume, DX_HASH_HALF_MD4)
  }

  clear(): void {
    this.count = 0
    this.#leaves.length = 0
  }

  /** Adds the entries of a leaf at or behind the position (`major`, `minor`), without `.` and `..`. */
  add(dir: Inode, leaf: BufferHead, major: number, minor: number): void {
    this.addRange(dir, leaf, { from: 0, end: leafEnd(dir.volume) }, major, minor)
  }

  /** As {@link add}, for the entries that stand in a range of a block. */
  addRange(
    dir: Inode,
    leaf: BufferHead,
    { from, end }: { readonly from: number; readonly end: number },
    major: number,
    minor: number,
  ): void {
    const { bytes, view, at } = leaf
    this.#leaves.push(leaf)
    for (let offset = from; offset < end; ) {
      const next = nextEntry(dir, leaf, offset, end)
      const length = DirEntry.name_len.get(view, at + offset)
      const name = at + offset + DirEntry.SIZE
      const isName =
        DirEntry.inode.get(view, at + offset) !== 0 &&
        !isDot(bytes, name, length) &&
        !isDotDot(bytes, name, length)
      if (isName && this.#place(bytes, name, length, major, minor)) {
        this.#leafOf[this.count] = this.#leaves.length - 1
        this.#offsets[this.count++] = offset
      }
      offset = next
    }
  }

  sort(): void {
    const keys = this.#keys.subarray(0, this.count)
    for (let index = 0; index < this.count; index++) keys[index] = this.#majors[index]! * MAX_ENTRIES + index
    keys.sort()
    for (let from = 0; from < this.count; ) {
      let to = from + 1
      while (to < this.count && this.major(to) === this.major(from)) to++
      if (to - from > 1) this.#sortByMinor(keys.subarray(from, to))
      from = to
    }
  }

  /** Of the sorted entry `rank`, as all below. */
  major(rank: number): number {
    return this.#majors[this.#index(rank)]!
  }

  minor(rank: number): number {
    return this.#minors[this.#index(rank)]!
  }

  leaf(rank: number): BufferHead {
    return this.#leaves[this.#leafOf[this.#index(rank)]!] as BufferHead
  }

  offset(rank: number): number {
    return this.#offsets[this.#index(rank)]!
  }

  /** Whether the next entry has the same position. */
  collides(rank: number): boolean {
    return (
      rank + 1 < this.count &&
      this.major(rank) === this.major(rank + 1) &&
      this.minor(rank) === this.minor(rank + 1)
    )
  }

  #index(rank: number): number {
    return this.#keys[rank]! % MAX_ENTRIES
  }

  /** Notes the position of a name as entry `count`; false when it lies before (`major`, `minor`). */
  #place(bytes: Uint8Array, at: number, length: number, major: number, minor: number): boolean {
    const ownMajor = this.#hash.compute(bytes, at, length) >>> 1
    if (ownMajor < major) return false
    if (this.#minorHash !== this.#hash) this.#minorHash.compute(bytes, at, length)
    const ownMinor = ownMajor === 0 ? Math.max(this.#minorHash.minor, 2) : this.#minorHash.minor
    if (ownMajor === major && ownMinor < minor) return false
    if (this.count === this.#majors.length) this.#grow()
    this.#majors[this.count] = ownMajor
    this.#minors[this.count] = ownMinor
    return true
  }

  #sortByMinor(keys: Float64Array): void {
    keys.sort((a, b) => this.#minors[a % MAX_ENTRIES]! - this.#minors[b % MAX_ENTRIES]!)
  }

  #grow(): void {
    const size = this.count * 2
    if (size > MAX_ENTRIES) throw new RangeError(`${size} directory entries of one hash`)
    this.#majors = enlarged(this.#majors, new Uint32Array(size))
    this.#minors = enlarged(this.#minors, new Uint32Array(size))
    this.#leafOf = enlarged(this.#leafOf, new Uint32Array(size))
    this.#offsets = enlarged(this.#offsets, new Uint16Array(size))
    this.#keys = new Float64Array(size)
  }
}

function enlarged<T extends Uint16Array | Uint32Array>(from: T, to: T): T {
  to.set(from)
  return to
}

import { CorruptError } from '../../../lib/errno.js'
import { FLAG_UNSIGNED_HASH, SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** Hash versions as dx_root_info.hash_version and s_def_hash_version store them. */
export const DX_HASH_LEGACY = 0
export const DX_HASH_HALF_MD4 = 1
export const DX_HASH_TEA = 2
/** Added to a version whose characters are unsigned (s_flags); never stored. */
const UNSIGNED = 3

/** The greatest hash is kept free: it marks the end of a directory (EXT4_HTREE_EOF). */
const END_OF_HASHES = 0xffff_fffe

/** Words of the name that the transformation at work takes in. */
const input = new Int32Array(8)

/**
 * The hash of names that an htree is ordered by. Kernel docs: ext4, "Hash Tree Directories".
 * {@link compute} leaves its result in `hash` and `minor`, so that a name costs no allocation.
 */
export class DxHash {
  /** The ordering hash: 32 bits, the lowest one clear. */
  hash = 0
  /** A second hash that tells names of equal `hash` apart; 0 for the legacy version. */
  minor = 0
  readonly #version: number
  readonly #signed: boolean
  readonly #seed: Int32Array

  /** `version`: DX_HASH_*. `seed`: 4 words of s_hash_seed; all zero means the built-in constants. */
  constructor(version: number, signed: boolean, seed: Int32Array) {
    this.#version = version
    this.#signed = signed
    this.#seed = seed.some((word) => word !== 0)
      ? seed
      : Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  }

  /** Whether {@link minor} says anything. */
  get hasMinor(): boolean {
    return this.#version !== DX_HASH_LEGACY
  }

  /** Hashes `bytes[at..at+length)`. Returns `hash`. */
  compute(bytes: Uint8Array, at: number, length: number): number {
    if (this.#version === DX_HASH_HALF_MD4) this.#halfMd4(bytes, at, length)
    else if (this.#version === DX_HASH_TEA) this.#tea(bytes, at, length)
    else this.#legacy(bytes, at, length)
    const even = (this.hash & ~1) >>> 0
    this.hash = even === END_OF_HASHES ? END_OF_HASHES - 2 : even
    return this.hash
  }

  #legacy(bytes: Uint8Array, at: number, length: number): void {
    let last = 0x12a3fe2d
    let beforeLast = 0x37abe8f9
    for (let index = at; index < at + length; index++) {
      const byte = bytes[index]!
      const char = this.#signed ? (byte << 24) >> 24 : byte
      let next = (beforeLast + (last ^ Math.imul(char, 7152373))) >>> 0
      if (next >= 0x8000_0000) next -= 0x7fff_ffff
      beforeLast = last
      last = next
    }
    this.hash = (last << 1) >>> 0
    this.minor = 0
  }

  #halfMd4(bytes: Uint8Array, at: number, length: number): void {
    let [a, b, c, d] = this.#seed as unknown as [number, number, number, number]
    for (let left = length, from = at; left > 0; left -= 32, from += 32) {
      fillInput(bytes, from, left, 8, this.#signed)
      const [a0, b0, c0, d0] = [a, b, c, d]
      for (let step = 0; step < 24; step++) {
        const mixed = (a + mix(step >>> 3, b, c, d) + input[MD4_ORDER[step]!]!) | 0
        const shift = MD4_SHIFT[((step >>> 3) << 2) | (step & 3)]!
        a = d
        d = c
        c = b
        b = (mixed << shift) | (mixed >>> (32 - shift))
      }
      a = (a + a0) | 0
      b = (b + b0) | 0
      c = (c + c0) | 0
      d = (d + d0) | 0
    }
    this.hash = b >>> 0
    this.minor = c >>> 0
  }

  #tea(bytes: Uint8Array, at: number, length: number): void {
    let a = this.#seed[0]!
    let b = this.#seed[1]!
    for (let left = length, from = at; left > 0; left -= 16, from += 16) {
      fillInput(bytes, from, left, 4, this.#signed)
      const [a0, b0] = [a, b]
      for (let round = 1; round <= 16; round++) {
        const sum = Math.imul(round, 0x9e3779b9)
        a = (a + (((b << 4) + input[0]!) ^ (b + sum) ^ ((b >>> 5) + input[1]!))) | 0
        b = (b + (((a << 4) + input[2]!) ^ (a + sum) ^ ((a >>> 5) + input[3]!))) | 0
      }
      a = (a + a0) | 0
      b = (b + b0) | 0
    }
    this.hash = a >>> 0
    this.minor = b >>> 0
  }
}

const MD4_ORDER = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 1, 3, 5, 7, 0, 2, 4, 6, 3, 7, 2, 6, 1, 5, 0, 4)
const MD4_SHIFT = Uint8Array.of(3, 7, 11, 19, 3, 5, 9, 13, 3, 9, 11, 15)

/** The functions of MD4's three rounds, each with the round's constant. */
function mix(round: number, x: number, y: number, z: number): number {
  if (round === 0) return z ^ (x & (y ^ z))
  if (round === 1) return ((x & y) | (x & z) | (y & z)) + 0x5a827999
  return (x ^ y ^ z) + 0x6ed9eba1
}

/** Packs the next characters, first one highest, into `words` words; what the name does not fill is its length. */
function fillInput(bytes: Uint8Array, at: number, left: number, words: number, signed: boolean): void {
  const padding = Math.imul(left, 0x01010101)
  const count = Math.min(left, words * 4)
  let word = 0
  let value = padding
  for (let index = 0; index < count; index++) {
    const byte = bytes[at + index]!
    value = ((signed ? (byte << 24) >> 24 : byte) + (value << 8)) | 0
    if ((index & 3) !== 3) continue
    input[word++] = value
    value = padding
  }
  if (word < words) input[word++] = value
  while (word < words) input[word++] = padding
}

/** The hash of this file system's directories in `version`; refuses one that is not known. */
export function dxHash(volume: Volume, version: number): DxHash {
  const head = volume.superblock
  const at = head.at + volume.superblockOffset
  const seedAt = at + SuperBlock.s_hash_seed.offset
  const seed = new Int32Array(4)
  for (let word = 0; word < 4; word++) seed[word] = head.view.getInt32(seedAt + word * 4, true)
  const signed = (SuperBlock.s_flags.get(head.view, at) & FLAG_UNSIGNED_HASH) === 0
  return new DxHash(version, signed, seed)
}

/** The version for directories that become indexed. Throws CorruptError when the superblock names an unknown one. */
export function defaultHashVersion(volume: Volume): number {
  const head = volume.superblock
  const found = SuperBlock.s_def_hash_version.get(head.view, head.at + volume.superblockOffset)
  if (found <= DX_HASH_TEA) return found
  if (found <= DX_HASH_TEA + UNSIGNED) return found - UNSIGNED
  throw new CorruptError({
    structure: 'ext4_super_block',
    field: 's_def_hash_version',
    found,
    expected: '0 to 2',
  })
}

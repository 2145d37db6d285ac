import { endOfNonZero } from './zeroes.js'

/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) without the inversions before and after: the form that
 * ext4 and jbd2 chain, starting from ~0. Eight bytes a step by eight tables ("slicing by 8").
 */
const POLYNOMIAL = 0x82f63b78

const tables: Uint32Array = (() => {
  const table = new Uint32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    table[byte] = crc >>> 0
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let slice = 1; slice < 8; slice++) {
      const before = table[(slice - 1) * 256 + byte] as number
      table[slice * 256 + byte] = ((before >>> 8) ^ (table[before & 0xff] as number)) >>> 0
    }
  }
  return table
})()

/** From so many bytes on it is worth a look whether the last ones are zeroes. */
const LONG = 512

/** Continues `crc` (start with 0xFFFFFFFF) over `bytes[from..to)`. Zeroes at the end cost next to nothing. */
export function crc32c(crc: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  if (to - from < LONG || bytes[to - 1] !== 0) return slicing(crc, bytes, from, to)
  const end = endOfNonZero(bytes, from, to)
  return crc32cZeroes(slicing(crc, bytes, from, end), to - end)
}

function slicing(crc: number, bytes: Uint8Array, from: number, to: number): number {
  const t = tables
  let at = from
  let c = crc | 0
  for (const end = from + ((to - from) & ~7); at < end; at += 8) {
    c ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    c =
      t[0x700 | (c & 0xff)]! ^
      t[0x600 | ((c >>> 8) & 0xff)]! ^
      t[0x500 | ((c >>> 16) & 0xff)]! ^
      t[0x400 | (c >>> 24)]! ^
      t[0x300 | bytes[at + 4]!]! ^
      t[0x200 | bytes[at + 5]!]! ^
      t[0x100 | bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!
  }
  for (; at < to; at++) c = t[(c ^ bytes[at]!) & 0xff]! ^ (c >>> 8)
  return c >>> 0
}

/** Continues `crc` over a 32-bit little-endian word. */
export function crc32cWord(crc: number, word: number): number {
  const t = tables
  const c = crc ^ word
  return (
    (t[0x300 | (c & 0xff)]! ^
      t[0x200 | ((c >>> 8) & 0xff)]! ^
      t[0x100 | ((c >>> 16) & 0xff)]! ^
      t[c >>> 24]!) >>>
    0
  )
}

/**
 * What 2^n zero bytes do to a checksum, as four tables for its four bytes: the function is linear, so a table for twice
 * the length is made by using one twice.
 */
const zeroTables: Int32Array[] = []

function zeroTable(n: number): Int32Array {
  const known = zeroTables[n]
  if (known !== undefined) return known
  const half = n === 0 ? undefined : zeroTable(n - 1)
  const table = new Int32Array(4 * 256)
  for (let index = 0; index < table.length; index++) {
    const crc = (index & 0xff) << (8 * (index >>> 8))
    table[index] = half === undefined ? tables[crc & 0xff]! ^ (crc >>> 8) : pass(half, pass(half, crc))
  }
  zeroTables[n] = table
  return table
}

function pass(table: Int32Array, crc: number): number {
  return (
    table[crc & 0xff]! ^
    table[0x100 | ((crc >>> 8) & 0xff)]! ^
    table[0x200 | ((crc >>> 16) & 0xff)]! ^
    table[0x300 | (crc >>> 24)]!
  )
}

/** Continues `crc` over `length` zero bytes (below 2^31), in steps of powers of two. */
export function crc32cZeroes(crc: number, length: number): number {
  let c = crc
  for (let left = length, n = 0; left !== 0; left >>>= 1, n++) if ((left & 1) !== 0) c = pass(zeroTable(n), c)
  return c >>> 0
}

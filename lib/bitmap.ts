/**
 * Bitmaps in bytes, the least significant bit of a byte first. `at` is the index of the bitmap's first byte;
 * bits are counted from there, ranges are `[from, to)`. Runs are found four bytes a step.
 */

export function testBit(bytes: Uint8Array, at: number, bit: number): boolean {
  return (bytes[at + (bit >>> 3)]! & (1 << (bit & 7))) !== 0
}

export function setBits(bytes: Uint8Array, at: number, from: number, to: number): void {
  if (from >= to) return
  const first = at + (from >>> 3)
  const last = at + ((to - 1) >>> 3)
  const head = 0xff << (from & 7)
  const tail = 0xff >>> (7 - ((to - 1) & 7))
  if (first === last) {
    bytes[first]! |= head & tail
    return
  }
  bytes[first]! |= head
  bytes.fill(0xff, first + 1, last)
  bytes[last]! |= tail
}

export function clearBits(bytes: Uint8Array, at: number, from: number, to: number): void {
  if (from >= to) return
  const first = at + (from >>> 3)
  const last = at + ((to - 1) >>> 3)
  const head = 0xff << (from & 7)
  const tail = 0xff >>> (7 - ((to - 1) & 7))
  if (first === last) {
    bytes[first]! &= ~(head & tail)
    return
  }
  bytes[first]! &= ~head
  bytes.fill(0, first + 1, last)
  bytes[last]! &= ~tail
}

/** The first clear bit of the range, `to` when there is none. */
export function findClear(bytes: Uint8Array, at: number, from: number, to: number): number {
  return find(bytes, at, from, to, 0xff)
}

/** The first set bit of the range, `to` when there is none. */
export function findSet(bytes: Uint8Array, at: number, from: number, to: number): number {
  return find(bytes, at, from, to, 0)
}

/** The first bit that differs from those of `same` (0 or 0xff). */
function find(bytes: Uint8Array, at: number, from: number, to: number, same: number): number {
  if (from >= to) return to
  let index = at + (from >>> 3)
  const last = at + ((to - 1) >>> 3)
  let differing = (bytes[index]! ^ same) & (0xff << (from & 7))
  if (differing === 0) {
    index++
    for (const end = last - 2; index < end; index += 4) {
      if (
        ((bytes[index]! ^ same) |
          (bytes[index + 1]! ^ same) |
          (bytes[index + 2]! ^ same) |
          (bytes[index + 3]! ^ same)) !==
        0
      )
        break
    }
    while (index <= last && bytes[index] === same) index++
    if (index > last) return to
    differing = bytes[index]! ^ same
  }
  const bit = (index - at) * 8 + 31 - Math.clz32(differing & -differing)
  return Math.min(bit, to)
}

/**
 * Start of the first run of at least `wanted` clear bits; when there is none, of the first among the longest runs;
 * -1 when every bit is set. The run ends at the next {@link findSet}.
 */
export function findClearRun(
  bytes: Uint8Array,
  at: number,
  from: number,
  to: number,
  wanted: number,
): number {
  let best = -1
  let longest = 0
  for (let start = findClear(bytes, at, from, to); start < to; ) {
    const end = findSet(bytes, at, start, to)
    if (end - start >= wanted) return start
    if (end - start > longest) {
      longest = end - start
      best = start
    }
    start = findClear(bytes, at, end, to)
  }
  return best
}

export function countClear(bytes: Uint8Array, at: number, from: number, to: number): number {
  let count = 0
  let bit = from
  for (; bit < to && (bit & 7) !== 0; bit++) if (!testBit(bytes, at, bit)) count++
  for (; bit + 32 <= to; bit += 32) {
    const index = at + (bit >>> 3)
    const word =
      bytes[index]! | (bytes[index + 1]! << 8) | (bytes[index + 2]! << 16) | (bytes[index + 3]! << 24)
    count += 32 - populationCount(word)
  }
  for (; bit < to; bit++) if (!testBit(bytes, at, bit)) count++
  return count
}

/** Set bits of a 32-bit word: sums of 2, 4, then 8 bits side by side. */
function populationCount(word: number): number {
  let sums = word - ((word >>> 1) & 0x55555555)
  sums = (sums & 0x33333333) + ((sums >>> 2) & 0x33333333)
  sums = (sums + (sums >>> 4)) & 0x0f0f0f0f
  return Math.imul(sums, 0x01010101) >>> 24
}

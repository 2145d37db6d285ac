/** The smallest end, a multiple of four bytes before `to`, behind which all is zero up to `to`; `to` where unaligned. */
export function endOfNonZero(bytes: Uint8Array, from: number, to: number): number {
  if (((bytes.byteOffset + to) & 3) !== 0) return to
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + to - ((to - from) & ~3), (to - from) >>> 2)
  let count = words.length
  while (count > 0 && words[count - 1] === 0) count--
  return to - (words.length - count) * 4
}

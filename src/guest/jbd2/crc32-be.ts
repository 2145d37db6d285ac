/** CRC-32, most significant bit first (polynomial 0x04C11DB7), no inversions: the checksum of version 1 journals. */
const table: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc
})

/** Continues `crc` (start with 0xFFFFFFFF) over `bytes[from..to)`. */
export function crc32be(crc: number, bytes: Uint8Array, from: number, to: number): number {
  let c = crc | 0
  for (let at = from; at < to; at++)
    c = (c << 8) ^ (table[((c >>> 24) ^ (bytes[at] as number)) & 0xff] as number)
  return c >>> 0
}

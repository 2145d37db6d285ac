/** CRC-16/ARC (reflected polynomial 0xA001): the checksum of group descriptors without metadata_csum. */
const table: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
  return crc
})

/** Continues `crc` over `bytes[from..to)`. */
export function crc16(crc: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  let c = crc
  for (let at = from; at < to; at++) c = (table[(c ^ bytes[at]!) & 0xff]! ^ (c >>> 8)) & 0xffff
  return c
}

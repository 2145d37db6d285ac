/** A file of 32-bit registers, read and written at offsets that are multiples of 4. Values are 0..2^32-1. */
export interface Mmio {
  read32(offset: number): number
  write32(offset: number, value: number): void
}

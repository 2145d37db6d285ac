import { layout, le16, le32, u8 } from '../../../lib/layout.js'

/** struct ext4_dir_entry_2 without its name. Kernel docs: ext4, "Linear (Classic) Directories". Little-endian. */
export const DirEntry = layout('ext4_dir_entry_2', 8, {
  inode: le32(0x0),
  rec_len: le16(0x4),
  name_len: u8(0x6),
  file_type: u8(0x7),
})

/** struct ext4_dir_entry_tail: the end of a leaf with metadata_csum, in the shape of an unused entry. */
export const DirEntryTail = layout('ext4_dir_entry_tail', 12, {
  det_reserved_zero1: le32(0x0),
  det_rec_len: le16(0x4),
  det_reserved_zero2: u8(0x6),
  det_reserved_ft: u8(0x7),
  det_checksum: le32(0x8),
})

/** det_reserved_ft */
export const FT_DIR_CSUM = 0xde
/** file_type of a directory. */
export const FT_DIR = 2
/** Bytes of the longest name. */
export const NAME_MAX = 255
/** Bytes of the shortest entry. */
export const MIN_ENTRY_SIZE = 12

/** Bytes that an entry with a name of `nameLength` bytes takes at least. */
export function entrySize(nameLength: number): number {
  return (DirEntry.SIZE + nameLength + 3) & ~3
}

/** EXT4_FT_*, by the type bits of a mode shifted right by 12. */
const FILE_TYPES = Uint8Array.of(0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7, 0, 6, 0, 0, 0)

/** dirent types (DT_*), by EXT4_FT_*. */
const DIRENT_TYPES = Uint8Array.of(0, 8, 4, 2, 6, 1, 12, 10)

/** The file_type of an entry for an inode of `mode`. */
export function fileType(mode: number): number {
  return FILE_TYPES[mode >>> 12]!
}

/** DT_* for the file_type of an entry; DT_UNKNOWN for one that does not exist. */
export function direntType(type: number): number {
  return DIRENT_TYPES[type] ?? 0
}

const DOT = 0x2e

export function isDot(bytes: Uint8Array, at: number, length: number): boolean {
  return length === 1 && bytes[at] === DOT
}

export function isDotDot(bytes: Uint8Array, at: number, length: number): boolean {
  return length === 2 && bytes[at] === DOT && bytes[at + 1] === DOT
}

export function sameName(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let index = 0; index < name.length; index++) {
    if (bytes[at + index] !== name[index]) return false
  }
  return true
}

import { layout, le16, le32, u8 } from '../../../lib/layout.js'
import type { Handle } from '../jbd2/handle.js'
import { changeUsers, hasEaInodes, type LargeValue, readEaInode } from './ea-inode.js'
import type { Volume } from './volume.js'
import type { XattrName } from './xattr-namespace.js'

/** struct ext4_xattr_entry; the name follows. Kernel docs: ext4, "Extended Attributes". Little-endian. */
export const XattrEntry = layout('ext4_xattr_entry', 16, {
  e_name_len: u8(0x0),
  e_name_index: u8(0x1),
  e_value_offs: le16(0x2),
  e_value_inum: le32(0x4),
  e_value_size: le32(0x8),
  e_hash: le32(0xc),
})

/** Entries and values begin at multiples of it, bytes. */
const PAD = 4
/** Four zero bytes end the entries. */
export const END_SIZE = 4

const padded = (size: number): number => Math.ceil(size / PAD) * PAD

/** One attribute, taken out of where it stood. */
export interface Xattr extends XattrName {
  /** Empty when it is `large`. */
  readonly value: Uint8Array
  readonly large?: LargeValue
  /** e_hash. */
  readonly hash: number
}

/** Attributes in an inode or in a block: entries from the start, values from the end towards them. */
export interface XattrArea {
  readonly view: DataView
  readonly bytes: Uint8Array
  /** The first entry. */
  readonly first: number
  /** What e_value_offs counts from. */
  readonly base: number
  readonly end: number
  readonly volume: Volume
  /** Throws CorruptError. */
  readonly corrupt: (field: string, found: number, expected: string) => never
}

/** The value, a view into the area; undefined when the attribute is not there. Throws CorruptError. */
export function findValue(area: XattrArea, { index, name }: XattrName): Uint8Array | undefined {
  const { view } = area
  for (let at = area.first; !isEnd(area, at); at = nextEntry(area, at)) {
    if (XattrEntry.e_name_index.get(view, at) !== index) continue
    if (XattrEntry.e_name_len.get(view, at) !== name.length || !nameIs(area, at, name)) continue
    const large = largeAt(area, at)
    return large === undefined ? valueAt(area, at) : readEaInode(area.volume, large)
  }
  return undefined
}

/** Copies of all attributes. Throws CorruptError. */
export function readEntries(area: XattrArea): Xattr[] {
  const { view, bytes } = area
  const found: Xattr[] = []
  for (let at = area.first; !isEnd(area, at); at = nextEntry(area, at)) {
    const from = at + XattrEntry.SIZE
    const name = bytes.slice(from, from + XattrEntry.e_name_len.get(view, at))
    const entry = {
      index: XattrEntry.e_name_index.get(view, at),
      name,
      hash: XattrEntry.e_hash.get(view, at),
    }
    const large = largeAt(area, at)
    if (large === undefined) found.push({ ...entry, value: valueAt(area, at).slice() })
    else found.push({ ...entry, value: NOTHING, large })
  }
  return found
}

const NOTHING = new Uint8Array(0)

/** Bytes that the attributes need, the end of the entries included. */
export function sizeOf(entries: readonly Xattr[]): number {
  let size = END_SIZE
  for (const { name, value } of entries) size += XattrEntry.SIZE + padded(name.length) + padded(value.length)
  return size
}

/** Fills the area with these attributes, which must fit. */
export function writeEntries(area: XattrArea, entries: readonly Xattr[]): void {
  const { view, bytes, base } = area
  bytes.fill(0, area.first, area.end)
  let at = area.first
  let free = area.end
  for (const { index, name, value, large, hash } of entries) {
    XattrEntry.e_name_len.set(view, at, name.length)
    XattrEntry.e_name_index.set(view, at, index)
    XattrEntry.e_value_inum.set(view, at, large?.ino ?? 0)
    XattrEntry.e_value_size.set(view, at, large?.size ?? value.length)
    XattrEntry.e_hash.set(view, at, hash)
    bytes.set(name, at + XattrEntry.SIZE)
    if (value.length > 0) {
      free -= padded(value.length)
      XattrEntry.e_value_offs.set(view, at, free - base)
      bytes.set(value, free)
    }
    at += XattrEntry.SIZE + padded(name.length)
  }
}

/** The h_hash of a block with these attributes; 0 when one has the e_hash 0: such a block is not shared. */
export function blockHash(entries: readonly Xattr[]): number {
  let hash = 0
  for (const entry of entries) {
    if (entry.hash === 0) return 0
    hash = (hash << 16) ^ (hash >>> 16) ^ entry.hash
  }
  return hash >>> 0
}

/** e_hash: of the name's bytes, then of the value's words, the last one filled up with zeroes. */
export function entryHash(name: Uint8Array, value: Uint8Array): number {
  let hash = 0
  for (const byte of name) hash = (hash << 5) ^ (hash >>> 27) ^ byte
  for (let at = 0; at < value.length; at += 4) {
    const word =
      value[at]! | ((value[at + 1] ?? 0) << 8) | ((value[at + 2] ?? 0) << 16) | ((value[at + 3] ?? 0) << 24)
    hash = (hash << 16) ^ (hash >>> 16) ^ word
  }
  return hash >>> 0
}

/** Counts the users of large values anew, where `before` becomes `after`. */
export function countLargeUsers(
  handle: Handle,
  volume: Volume,
  before: readonly Xattr[],
  after: readonly Xattr[],
): void {
  if (!hasEaInodes(volume)) return
  const changes = new Map<number, number>()
  for (const { large } of after) if (large) changes.set(large.ino, (changes.get(large.ino) ?? 0) + 1)
  for (const { large } of before) if (large) changes.set(large.ino, (changes.get(large.ino) ?? 0) - 1)
  for (const [ino, count] of changes) {
    if (count !== 0) changeUsers(handle, volume, ino, count)
  }
}

/** The order of entries in a block: by index, then length of name, then name. */
export function compareNames(a: XattrName, b: XattrName): number {
  return a.index - b.index || a.name.length - b.name.length || Buffer.compare(a.name, b.name)
}

export function sameName(a: XattrName, b: XattrName): boolean {
  return compareNames(a, b) === 0
}

function isEnd(area: XattrArea, at: number): boolean {
  if (at + END_SIZE > area.end) area.corrupt('entries', at - area.first, 'an end within the area')
  return area.view.getUint32(at, true) === 0
}

function nextEntry(area: XattrArea, at: number): number {
  const length = XattrEntry.e_name_len.get(area.view, at)
  return at + XattrEntry.SIZE + padded(length)
}

function nameIs(area: XattrArea, at: number, name: Uint8Array): boolean {
  const from = at + XattrEntry.SIZE
  if (from + name.length > area.end) area.corrupt('e_name_len', name.length, 'a name within the area')
  for (let index = 0; index < name.length; index++) {
    if (area.bytes[from + index] !== name[index]) return false
  }
  return true
}

function largeAt(area: XattrArea, at: number): LargeValue | undefined {
  const ino = XattrEntry.e_value_inum.get(area.view, at)
  if (ino === 0) return undefined
  if (!hasEaInodes(area.volume)) area.corrupt('e_value_inum', ino, '0 without the feature ea_inode')
  return { ino, size: XattrEntry.e_value_size.get(area.view, at) }
}

function valueAt(area: XattrArea, at: number): Uint8Array {
  const { view, bytes } = area
  if (nextEntry(area, at) + END_SIZE > area.end) {
    area.corrupt('e_name_len', XattrEntry.e_name_len.get(view, at), 'a name within the area')
  }
  const size = XattrEntry.e_value_size.get(view, at)
  if (size === 0) return bytes.subarray(0, 0)
  const offset = XattrEntry.e_value_offs.get(view, at)
  const start = area.base + offset
  if (start < nextEntry(area, at) + END_SIZE || start + size > area.end) {
    area.corrupt('e_value_offs', offset, `a value of ${size} bytes within the area`)
  }
  return bytes.subarray(start, start + size)
}

import { xattrBlockChecksum } from '../checksum.js'
import { INCOMPAT } from '../features.js'
import { XATTR_MAGIC, XattrHeader } from '../xattr-block.js'
import { XattrEntry as Entry } from '../xattr-entry.js'
import type { FsckContext } from './context.js'
import type { Place } from './problem.js'

/** The attributes of one inode or block: entries from `at`, values at `base` plus their offsets, all before `end`. */
interface Attributes {
  readonly view: DataView
  readonly at: number
  readonly base: number
  readonly end: number
  /** Of an inode, where an e_hash of 0 means none; else of a block, where every name has an index. */
  readonly isInInode: boolean
  readonly place: Place
}

/** Attributes behind the fields of the inode at `at`, from `from` on. */
export function checkInodeXattrs(
  ctx: FsckContext,
  view: DataView,
  at: number,
  from: number,
  ino: number,
): void {
  const end = at + ctx.geometry.inodeSize
  if (from + 4 > end || view.getUint32(from, true) !== XATTR_MAGIC) return
  const fault = attributesFault(ctx, {
    view,
    at: from + 4,
    base: from + 4,
    end,
    isInInode: true,
    place: { ino },
  })
  if (fault !== undefined) ctx.error('bad-xattr', Entry.NAME, fault, { ino })
}

/** The attribute block of `ino`, claimed and checked with its first user; each user is counted. */
export function checkXattrBlock(ctx: FsckContext, block: number, ino: number): void {
  const { geometry, medium } = ctx
  const place = { ino, block }
  if (!ctx.isFileBlock(block)) {
    ctx.error('bad-block-number', 'ext4_inode', `i_file_acl ${block} is outside of the file system`, { ino })
    return
  }
  const users = ctx.xattrUsers.get(block)
  ctx.xattrUsers.set(block, (users ?? 0) + 1)
  if (users !== undefined) return
  if (ctx.claims.claim(block, 1) >= 0) {
    ctx.error(
      'multiply-claimed',
      'ext4_xattr_header',
      `block ${block} is in use by metadata or another file`,
      place,
    )
    return
  }
  medium.open(block)
  const { view, bytes, at } = medium
  if (XattrHeader.h_magic.get(view, at) !== XATTR_MAGIC || XattrHeader.h_blocks.get(view, at) !== 1) {
    ctx.error('bad-xattr', 'ext4_xattr_header', 'h_magic or h_blocks is wrong', place)
    return
  }
  if (geometry.hasMetadataCsum) {
    const expected = xattrBlockChecksum(geometry.checksumSeed, block, bytes, at, geometry.blockSize)
    const found = XattrHeader.h_checksum.get(view, at)
    if (found !== expected) {
      ctx.error('bad-checksum', 'ext4_xattr_header', `h_checksum is ${found}, expected ${expected}`, place)
    }
  }
  const end = at + geometry.blockSize
  const from = ctx.largeValues.length
  const first = at + XattrHeader.SIZE
  const fault = attributesFault(ctx, { view, at: first, base: at, end, isInInode: false, place })
  if (ctx.largeValues.length > from) ctx.largeValuesOfBlock.set(block, ctx.largeValues.slice(from))
  if (fault !== undefined) ctx.error('bad-xattr', Entry.NAME, fault, place)
}

/** h_refcount of every attribute block against the users found. */
export function checkXattrUsers(ctx: FsckContext): void {
  for (const [block, users] of ctx.xattrUsers) {
    ctx.medium.open(block)
    const { view, at } = ctx.medium
    const stated = XattrHeader.h_refcount.get(view, at)
    if (XattrHeader.h_magic.get(view, at) !== XATTR_MAGIC || stated === users) continue
    ctx.error('bad-xattr', 'ext4_xattr_header', `h_refcount is ${stated}, found ${users} users`, { block })
  }
}

function attributesFault(ctx: FsckContext, attributes: Attributes): string | undefined {
  const { view, base, end, isInInode, place } = attributes
  const values: [number, number][] = []
  let at = attributes.at
  for (;;) {
    if (at + 4 > end) return 'the entries do not end'
    if (view.getUint32(at, true) === 0) break
    const nameLength = Entry.e_name_len.get(view, at)
    const next = at + Entry.SIZE + ((nameLength + 3) & ~3)
    if (next > end) return `an entry with a name of ${nameLength} bytes leaves the attributes`
    if (!isInInode && Entry.e_name_index.get(view, at) === 0) return 'e_name_index is 0'
    const size = Entry.e_value_size.get(view, at)
    const ino = Entry.e_value_inum.get(view, at)
    if (ino !== 0) {
      if ((ctx.geometry.incompat & INCOMPAT.ea_inode) === 0)
        return 'a value in an inode without the feature ea_inode'
      const nameHashes = NAME_SHIFTS.map((shift) => nameHash(view, at, nameLength, shift))
      ctx.largeValues.push({ ino, size, hash: Entry.e_hash.get(view, at), nameHashes, place })
      at = next
      continue
    }
    const start = base + Entry.e_value_offs.get(view, at)
    // The offset has to be right where the value is empty, too.
    const stop = start + Math.ceil(size / 4) * 4
    if (stop > end) return `a value of ${size} bytes leaves the attributes`
    if (size > 0) values.push([start, stop])
    const isUnhashed = isInInode && Entry.e_hash.get(view, at) === 0
    if (!isUnhashed && !hashIsRight(view, at, nameLength, start, size)) return 'e_hash is wrong'
    at = next
  }
  return valuesOverlap(values, at + 4) ? 'a value lies upon entries or another value' : undefined
}

function valuesOverlap(values: [number, number][], entriesEnd: number): boolean {
  values.sort((a, b) => a[0] - b[0])
  let free = entriesEnd
  for (const [start, stop] of values) {
    if (start < free) return true
    free = stop
  }
  return false
}

/** Characters of a name are unsigned in its hash, or signed as some kernels had it. */
const NAME_SHIFTS = [0, 24]

function nameHash(view: DataView, at: number, nameLength: number, shift: number): number {
  let hash = 0
  for (let index = 0; index < nameLength; index++) {
    const char = (view.getUint8(at + Entry.SIZE + index) << shift) >> shift
    hash = (hash << 5) ^ (hash >>> 27) ^ char
  }
  return hash
}

/** e_hash over name and value, with what stands behind it in its last word. */
function hashIsRight(
  view: DataView,
  at: number,
  nameLength: number,
  valueAt: number,
  valueSize: number,
): boolean {
  const found = Entry.e_hash.get(view, at)
  return NAME_SHIFTS.some((shift) => {
    let hash = nameHash(view, at, nameLength, shift)
    for (let offset = 0; offset < valueSize; offset += 4)
      hash = (hash << 16) ^ (hash >>> 16) ^ view.getInt32(valueAt + offset, true)
    return hash >>> 0 === found
  })
}

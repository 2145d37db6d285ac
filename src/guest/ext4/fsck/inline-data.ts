import { S_IFDIR, S_IFLNK, S_IFMT } from '../../vfs/attributes.js'
import { EXTENTS_FL, GOOD_OLD_INODE_SIZE, INDEX_FL, RawInode } from '../raw-inode.js'
import { XATTR_MAGIC } from '../xattr-block.js'
import { XattrEntry as Entry } from '../xattr-entry.js'
import type { FsckContext } from './context.js'
import type { ScannedInode } from './inode-scan.js'

/** e_name_index and name of the attribute whose value goes on where i_block ends. */
const INDEX_SYSTEM = 7
const NAME = Buffer.from('data')
const BASE = RawInode.i_block.size

/** Where the value of system.data stands: offset from the start of the inode, and bytes. */
export interface InlineValue {
  readonly offset: number
  readonly size: number
}

/** An inode whose content stands in itself: it has system.data, no blocks, and a directory the size of both parts. */
export function checkInlineData(ctx: FsckContext, inode: ScannedInode): void {
  const { ino, view, at, size, flags, mode } = inode
  const place = { ino }
  const value = findInlineValue(ctx, view, at)
  if (value === undefined) {
    ctx.error(
      'bad-inline-data',
      'ext4_inode',
      'EXT4_INLINE_DATA_FL is set, but there is no system.data',
      place,
    )
    return
  }
  if ((flags & (EXTENTS_FL | INDEX_FL)) !== 0) {
    ctx.error('bad-inline-data', 'ext4_inode', 'inline data with an extent tree or an index', place)
  }
  const type = mode & S_IFMT
  if (type === S_IFDIR && size !== BASE + value.size) {
    const message = `i_size of an inline directory is ${size}, expected ${BASE + value.size}`
    ctx.error('bad-size', 'ext4_inode', message, place)
  }
  if (type === S_IFLNK) {
    const target = inlineContent(inode, value)
    if (size === 0 || size > target.length || target.subarray(0, size).includes(0))
      ctx.error(
        'bad-symlink',
        'ext4_inode',
        'the target of the symbolic link is not i_size bytes long',
        place,
      )
  }
}

/** system.data of the inode at `at`; undefined when it has none that stands within the inode. */
export function findInlineValue(ctx: FsckContext, view: DataView, at: number): InlineValue | undefined {
  const { inodeSize } = ctx.geometry
  const end = at + inodeSize
  if (inodeSize === GOOD_OLD_INODE_SIZE) return undefined
  const header = at + GOOD_OLD_INODE_SIZE + RawInode.i_extra_isize.get(view, at)
  if (header + 8 > end || view.getUint32(header, true) !== XATTR_MAGIC) return undefined
  const first = header + 4
  for (let entry = first; entry + Entry.SIZE <= end && view.getUint32(entry, true) !== 0; ) {
    const length = Entry.e_name_len.get(view, entry)
    const name = entry + Entry.SIZE
    if (name + length > end) return undefined
    if (Entry.e_name_index.get(view, entry) === INDEX_SYSTEM && isName(view, name, length)) {
      const size = Entry.e_value_size.get(view, entry)
      const offset = first - at + Entry.e_value_offs.get(view, entry)
      if (Entry.e_value_inum.get(view, entry) !== 0 || at + offset + size > end) return undefined
      return { offset, size }
    }
    entry = name + ((length + 3) & ~3)
  }
  return undefined
}

function isName(view: DataView, at: number, length: number): boolean {
  return length === NAME.length && NAME.every((byte, index) => view.getUint8(at + index) === byte)
}

function inlineContent({ bytes, at }: ScannedInode, { offset, size }: InlineValue): Uint8Array {
  const block = at + RawInode.i_block.offset
  return Buffer.concat([bytes.subarray(block, block + BASE), bytes.subarray(at + offset, at + offset + size)])
}

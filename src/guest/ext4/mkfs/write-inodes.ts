import { S_IFDIR, S_IFREG } from '../../vfs/attributes.js'
import { inodeChecksum, inodeSeed } from '../checksum.js'
import { ENTRY_SIZE, EXTENT_MAGIC, Extent, ExtentHeader, ROOT_ENTRIES } from '../extent.js'
import { EXTENTS_FL, GOOD_OLD_INODE_SIZE, RawInode } from '../raw-inode.js'
import { FIRST_INO, JOURNAL_INO, RESIZE_INO, ROOT_INO } from '../superblock.js'
import { writeExtentLeaf } from './extent-leaf.js'
import { INODE_SIZE } from './geometry.js'
import type { ImageWriter, Owner, Scratch } from './image-writer.js'
import { resizeInodeBlocks, resizeInodeSize } from './resize-inode.js'
import type { Run } from './used-space.js'

/** The first inode that is not reserved. */
export const LOST_FOUND_INO = FIRST_INO
export const ORPHAN_FILE_INO = FIRST_INO + 1
const BAD_BLOCKS_INO = 1
/** Bytes in use behind the first 128: all fields of {@link RawInode}. */
export const EXTRA_ISIZE = RawInode.SIZE - GOOD_OLD_INODE_SIZE

interface NewFile {
  readonly mode: number
  readonly links: number
  /** Bytes. */
  readonly size: number
  /** File system blocks held. */
  readonly blocks: number
}

/** Writes the inodes that a new file system has, and makes the rest of all inode tables zero. */
export function writeInodes(writer: ImageWriter): void {
  const { geometry, placement } = writer
  const perBlock = geometry.blockSize / INODE_SIZE
  const used = placement.orphanFile.length > 0 ? ORPHAN_FILE_INO : LOST_FOUND_INO
  const first = writer.scratch(Math.ceil(used / perBlock))
  fillBadBlocks(writer, first)
  fillDirectory(writer, first, ROOT_INO, { mode: 0o755, links: 3, runs: placement.root })
  fillOwner(first, ROOT_INO, writer.identity.rootOwner)
  fillDirectory(writer, first, LOST_FOUND_INO, { mode: 0o700, links: 2, runs: placement.lostFound })
  fillResizeInode(writer, first)
  if (placement.journal.length > 0)
    fillFile(writer, first, JOURNAL_INO, placement.journal, placement.journalExtents)
  if (placement.orphanFile.length > 0) fillFile(writer, first, ORPHAN_FILE_INO, placement.orphanFile, 0)
  for (let ino = 1; ino <= used; ino++) seal(writer, first, ino)

  for (let group = 0; group < geometry.groupCount; group++) {
    const written = group === 0 ? first.bytes.length / geometry.blockSize : 0
    writer.zero(placement.inodeTables[group]! + written, geometry.inodeTableBlocks - written)
  }
  writer.write(placement.inodeTables[0]!, first.bytes)
}

/** The 15 words of the journal inode's i_block, then its size: what s_jnl_blocks keeps a copy of. */
export function journalBackup(writer: ImageWriter): Uint8Array {
  const { placement, geometry } = writer
  const scratch = writer.scratch(1)
  const backup = new Uint8Array(68)
  const blocks = count(placement.journal)
  fillExtents(scratch, 0, placement.journal, placement.journalExtents)
  backup.set(RawInode.i_block.get(scratch.view, 0))
  const view = new DataView(backup.buffer)
  const size = blocks * geometry.blockSize
  view.setUint32(60, Math.floor(size / 0x1_0000_0000), true)
  view.setUint32(64, size >>> 0, true)
  return backup
}

export function count(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + run.end - run.start, 0)
}

function place(ino: number): number {
  return (ino - 1) * INODE_SIZE
}

function fill(writer: ImageWriter, { view }: Scratch, ino: number, file: NewFile): void {
  const at = place(ino)
  const { geometry, identity } = writer
  const seconds = identity.now.sec >>> 0
  const extra = timeExtra(writer)
  RawInode.i_mode.set(view, at, file.mode)
  RawInode.i_size_lo.set(view, at, file.size >>> 0)
  RawInode.i_size_high.set(view, at, Math.floor(file.size / 0x1_0000_0000))
  RawInode.i_links_count.set(view, at, file.links)
  RawInode.i_blocks_lo.set(view, at, file.blocks * (geometry.blockSize / 512))
  RawInode.i_extra_isize.set(view, at, EXTRA_ISIZE)
  for (const field of [RawInode.i_atime, RawInode.i_ctime, RawInode.i_mtime, RawInode.i_crtime]) {
    field.set(view, at, seconds)
  }
  for (const field of [
    RawInode.i_atime_extra,
    RawInode.i_ctime_extra,
    RawInode.i_mtime_extra,
    RawInode.i_crtime_extra,
  ]) {
    field.set(view, at, extra)
  }
}

/** Nanoseconds, and bits 32 and 33 of the seconds. Kernel docs: ext4, "Inode Timestamps". */
function timeExtra({ identity: { now } }: ImageWriter): number {
  const epoch = Math.floor((now.sec - (now.sec | 0)) / 0x1_0000_0000) & 3
  return ((now.nsec << 2) | epoch) >>> 0
}

function fillDirectory(
  writer: ImageWriter,
  scratch: Scratch,
  ino: number,
  directory: { mode: number; links: number; runs: readonly Run[] },
): void {
  const blocks = count(directory.runs)
  const size = blocks * writer.geometry.blockSize
  fill(writer, scratch, ino, { mode: S_IFDIR | directory.mode, links: directory.links, size, blocks })
  fillExtents(scratch, place(ino), directory.runs, 0)
}

function fillOwner({ view }: Scratch, ino: number, { uid, gid }: Owner): void {
  const at = place(ino)
  RawInode.i_uid.set(view, at, uid & 0xffff)
  RawInode.l_i_uid_high.set(view, at, uid >>> 16)
  RawInode.i_gid.set(view, at, gid & 0xffff)
  RawInode.l_i_gid_high.set(view, at, gid >>> 16)
}

function fillFile(
  writer: ImageWriter,
  scratch: Scratch,
  ino: number,
  runs: readonly Run[],
  leaf: number,
): void {
  const blocks = count(runs)
  const size = blocks * writer.geometry.blockSize
  fill(writer, scratch, ino, { mode: S_IFREG | 0o600, links: 1, size, blocks: blocks + (leaf === 0 ? 0 : 1) })
  fillExtents(scratch, place(ino), runs, leaf)
}

/** No blocks are bad: only its times are set, as mke2fs does. */
function fillBadBlocks(writer: ImageWriter, { view }: Scratch): void {
  const at = place(BAD_BLOCKS_INO)
  for (const field of [RawInode.i_atime, RawInode.i_ctime, RawInode.i_mtime]) {
    field.set(view, at, writer.identity.now.sec >>> 0)
  }
}

function fillResizeInode(writer: ImageWriter, scratch: Scratch): void {
  const blocks = resizeInodeBlocks(writer.geometry)
  const size = resizeInodeSize(writer.geometry.blockSize)
  fill(writer, scratch, RESIZE_INO, { mode: S_IFREG | 0o600, links: 1, size, blocks })
  // The double-indirect pointer, i_block[13].
  scratch.view.setUint32(
    place(RESIZE_INO) + RawInode.i_block.offset + 13 * 4,
    writer.placement.resizeDind,
    true,
  )
}

/** The extent tree's root: the extents themselves, or one index entry naming the leaf block. */
function fillExtents({ view }: Scratch, at: number, runs: readonly Run[], leaf: number): void {
  const root = at + RawInode.i_block.offset
  RawInode.i_flags.set(view, at, EXTENTS_FL)
  if (leaf === 0) {
    writeExtentLeaf(view, root, runs, ROOT_ENTRIES)
    return
  }
  ExtentHeader.eh_magic.set(view, root, EXTENT_MAGIC)
  ExtentHeader.eh_entries.set(view, root, 1)
  ExtentHeader.eh_max.set(view, root, ROOT_ENTRIES)
  ExtentHeader.eh_depth.set(view, root, 1)
  Extent.ee_block.set(view, root + ENTRY_SIZE, 0)
  view.setUint32(root + ENTRY_SIZE + 4, leaf, true)
}

function seal(writer: ImageWriter, { bytes, view }: Scratch, ino: number): void {
  const at = place(ino)
  const sum = inodeChecksum(inodeSeed(writer.checksumSeed, ino, 0), bytes, at, INODE_SIZE)
  RawInode.l_i_checksum_lo.set(view, at, sum & 0xffff)
  if (RawInode.i_extra_isize.get(view, at) >= 4) RawInode.i_checksum_hi.set(view, at, sum >>> 16)
}

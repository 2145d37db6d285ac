import { endOfNonZero } from '../../../../lib/zeroes.js'
import { S_IFMT, S_IFREG } from '../../vfs/attributes.js'
import { inodeSeed, orphanBlockChecksum } from '../checksum.js'
import { COMPAT, INCOMPAT, RO_COMPAT } from '../features.js'
import { RawInode } from '../raw-inode.js'
import { SuperBlock } from '../superblock.js'
import type { FsckContext } from './context.js'
import { BlockList, walkBlocks } from './inode-blocks.js'

const ORPHAN_MAGIC = 0x0b10ca04
/** Bytes at the end of a block of the orphan file: magic and checksum. */
const TAIL = 8
/** mke2fs makes at most 512 blocks; tune2fs takes up to this many. */
const MOST_BLOCKS = 65536

/**
 * Collects the inodes that a mount will delete or truncate, from the list that begins in the superblock and from
 * the orphan file. Before recovery they are as they should be. Kernel docs: ext4, "Orphan file".
 */
export function findOrphans(ctx: FsckContext, superblock: { view: DataView; at: number }): void {
  followList(ctx, SuperBlock.s_last_orphan.get(superblock.view, superblock.at))
  checkFeatures(ctx)
  if ((ctx.geometry.compat & COMPAT.orphan_file) !== 0) readOrphanFile(ctx, ctx.orphanFile)
  for (const ino of ctx.orphans) {
    ctx.problem('orphan', 'note', 'ext4_inode', 'is deleted or truncated at the next mount', { ino })
  }
}

function checkFeatures(ctx: FsckContext): void {
  const { compat, roCompat } = ctx.geometry
  const refuse = (message: string) => ctx.error('bad-flag', 'ext4_super_block', message)
  if ((compat & COMPAT.orphan_file) === 0) {
    if (ctx.orphanFile !== 0) {
      const message = `s_orphan_file_inum is ${ctx.orphanFile} without the feature orphan_file`
      const severity = isFile(ctx, ctx.orphanFile) ? 'error' : 'warning'
      ctx.problem('bad-flag', severity, 'ext4_super_block', message)
    }
    if ((roCompat & RO_COMPAT.orphan_present) !== 0) refuse('orphan_present is set without orphan_file')
  } else if ((compat & COMPAT.has_journal) === 0) refuse('orphan_file is set without has_journal')
}

/** Inodes that are known for what they are: bad blocks, the root, quota files, the journal. */
const KNOWN_INOS: readonly number[] = [1, 2, 3, 4, 8]

/** Whether the inode is in use by a file, which then is taken for an orphan file. */
function isFile(ctx: FsckContext, ino: number): boolean {
  if (KNOWN_INOS.includes(ino) || !ctx.openInode(ino)) return false
  return RawInode.i_links_count.get(ctx.medium.view, ctx.medium.at) !== 0
}

/** Inodes on the list are linked by i_dtime. */
function followList(ctx: FsckContext, head: number): void {
  for (let ino = head; ino !== 0; ) {
    if (!addOrphan(ctx, ino, 'orphan list') || !ctx.openInode(ino)) return
    ino = RawInode.i_dtime.get(ctx.medium.view, ctx.medium.at)
  }
}

function addOrphan(ctx: FsckContext, ino: number, structure: string): boolean {
  if (ctx.orphans.has(ino)) {
    ctx.error('bad-orphan', structure, `inode ${ino} is listed twice`, { ino })
    return false
  }
  if (ino < ctx.geometry.firstIno || ino > ctx.geometry.inodesCount || ctx.indexOf(ino) < 0) {
    ctx.error('bad-orphan', structure, `${ino} cannot be an orphan`)
    return false
  }
  ctx.orphans.add(ino)
  return true
}

function readOrphanFile(ctx: FsckContext, ino: number): void {
  const { geometry, medium } = ctx
  if (!ctx.openInode(ino) || (RawInode.i_mode.get(medium.view, medium.at) & S_IFMT) !== S_IFREG) {
    ctx.error('bad-orphan', 'ext4_super_block', `s_orphan_file_inum is ${ino}`)
    return
  }
  const { view, at } = medium
  const seed = inodeSeed(geometry.checksumSeed, ino, RawInode.i_generation.get(view, at))
  const size = RawInode.i_size_lo.get(view, at)
  const list = new BlockList(Math.min(size / geometry.blockSize, MOST_BLOCKS) | 0)
  walkBlocks(ctx, { view, at, seed }, list)
  const before = ctx.orphans.size
  for (const block of list.physical) {
    if (block === 0) ctx.error('bad-orphan', 'orphan file', 'has a hole', { ino })
    else readBlock(ctx, block, ino, seed)
  }
  const isPresent = (geometry.roCompat & RO_COMPAT.orphan_present) !== 0
  const isMounted = (geometry.incompat & INCOMPAT.needs_recovery) !== 0
  if (ctx.orphans.size > before) {
    if (!isPresent)
      ctx.error('bad-orphan', 'orphan file', 'has entries, but orphan_present is not set', { ino })
  } else if (isPresent && !isMounted) {
    ctx.error('bad-orphan', 'orphan file', 'is empty, but orphan_present is set', { ino })
  }
}

function readBlock(ctx: FsckContext, block: number, ino: number, seed: number): void {
  const { geometry, medium } = ctx
  medium.open(block)
  const { view, bytes, at } = medium
  const tail = geometry.blockSize - TAIL
  const place = { ino, block }
  const magic = view.getUint32(at + tail, true)
  if (magic !== ORPHAN_MAGIC) {
    ctx.error('bad-orphan', 'ext4_orphan_block_tail', `ob_magic is ${magic}, expected ${ORPHAN_MAGIC}`, place)
    return
  }
  if (geometry.hasMetadataCsum) {
    const expected = orphanBlockChecksum(seed, block, bytes, at, tail)
    const found = view.getUint32(at + tail + 4, true)
    if (found !== expected) {
      ctx.error(
        'bad-checksum',
        'ext4_orphan_block_tail',
        `ob_checksum is ${found}, expected ${expected}`,
        place,
      )
      return
    }
  }
  for (let offset = at, end = endOfNonZero(bytes, at, at + tail); offset < end; offset += 4) {
    const orphan = view.getUint32(offset, true)
    if (orphan !== 0) addOrphan(ctx, orphan, 'orphan file')
  }
}

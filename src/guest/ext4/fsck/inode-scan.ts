import { setBits, testBit } from '../../../../lib/bitmap.js'
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../../vfs/attributes.js'
import { hasHighChecksum, inodeChecksum, inodeSeed } from '../checksum.js'
import { fileType } from '../dir-entry.js'
import { COMPAT, INCOMPAT } from '../features.js'
import { indirectLimit } from '../file-limits.js'
import {
  EA_INODE_FL,
  EXTENTS_FL,
  GOOD_OLD_INODE_SIZE,
  HUGE_FILE_FL,
  INDEX_FL,
  INLINE_DATA_FL,
  RawInode,
} from '../raw-inode.js'
import { RESIZE_INO, ROOT_INO } from '../superblock.js'
import type { FsckContext } from './context.js'
import type { LargeValue } from './ea-inodes.js'
import { checkInlineData } from './inline-data.js'
import { InodeBlocks, walkBlocks } from './inode-blocks.js'
import { checkJournal } from './journal.js'
import { hasResizeInode, hex } from './metadata.js'
import type { QuotaCheck } from './quotas.js'
import { checkResizeInode } from './resize-inode.js'
import { checkSymlink, isFastSymlink } from './symlink.js'
import { checkInodeXattrs, checkXattrBlock } from './xattrs.js'

/** Logical block numbers have 32 bits. */
const MOST_LOGICAL_BLOCKS = 0x1_0000_0000
/** i_flags of features with which nothing is checked: ENCRYPT, IMAGIC, CASEFOLD. */
const FOREIGN_FLAGS = 0x800 | 0x2000 | 0x40000000

const BAD_BLOCKS_INO = 1

/** An inode in use, where it stands. */
export interface ScannedInode {
  readonly ino: number
  readonly view: DataView
  readonly bytes: Uint8Array
  readonly at: number
  readonly mode: number
  readonly flags: number
  /** Bytes. */
  readonly size: number
  /** Units of 512 bytes. */
  readonly sectors: number
  readonly xattrBlock: number
  /** Checksum seed of what belongs to it. */
  readonly seed: number
}

/** Reads the inode tables: every inode by itself, and the blocks of all. */
export class InodeScan {
  readonly #ctx: FsckContext
  readonly #blocks: InodeBlocks
  readonly #quotas: QuotaCheck
  /** s_journal_inum is a file in use. */
  foundJournal = false

  constructor(ctx: FsckContext, quotas: QuotaCheck) {
    this.#ctx = ctx
    this.#quotas = quotas
    this.#blocks = new InodeBlocks(ctx)
  }

  run(): void {
    const { geometry, groups, medium } = this.#ctx
    for (let group = 0; group < geometry.groupCount; group++) {
      const table = groups.inodeTable[group]!
      const inodes = groups.initialised(group)
      if (table === 0) continue
      const perBlock = geometry.blockSize / geometry.inodeSize
      for (let index = 0; index < inodes; index += perBlock) {
        medium.open(table + index / perBlock)
        const { view, bytes, at } = medium
        const end = Math.min(perBlock, inodes - index)
        for (let slot = 0; slot < end; slot++) {
          this.#examine(
            group * geometry.inodesPerGroup + index + slot + 1,
            view,
            bytes,
            at + slot * geometry.inodeSize,
          )
        }
      }
    }
  }

  #examine(ino: number, view: DataView, bytes: Uint8Array, at: number): void {
    const ctx = this.#ctx
    const reserved = ino < ctx.geometry.firstIno
    const mode = RawInode.i_mode.get(view, at)
    const links = RawInode.i_links_count.get(view, at)
    const orphan = ctx.orphans.size > 0 && ctx.orphans.has(ino)
    if (reserved) this.#use(ino)
    if (ino === BAD_BLOCKS_INO) this.#claimBadBlocks(ino, view, at)
    if (mode === 0 && links === 0) {
      if (orphan) ctx.error('bad-orphan', 'ext4_inode', 'is listed as an orphan, but not in use', { ino })
      if (ino === ROOT_INO) ctx.error('bad-mode', 'ext4_inode', 'the root is not a directory', { ino })
      return
    }
    this.#checkChecksum(ino, view, bytes, at)
    const dtime = RawInode.i_dtime.get(view, at)
    if (links === 0 && !orphan) {
      if (dtime === 0 && !reserved)
        ctx.error('bad-dtime', 'ext4_inode', 'is deleted, but i_dtime is 0', { ino })
      return
    }
    if (!reserved) this.#use(ino)
    // e2fsck asks no more of the file system's own inodes than that they are not linked as orphans are.
    if (dtime !== 0 && !orphan && (dtime < ctx.geometry.inodesCount || !this.#isSpecial(ino)))
      ctx.error('bad-dtime', 'ext4_inode', 'is in use, but i_dtime is set', { ino })
    const index = ctx.indexOf(ino)
    ctx.linksStated[index] = links
    ctx.fileType[index] = fileType(mode)
    if (ctx.fileType[index] === 0) {
      ctx.error('bad-mode', 'ext4_inode', `i_mode is 0${mode.toString(8)}`, { ino })
      return
    }
    const inode = this.#read(ino, view, bytes, at)
    // e2fsck tells of what it calls a bad inode where it meets its name.
    const isPassedOver = this.#isNameless(ino, inode.flags) && !ctx.isFileBlock(inode.xattrBlock)
    this.#checkInUse(isPassedOver ? { ...inode, xattrBlock: 0 } : inode)
  }

  /** The blocks that the disk cannot hold; they are no file's. */
  #claimBadBlocks(ino: number, view: DataView, at: number): void {
    this.#blocks.begin(ino, false)
    walkBlocks(this.#ctx, { view, at, seed: 0 }, this.#blocks)
  }

  #read(ino: number, view: DataView, bytes: Uint8Array, at: number): ScannedInode {
    const { geometry } = this.#ctx
    const flags = RawInode.i_flags.get(view, at)
    const blocks = RawInode.i_blocks_lo.get(view, at) + RawInode.l_i_blocks_high.get(view, at) * 0x1_0000_0000
    return {
      ino,
      view,
      bytes,
      at,
      mode: RawInode.i_mode.get(view, at),
      flags,
      size: RawInode.i_size_lo.get(view, at) + RawInode.i_size_high.get(view, at) * 0x1_0000_0000,
      sectors: (flags & HUGE_FILE_FL) !== 0 ? blocks * (geometry.blockSize / 512) : blocks,
      xattrBlock:
        RawInode.i_file_acl_lo.get(view, at) + RawInode.l_i_file_acl_high.get(view, at) * 0x1_0000_0000,
      seed: inodeSeed(geometry.checksumSeed, ino, RawInode.i_generation.get(view, at)),
    }
  }

  /** An inode of the file system's own, which no directory names; the root is not one. */
  #isSpecial(ino: number): boolean {
    const { geometry, orphanFile } = this.#ctx
    const isReserved = ino < geometry.firstIno && ino !== ROOT_INO
    return isReserved || ino === orphanFile || this.#quotas.isFile(ino)
  }

  /** A special one, or the value of an attribute. */
  #isNameless(ino: number, flags: number): boolean {
    const hasValues = (this.#ctx.geometry.incompat & INCOMPAT.ea_inode) !== 0
    return this.#isSpecial(ino) || (hasValues && (flags & EA_INODE_FL) !== 0)
  }

  /** Marks the inode used, once. */
  #use(ino: number): void {
    const ctx = this.#ctx
    if (testBit(ctx.inodeBitmap, 0, ino - 1)) return
    setBits(ctx.inodeBitmap, 0, ino - 1, ino)
    ctx.usedInodes[ctx.groupOfInode(ino)]!++
  }

  #checkChecksum(ino: number, view: DataView, bytes: Uint8Array, at: number): void {
    const { geometry } = this.#ctx
    if (!geometry.hasMetadataCsum) return
    const seed = inodeSeed(geometry.checksumSeed, ino, RawInode.i_generation.get(view, at))
    const sum = inodeChecksum(seed, bytes, at, geometry.inodeSize)
    const high = hasHighChecksum(bytes, at, geometry.inodeSize)
    const expected = high ? sum : sum & 0xffff
    const low = RawInode.l_i_checksum_lo.get(view, at)
    const found = high ? (low | (RawInode.i_checksum_hi.get(view, at) << 16)) >>> 0 : low
    if (found === expected) return
    this.#ctx.error('bad-checksum', 'ext4_inode', `i_checksum is ${hex(found)}, expected ${hex(expected)}`, {
      ino,
    })
  }

  #checkInUse(inode: ScannedInode): void {
    const ctx = this.#ctx
    const { ino, view, at } = inode
    const values = ctx.largeValues.length
    this.#checkFields(inode)
    const own = ctx.largeValues.slice(values)
    if (inode.xattrBlock !== 0) checkXattrBlock(ctx, inode.xattrBlock, ino)
    const large = [...own, ...(ctx.largeValuesOfBlock.get(inode.xattrBlock) ?? [])]
    this.#quotas.count(inode, large)
    const type = inode.mode & S_IFMT
    const isDirectory = type === S_IFDIR
    if (ino === ROOT_INO && !isDirectory)
      ctx.error('bad-mode', 'ext4_inode', 'the root is not a directory', { ino })
    const blocks = this.#blocks
    blocks.begin(ino, isDirectory)
    const from = ctx.dirBlocks.length
    if (this.#isInline(inode)) {
      checkInlineData(ctx, inode)
      if (isDirectory) this.#foundInlineDirectory(inode)
      this.#checkBlocksCount(inode, large)
      return
    }
    if (ino === RESIZE_INO && hasResizeInode(ctx)) blocks.count = checkResizeInode(ctx, view, at)
    else if (type === S_IFREG || isDirectory || (type === S_IFLNK && !isFastSymlink(ctx, inode))) {
      walkBlocks(ctx, inode, blocks)
    } else this.#checkSpecial(inode)
    if (isDirectory) this.#foundDirectory(inode, from)
    else if (type === S_IFREG) this.#checkSize(inode)
    else if (type === S_IFLNK) checkSymlink(ctx, inode, blocks)
    this.#checkBlocksCount(inode, large)
    if (ino === ctx.journalIno && type === S_IFREG && (ctx.geometry.compat & COMPAT.has_journal) !== 0) {
      this.foundJournal = true
      checkJournal(ctx, blocks.first, blocks.last + 1)
    }
  }

  /** Flags, and i_extra_isize with the attributes behind it. */
  #checkFields({ ino, view, at, flags, mode }: ScannedInode): void {
    const ctx = this.#ctx
    const hasInline = (ctx.geometry.incompat & INCOMPAT.inline_data) !== 0
    const isSpecial = this.#isSpecial(ino)
    if (!isSpecial && (flags & (hasInline ? FOREIGN_FLAGS : FOREIGN_FLAGS | INLINE_DATA_FL)) !== 0) {
      ctx.error(
        'bad-flag',
        'ext4_inode',
        `i_flags ${hex(flags)} of features that the file system does not have`,
        { ino },
      )
    }
    if (RawInode.i_obso_faddr.get(view, at) !== 0 && !this.#isNameless(ino, flags))
      ctx.error('bad-flag', 'ext4_inode', 'i_obso_faddr is not 0', { ino })
    if ((flags & EXTENTS_FL) !== 0 && (ctx.geometry.incompat & INCOMPAT.extent) === 0)
      ctx.error('bad-flag', 'ext4_inode', 'EXT4_EXTENTS_FL is set without the feature extent', { ino })
    if ((flags & INDEX_FL) !== 0 && (mode & S_IFMT) !== S_IFDIR)
      ctx.error('bad-flag', 'ext4_inode', 'EXT4_INDEX_FL is set, but it is no directory', { ino })
    const room = ctx.geometry.inodeSize - GOOD_OLD_INODE_SIZE
    if (room === 0 || isSpecial) return
    const extra = RawInode.i_extra_isize.get(view, at)
    if (extra > room || extra % 4 !== 0) {
      ctx.error(
        'bad-extra-size',
        'ext4_inode',
        `i_extra_isize is ${extra}, expected a multiple of 4 to ${room}`,
        { ino },
      )
      return
    }
    if (extra !== 0) checkInodeXattrs(ctx, view, at, at + GOOD_OLD_INODE_SIZE + extra, ino)
  }

  #checkSize({ ino, size, flags }: ScannedInode): void {
    const { geometry } = this.#ctx
    const { lastWritten, damaged } = this.#blocks
    if (damaged) return
    const least = Math.max(lastWritten, 0) * geometry.blockSize
    const { blockSize } = geometry
    const most =
      (flags & EXTENTS_FL) !== 0 ? MOST_LOGICAL_BLOCKS * blockSize - 1 : indirectLimit(blockSize) * blockSize
    if (size >= least && size <= most) return
    this.#ctx.error('bad-size', 'ext4_inode', `i_size is ${size}, expected ${least} to ${most}`, { ino })
  }

  /** `large`: attributes with values in other inodes, whose clusters count as the inode's own. */
  #checkBlocksCount({ ino, sectors, xattrBlock }: ScannedInode, large: readonly LargeValue[]): void {
    if (this.#blocks.damaged) return
    const { blockSize, clusterRatio } = this.#ctx.geometry
    let clusters = this.#blocks.count + (xattrBlock === 0 ? 0 : 1)
    for (const { size } of large) clusters += Math.ceil(size / (blockSize * clusterRatio))
    const expected = clusters * ((blockSize * clusterRatio) / 512)
    if (sectors === expected) return
    this.#ctx.error('bad-blocks-count', 'ext4_inode', `i_blocks is ${sectors}, expected ${expected}`, { ino })
  }

  #foundDirectory({ ino, size, flags, seed }: ScannedInode, from: number): void {
    const ctx = this.#ctx
    const { blockSize } = ctx.geometry
    ctx.directories[ctx.groupOfInode(ino)]!++
    const expected = (this.#blocks.last + 1) * blockSize
    if (size !== expected && !this.#blocks.damaged) {
      ctx.error('bad-size', 'ext4_inode', `i_size of a directory is ${size}, expected ${expected}`, { ino })
    }
    const indexed = (flags & INDEX_FL) !== 0
    if (indexed && (ctx.geometry.compat & COMPAT.dir_index) === 0) {
      ctx.error('bad-flag', 'ext4_inode', 'EXT4_INDEX_FL is set without the feature dir_index', { ino })
    }
    const blocks = this.#blocks.last + 1
    ctx.dirBlocks.directories.push({ ino, seed, indexed, blocks, from, to: ctx.dirBlocks.length })
  }

  #isInline({ flags }: ScannedInode): boolean {
    return (flags & INLINE_DATA_FL) !== 0 && (this.#ctx.geometry.incompat & INCOMPAT.inline_data) !== 0
  }

  #foundInlineDirectory({ ino, seed }: ScannedInode): void {
    const ctx = this.#ctx
    ctx.directories[ctx.groupOfInode(ino)]!++
    const { length } = ctx.dirBlocks
    const nowhere = { blocks: 0, from: length, to: length }
    ctx.dirBlocks.directories.push({ ino, seed, indexed: false, inline: true, ...nowhere })
  }

  /** Devices, pipes, sockets: no size, no extents. Symbolic links in the inode hold their target there. */
  #checkSpecial({ ino, mode, size, flags }: ScannedInode): void {
    const type = mode & S_IFMT
    if (type !== S_IFCHR && type !== S_IFBLK && type !== S_IFIFO && type !== S_IFSOCK) return
    if (size !== 0 || (flags & (EXTENTS_FL | INDEX_FL)) !== 0) {
      this.#ctx.error(
        'bad-device',
        'ext4_inode',
        `a special file with i_size ${size}, i_flags ${hex(flags)}`,
        { ino },
      )
    }
  }
}

import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import {
  bitmapChecksum,
  dirIndexChecksum,
  dirLeafChecksum,
  extentBlockChecksum,
  hasHighChecksum,
  inodeChecksum,
  inodeSeed,
  orphanBlockChecksum,
  superblockChecksum,
  xattrBlockChecksum,
} from './checksum.js'
import { RO_COMPAT } from './features.js'
import { GroupDesc } from './group-descriptor.js'
import { RawInode } from './raw-inode.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** A block with a checksum of its own, by which structure it holds. */
interface Due {
  readonly kind: 'extent' | 'leaf' | 'index' | 'orphan' | 'xattr'
  /** Checksum seed of the inode that the block belongs to; of the file system where inodes may share it. */
  readonly seed: number
  /** Where the count and limit of an htree block stand; 0 elsewhere. */
  readonly countOffset: number
}

/**
 * What changed in the running transaction and needs a new checksum. They are computed once, when the transaction
 * commits, not at each change: a bitmap or directory block that a hundred operations touch is summed once.
 * What an undone operation queued is passed over when its block left the transaction; what a block is to be summed as
 * is restored, since the next operation may take the block for something else.
 */
export class ChecksumQueue {
  readonly #volume: Volume
  readonly #inodes = new Set<number>()
  readonly #blockBitmaps = new Set<number>()
  readonly #inodeBitmaps = new Set<number>()
  readonly #groupDescs = new Set<number>()
  readonly #blocks = new Map<number, Due>()
  #superblock = false

  constructor(volume: Volume) {
    this.#volume = volume
  }

  inode(ino: number): void {
    this.#inodes.add(ino)
  }

  blockBitmap(group: number): void {
    this.#blockBitmaps.add(group)
    this.#groupDescs.add(group)
  }

  inodeBitmap(group: number): void {
    this.#inodeBitmaps.add(group)
    this.#groupDescs.add(group)
  }

  groupDesc(group: number): void {
    this.#groupDescs.add(group)
  }

  superblock(): void {
    this.#superblock = true
  }

  /** An extent tree block (its tail follows eh_max entries). */
  extentBlock(handle: Handle, block: number, seed: number): void {
    this.#queue(handle, block, 'extent', seed)
  }

  /** A linear directory block or htree leaf, which ends with a tail of 12 bytes. */
  dirLeaf(handle: Handle, block: number, seed: number): void {
    this.#queue(handle, block, 'leaf', seed)
  }

  /** An htree root or node; `countOffset` is where its limit and count stand (0x20 in a root, 0x8 in a node). */
  dirIndex(handle: Handle, block: number, seed: number, countOffset: number): void {
    this.#queue(handle, block, 'index', seed, countOffset)
  }

  /** A block of the orphan file; its tail (magic, checksum) are the last 8 bytes. */
  orphanBlock(handle: Handle, block: number, seed: number): void {
    this.#queue(handle, block, 'orphan', seed)
  }

  /** A block of extended attributes: h_checksum in its header. */
  xattrBlock(handle: Handle, block: number): void {
    this.#queue(handle, block, 'xattr', this.#volume.checksumSeed)
  }

  /** The block was freed: no checksum is due. */
  forget(handle: Handle, block: number): void {
    const before = this.#blocks.get(block)
    if (before === undefined) return
    this.#blocks.delete(block)
    handle.onRevert(() => this.#blocks.set(block, before))
  }

  #queue(handle: Handle, block: number, kind: Due['kind'], seed: number, countOffset = 0): void {
    if (!this.#volume.hasMetadataCsum) return
    const before = this.#blocks.get(block)
    if (before?.kind === kind && before.seed === seed && before.countOffset === countOffset) return
    this.#blocks.set(block, { kind, seed, countOffset })
    handle.onRevert(() => {
      if (before === undefined) this.#blocks.delete(block)
      else this.#blocks.set(block, before)
    })
  }

  /** Computes all that is due, in `handle` of the transaction that is about to commit. */
  seal(handle: Handle): void {
    this.#markLargeFiles(handle)
    for (const ino of this.#inodes) this.#sealInode(handle, ino)
    for (const [block, due] of this.#blocks) {
      const head = this.#volume.cache.get(block)
      if (!handle.has(head)) continue
      handle.getWriteAccess(head)
      this.#sealBlock(head, due)
    }
    this.#sealBitmaps(handle)
    for (const group of this.#groupDescs) this.#sealGroupDesc(handle, group)
    if (this.#superblock) this.#sealSuperblock(handle)
    this.#inodes.clear()
    this.#blocks.clear()
    this.#blockBitmaps.clear()
    this.#inodeBitmaps.clear()
    this.#groupDescs.clear()
    this.#superblock = false
  }

  /** The first file of 2 GiB or more sets the ro_compat feature large_file. */
  #markLargeFiles(handle: Handle): void {
    const volume = this.#volume
    const { superblock, superblockOffset } = volume
    const roCompat = SuperBlock.s_feature_ro_compat.get(superblock.view, superblock.at + superblockOffset)
    if ((roCompat & RO_COMPAT.large_file) !== 0) return
    for (const ino of this.#inodes) {
      const inode = volume.inodeCache.peek(ino)
      if (inode === undefined || !inode.isRegular || inode.size <= 0x7fff_ffff) continue
      const { view, at } = volume.modifySuperblock(handle)
      SuperBlock.s_feature_ro_compat.set(view, at + superblockOffset, (roCompat | RO_COMPAT.large_file) >>> 0)
      return
    }
  }

  #sealBlock(head: BufferHead, { kind, seed, countOffset }: Due): void {
    const { blockSize } = this.#volume
    const { view, bytes, at } = head
    switch (kind) {
      case 'extent': {
        const tail = 12 + view.getUint16(at + 4, true) * 12
        view.setUint32(at + tail, extentBlockChecksum(seed, bytes, at, tail), true)
        return
      }
      case 'leaf':
        view.setUint32(at + blockSize - 4, dirLeafChecksum(seed, bytes, at, blockSize), true)
        return
      case 'index': {
        const limit = view.getUint16(at + countOffset, true)
        const count = view.getUint16(at + countOffset + 2, true)
        const sum = dirIndexChecksum(seed, bytes, at, { countOffset, count, limit })
        view.setUint32(at + countOffset + limit * 8 + 4, sum, true)
        return
      }
      case 'orphan': {
        const sum = orphanBlockChecksum(seed, head.block, bytes, at, blockSize - 8)
        view.setUint32(at + blockSize - 4, sum, true)
        return
      }
      case 'xattr':
        view.setUint32(at + 0x10, xattrBlockChecksum(seed, head.block, bytes, at, blockSize), true)
    }
  }

  #sealInode(handle: Handle, ino: number): void {
    const volume = this.#volume
    if (!volume.hasMetadataCsum) return
    const index = (ino - 1) % volume.inodesPerGroup
    const offset = index * volume.inodeSize
    const table = volume.groups.inodeTable(volume.groupOfInode(ino))
    const head = volume.cache.get(table + Math.floor(offset / volume.blockSize))
    if (!handle.has(head)) return
    handle.getWriteAccess(head)
    const at = head.at + (offset % volume.blockSize)
    const seed = inodeSeed(volume.checksumSeed, ino, RawInode.i_generation.get(head.view, at))
    const sum = inodeChecksum(seed, head.bytes, at, volume.inodeSize)
    RawInode.l_i_checksum_lo.set(head.view, at, sum & 0xffff)
    if (hasHighChecksum(head.bytes, at, volume.inodeSize))
      RawInode.i_checksum_hi.set(head.view, at, sum >>> 16)
  }

  #sealBitmaps(handle: Handle): void {
    const volume = this.#volume
    if (!volume.hasMetadataCsum) return
    for (const group of this.#blockBitmaps) {
      const head = volume.cache.get(volume.groups.blockBitmap(group))
      if (!handle.has(head)) continue
      const sum = bitmapChecksum(volume.checksumSeed, head.bytes, head.at, volume.clustersPerGroup)
      volume.groups.setBlockBitmapChecksum(handle, group, sum)
    }
    for (const group of this.#inodeBitmaps) {
      const head = volume.cache.get(volume.groups.inodeBitmap(group))
      if (!handle.has(head)) continue
      const sum = bitmapChecksum(volume.checksumSeed, head.bytes, head.at, volume.inodesPerGroup)
      volume.groups.setInodeBitmapChecksum(handle, group, sum)
    }
  }

  #sealGroupDesc(handle: Handle, group: number): void {
    const groups = this.#volume.groups
    const head = groups.head(group)
    if (!handle.has(head)) return
    handle.getWriteAccess(head)
    const at = head.at + groups.offsetOf(group)
    const sum = groups.checksum(group, head.bytes, at)
    if (sum !== undefined) GroupDesc.bg_checksum.set(head.view, at, sum)
  }

  #sealSuperblock(handle: Handle): void {
    const volume = this.#volume
    if (!volume.hasMetadataCsum) return
    const head = volume.superblock
    if (!handle.has(head)) return
    handle.getWriteAccess(head)
    const at = head.at + volume.superblockOffset
    SuperBlock.s_checksum.set(head.view, at, superblockChecksum(head.bytes, at))
  }
}

import { crc32c } from '../../lib/crc32c.js'
import {
  bitmapChecksum,
  dirIndexChecksum,
  dirLeafChecksum,
  extentBlockChecksum,
  groupDescChecksum,
  groupDescCrc16,
  hasHighChecksum,
  inodeChecksum,
  inodeSeed,
  orphanBlockChecksum,
  superblockChecksum,
  xattrBlockChecksum,
} from '../../src/guest/ext4/checksum.js'
import { RO_COMPAT } from '../../src/guest/ext4/features.js'
import { GroupDesc } from '../../src/guest/ext4/group-descriptor.js'
import { RawInode } from '../../src/guest/ext4/raw-inode.js'
import { SUPERBLOCK_OFFSET, SuperBlock } from '../../src/guest/ext4/superblock.js'
import type { Volume } from '../../src/guest/ext4/volume.js'
import { INCOMPAT_CSUM_V2, INCOMPAT_CSUM_V3 } from '../../src/guest/jbd2/journal-feature.js'
import { SuperblockLayout } from '../../src/guest/jbd2/journal-superblock.js'

/** Bytes that hold one structure. */
export type Repair = (image: Uint8Array) => void

const NOTHING: Repair = () => {}

/**
 * Makes checksums right again in an image whose structures were changed, so that the values themselves are met. Of the
 * volume only what it was opened with counts: its geometry and seeds. Where the changed structure leaves no room for a
 * checksum it stays as it is.
 */
export class ChecksumRepair {
  readonly #volume: Volume

  constructor(volume: Volume) {
    this.#volume = volume
  }

  get superblock(): Repair {
    return this.#summed((image, view) =>
      SuperBlock.s_checksum.set(view, SUPERBLOCK_OFFSET, superblockChecksum(image, SUPERBLOCK_OFFSET)),
    )
  }

  groupDesc(group: number): Repair {
    const { roCompat, checksumSeed, uuid, descSize } = this.#volume
    const at = this.descriptorAt(group)
    if ((roCompat & (RO_COMPAT.metadata_csum | RO_COMPAT.uninit_bg)) === 0) return NOTHING
    return (image) => {
      const sum = this.#volume.hasMetadataCsum
        ? groupDescChecksum(checksumSeed, group, image, at, descSize)
        : groupDescCrc16(uuid, group, image, at, descSize)
      GroupDesc.bg_checksum.set(viewOf(image), at, sum)
    }
  }

  blockBitmap(group: number): Repair {
    const bits = this.#volume.blocksPerGroup
    const at = this.#volume.groups.blockBitmap(group) * this.#volume.blockSize
    const low = GroupDesc.bg_block_bitmap_csum_lo
    return this.#bitmap(group, at, bits, low, GroupDesc.bg_block_bitmap_csum_hi)
  }

  inodeBitmap(group: number): Repair {
    const bits = this.#volume.inodesPerGroup
    const at = this.#volume.groups.inodeBitmap(group) * this.#volume.blockSize
    const low = GroupDesc.bg_inode_bitmap_csum_lo
    return this.#bitmap(group, at, bits, low, GroupDesc.bg_inode_bitmap_csum_hi)
  }

  inode(ino: number, at: number): Repair {
    const { checksumSeed, inodeSize } = this.#volume
    return this.#summed((image, view) => {
      const seed = inodeSeed(checksumSeed, ino, RawInode.i_generation.get(view, at))
      const sum = inodeChecksum(seed, image, at, inodeSize)
      RawInode.l_i_checksum_lo.set(view, at, sum & 0xffff)
      if (hasHighChecksum(image, at, inodeSize)) RawInode.i_checksum_hi.set(view, at, sum >>> 16)
    })
  }

  extentBlock(seed: number, at: number): Repair {
    return this.#summed((image, view) => {
      const tail = 12 + view.getUint16(at + 4, true) * 12
      if (tail + 4 > this.#volume.blockSize) return
      view.setUint32(at + tail, extentBlockChecksum(seed, image, at, tail), true)
    })
  }

  dirLeaf(seed: number, at: number): Repair {
    const { blockSize } = this.#volume
    return this.#summed((image, view) =>
      view.setUint32(at + blockSize - 4, dirLeafChecksum(seed, image, at, blockSize), true),
    )
  }

  /** `countOffset`: where limit and count stand in the block. */
  dxBlock(seed: number, at: number, countOffset: number): Repair {
    return this.#summed((image, view) => {
      const limit = view.getUint16(at + countOffset, true)
      const count = view.getUint16(at + countOffset + 2, true)
      const tail = countOffset + limit * 8
      const room = this.#volume.blockSize
      if (tail + 8 > room || countOffset + count * 8 > room) return
      view.setUint32(at + tail + 4, dirIndexChecksum(seed, image, at, { countOffset, count, limit }), true)
    })
  }

  xattrBlock(at: number): Repair {
    const { blockSize, checksumSeed } = this.#volume
    return this.#summed((image, view) => {
      const sum = xattrBlockChecksum(checksumSeed, at / blockSize, image, at, blockSize)
      view.setUint32(at + 0x10, sum, true)
    })
  }

  orphanBlock(seed: number, at: number): Repair {
    const { blockSize } = this.#volume
    return this.#summed((image, view) => {
      const sum = orphanBlockChecksum(seed, at / blockSize, image, at, blockSize - 8)
      view.setUint32(at + blockSize - 4, sum, true)
    })
  }

  /** As its features are now. */
  journalSuperblock(at: number): Repair {
    return (image) => {
      const view = viewOf(image)
      const incompat = SuperblockLayout.s_feature_incompat.get(view, at)
      if ((incompat & (INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3)) === 0) return
      SuperblockLayout.s_checksum.set(view, at, 0)
      SuperblockLayout.s_checksum.set(view, at, crc32c(0xffffffff, image, at, at + SuperblockLayout.SIZE))
    }
  }

  descriptorAt(group: number): number {
    const { superblockBlock, blockSize, descSize } = this.#volume
    return (superblockBlock + 1) * blockSize + group * descSize
  }

  #bitmap(
    group: number,
    bitmap: number,
    bits: number,
    low: typeof GroupDesc.bg_block_bitmap_csum_lo,
    high: typeof GroupDesc.bg_block_bitmap_csum_hi,
  ): Repair {
    const { checksumSeed, descSize } = this.#volume
    const at = this.descriptorAt(group)
    const descriptor = this.groupDesc(group)
    return this.#summed((image, view) => {
      const sum = bitmapChecksum(checksumSeed, image, bitmap, bits)
      low.set(view, at, sum & 0xffff)
      if (descSize >= 64) high.set(view, at, sum >>> 16)
      descriptor(image)
    })
  }

  #summed(repair: (image: Uint8Array, view: DataView) => void): Repair {
    return this.#volume.hasMetadataCsum ? (image) => repair(image, viewOf(image)) : NOTHING
  }
}

function viewOf(image: Uint8Array): DataView {
  return new DataView(image.buffer, image.byteOffset, image.byteLength)
}

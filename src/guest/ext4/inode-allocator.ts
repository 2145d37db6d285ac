import { clearBits, findClear, setBits, testBit } from '../../../lib/bitmap.js'
import { CorruptError, FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { S_IFDIR, S_IFMT } from '../vfs/attributes.js'
import { hasGroupDescCsum } from './block-bitmap.js'
import type { Inode } from './inode.js'
import { initialiseInodeBitmap, inodeBitmap, isInodeUninit } from './inode-bitmap.js'
import { InodeGeneration } from './inode-generation.js'
import { chooseGroup } from './inode-group.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/**
 * Takes and frees inode numbers. Always the first free one of a group, so that no number before one in use has
 * never been used: what the table holds behind bg_itable_unused may be anything.
 */
export class InodeAllocator {
  /** For i_generation of the inodes taken. */
  readonly generation: InodeGeneration
  readonly #volume: Volume
  /** Free inodes of the file system, read from the descriptors when first needed: after recovery. */
  #free: number | undefined
  /** s_free_inodes_count is behind. */
  #unsettled = false
  #spread = 0

  constructor(volume: Volume) {
    this.#volume = volume
    this.generation = new InodeGeneration(volume)
  }

  get freeCount(): number {
    this.#free ??= this.#sum()
    return this.#free
  }

  /** Whether the inode's bit is set. False for numbers that no inode of this file system has. */
  isAllocated(ino: number): boolean {
    const volume = this.#volume
    if (!(ino >= 1 && ino <= volume.inodesCount)) return false
    const group = volume.groupOfInode(ino)
    if (isInodeUninit(volume, group)) return false
    const head = inodeBitmap(volume, group)
    return testBit(head.bytes, head.at, (ino - 1) % volume.inodesPerGroup)
  }

  /**
   * Takes an inode for a file of type `mode` in directory `parent`. Its raw inode may hold anything: the caller
   * writes all of it. Throws ENOSPC when there is none, CorruptError for a bad bitmap.
   */
  allocate(handle: Handle, parent: Inode, mode: number): number {
    const volume = this.#volume
    const free = this.freeCount
    const flexCount = volume.groupCount / volume.groupsPerFlex
    const averages = {
      freeInodes: Math.floor(free / flexCount),
      freeBlocks: Math.floor(volume.blockAllocator.freeCount / volume.clusterRatio / flexCount),
    }
    const group = free === 0 ? -1 : chooseGroup(volume, parent, mode, averages, this.#spread)
    if (group < 0) throw new FsError('ENOSPC', 'no free inode')
    const isDirectory = (mode & S_IFMT) === S_IFDIR
    if (isDirectory) this.#spread = (this.#spread + 1) % volume.groupCount
    return this.#take(handle, group, isDirectory)
  }

  /** Takes this very inode, which is free. Its raw inode may hold anything. */
  claim(handle: Handle, ino: number, isDirectory: boolean): void {
    const volume = this.#volume
    const group = volume.groupOfInode(ino)
    const bit = (ino - 1) % volume.inodesPerGroup
    volume.blockAllocator.initialiseGroup(handle, group)
    if (isInodeUninit(volume, group)) initialiseInodeBitmap(handle, volume, group)
    if (hasGroupDescCsum(volume))
      this.#clearTable(handle, group, volume.inodesPerGroup - volume.groups.itableUnused(group), bit)
    this.#mark(handle, group, bit, isDirectory)
  }

  /** Frees an inode. Throws CorruptError when it is free already, reserved, or past the end. */
  free(handle: Handle, ino: number, isDirectory: boolean): void {
    const volume = this.#volume
    const { groups } = volume
    const free = this.freeCount
    if (!(ino >= volume.firstIno && ino <= volume.inodesCount)) {
      throw freed(ino, `${volume.firstIno} to ${volume.inodesCount}`)
    }
    if (!this.isAllocated(ino)) throw freed(ino, 'in use')
    const group = volume.groupOfInode(ino)
    const dirs = groups.usedDirs(group)
    if (isDirectory && dirs === 0) {
      throw new CorruptError({
        structure: `ext4_group_desc ${group}`,
        block: groups.blockOf(group),
        field: 'bg_used_dirs_count',
        found: 0,
        expected: `1 or more, as inode ${ino} is a directory`,
      })
    }
    const bit = (ino - 1) % volume.inodesPerGroup
    const head = inodeBitmap(volume, group)
    handle.getWriteAccess(head)
    clearBits(head.bytes, head.at, bit, bit + 1)
    volume.checksums.inodeBitmap(group)
    groups.setFreeInodes(handle, group, groups.freeInodes(group) + 1)
    if (isDirectory) groups.setUsedDirs(handle, group, dirs - 1)
    this.#count(handle, free + 1)
  }

  /** Brings s_free_inodes_count up to date. Called by {@link BlockAllocator.settleCounters}. */
  settleCount(handle: Handle): void {
    if (!this.#unsettled) return
    const volume = this.#volume
    const head = volume.modifySuperblock(handle)
    SuperBlock.s_free_inodes_count.set(head.view, head.at + volume.superblockOffset, this.freeCount)
    this.#unsettled = false
    handle.onRevert(() => {
      this.#unsettled = true
    })
  }

  #take(handle: Handle, group: number, isDirectory: boolean): number {
    const volume = this.#volume
    const { groups } = volume
    volume.blockAllocator.initialiseGroup(handle, group)
    const head = isInodeUninit(volume, group)
      ? initialiseInodeBitmap(handle, volume, group)
      : inodeBitmap(volume, group)
    const reserved = Math.max(0, volume.firstIno - 1 - group * volume.inodesPerGroup)
    const bit = findClear(
      head.bytes,
      head.at,
      Math.min(reserved, volume.inodesPerGroup),
      volume.inodesPerGroup,
    )
    if (bit === volume.inodesPerGroup) {
      throw new CorruptError({
        structure: `inode bitmap of group ${group}`,
        block: head.block,
        field: `bits from ${reserved}`,
        found: 'all set',
        expected: `${groups.freeInodes(group)} clear`,
      })
    }
    this.#mark(handle, group, bit, isDirectory)
    return group * volume.inodesPerGroup + bit + 1
  }

  /** Sets the bit of an inode and counts it. The bitmap has been written. */
  #mark(handle: Handle, group: number, bit: number, isDirectory: boolean): void {
    const volume = this.#volume
    const { groups } = volume
    const free = this.freeCount
    const head = inodeBitmap(volume, group)
    handle.getWriteAccess(head)
    setBits(head.bytes, head.at, bit, bit + 1)
    volume.checksums.inodeBitmap(group)
    groups.setFreeInodes(handle, group, groups.freeInodes(group) - 1)
    if (isDirectory) groups.setUsedDirs(handle, group, groups.usedDirs(group) + 1)
    if (hasGroupDescCsum(volume) && groups.itableUnused(group) > volume.inodesPerGroup - bit - 1) {
      groups.setItableUnused(handle, group, volume.inodesPerGroup - bit - 1)
    }
    this.#count(handle, free - 1)
  }

  /** Zeroes inodes that are not in use and were never written: [from, to) of the group. */
  #clearTable(handle: Handle, group: number, from: number, to: number): void {
    const { inodeSize, blockSize, groups, cache } = this.#volume
    for (let bit = from; bit < to; bit++) {
      const head = cache.get(groups.inodeTable(group) + Math.floor((bit * inodeSize) / blockSize))
      handle.getWriteAccess(head)
      const at = head.at + ((bit * inodeSize) % blockSize)
      head.bytes.fill(0, at, at + inodeSize)
    }
  }

  #count(handle: Handle, free: number): void {
    const before = this.freeCount
    this.#free = free
    this.#unsettled = true
    handle.onRevert(() => {
      this.#free = before
    })
  }

  #sum(): number {
    const { groups, groupCount, superblock, superblockOffset } = this.#volume
    let free = 0
    for (let group = 0; group < groupCount; group++) free += groups.freeInodes(group)
    const stated = SuperBlock.s_free_inodes_count.get(superblock.view, superblock.at + superblockOffset)
    this.#unsettled ||= free !== stated
    return free
  }
}

function freed(ino: number, expected: string): CorruptError {
  return new CorruptError({ structure: 'freed inode', field: 'number', found: ino, expected })
}

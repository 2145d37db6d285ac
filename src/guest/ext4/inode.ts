import { CorruptError, FsError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { S_IFDIR, S_IFMT, S_IFREG, type Timespec } from '../vfs/attributes.js'
import { hasHighChecksum, inodeChecksum, inodeSeed } from './checksum.js'
import { MOST_SECTORS } from './file-limits.js'
import { GOOD_OLD_INODE_SIZE, HUGE_FILE_FL, RawInode } from './raw-inode.js'
import type { Volume } from './volume.js'

type TimeName = 'atime' | 'mtime' | 'ctime'

/** Times that are newer than those in the inode's block. */
export type Times = Partial<Record<TimeName, Timespec>>

/**
 * One inode: its fields live in the inode table's block and nowhere else, so that undoing an operation undoes them.
 * What stands here beside them is what only a mounted file system knows, and times that wait to be written.
 */
export class Inode {
  readonly volume: Volume
  readonly ino: number
  /** Block of the inode table that holds it. */
  readonly block: number
  /** Where it begins in that block. */
  readonly offset: number
  /** Lookups and open files. An inode without links is freed when the last user goes. */
  users = 0
  /** Transaction that fsync must see committed. */
  syncTid = 0
  /** Transaction that fdatasync must see committed: the last that changed size or extents. */
  datasyncTid = 0
  /** `device.storeSequence` after the last store of file data. */
  dataSequence = 0
  /** Physical block behind the last one allocated: where the next is wanted. 0 when not known. */
  goal = 0
  /** Made without a name (O_TMPFILE) and never linked: link(2) may give it its first. */
  isTemporary = false
  /** Known to have no security.capability, so that writes need not look. */
  noCapability = false
  /** Until this second of the wall clock no read changes the access time, unless the inode changes; 0: not known. */
  quietUntil = 0
  #lazyTimes: Times | undefined

  constructor(volume: Volume, ino: number) {
    this.volume = volume
    this.ino = ino
    const byte = ((ino - 1) % volume.inodesPerGroup) * volume.inodeSize
    this.block = volume.groups.inodeTable(volume.groupOfInode(ino)) + Math.floor(byte / volume.blockSize)
    this.offset = byte % volume.blockSize
  }

  /** The buffer of the inode table; the inode stands at `at + offset`. */
  get head(): BufferHead {
    return this.volume.cache.get(this.block)
  }

  /** Write access in `handle` and a checksum to be renewed. To be called before each change. */
  modify(handle: Handle): void {
    handle.getWriteAccess(this.head)
    this.volume.checksums.inode(this.ino)
    this.syncTid = handle.tid
    this.quietUntil = 0
    if (this.#lazyTimes !== undefined) this.#writeLazyTimes(handle, this.#lazyTimes)
  }

  /** As {@link modify}, for a change without which the data could not be read back: size, extents. */
  modifyData(handle: Handle): void {
    this.modify(handle)
    this.datasyncTid = handle.tid
  }

  /** Throws CorruptError (EBADMSG) when i_checksum is wrong. */
  verifyChecksum(): void {
    const { volume, head } = this
    if (!volume.hasMetadataCsum) return
    const at = head.at + this.offset
    const sum = inodeChecksum(this.checksumSeed, head.bytes, at, volume.inodeSize)
    const high = hasHighChecksum(head.bytes, at, volume.inodeSize)
    const expected = high ? sum : sum & 0xffff
    const low = RawInode.l_i_checksum_lo.get(head.view, at)
    const found = high ? (low | (RawInode.i_checksum_hi.get(head.view, at) << 16)) >>> 0 : low
    if (found !== expected) {
      throw new CorruptError(
        { structure: 'ext4_inode', ino: this.ino, block: this.block, field: 'i_checksum', found, expected },
        'EBADMSG',
      )
    }
  }

  /** Throws CorruptError (EUCLEAN) naming `field` of this inode. */
  corrupt(field: string, found: number | string, expected: number | string, structure = 'ext4_inode'): never {
    throw new CorruptError({ structure, ino: this.ino, block: this.block, field, found, expected })
  }

  /** Checksum seed of what belongs to this inode. */
  get checksumSeed(): number {
    return inodeSeed(this.volume.checksumSeed, this.ino, this.generation)
  }

  get mode(): number {
    const head = this.head
    return RawInode.i_mode.get(head.view, head.at + this.offset)
  }

  set mode(value: number) {
    const head = this.head
    RawInode.i_mode.set(head.view, head.at + this.offset, value)
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR
  }

  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG
  }

  /** Throws EISDIR or EINVAL when it is no regular file. */
  requireRegular(): void {
    if (!this.isRegular) throw new FsError(this.isDirectory ? 'EISDIR' : 'EINVAL', `inode ${this.ino}`)
  }

  get uid(): number {
    const head = this.head
    const at = head.at + this.offset
    const low = RawInode.i_uid.get(head.view, at)
    return this.volume.behaviour.nouid32 ? low : low + RawInode.l_i_uid_high.get(head.view, at) * 0x10000
  }

  set uid(value: number) {
    const head = this.head
    const at = head.at + this.offset
    const stored = this.volume.storedId(value)
    RawInode.i_uid.set(head.view, at, stored & 0xffff)
    RawInode.l_i_uid_high.set(head.view, at, stored >>> 16)
  }

  get gid(): number {
    const head = this.head
    const at = head.at + this.offset
    const low = RawInode.i_gid.get(head.view, at)
    return this.volume.behaviour.nouid32 ? low : low + RawInode.l_i_gid_high.get(head.view, at) * 0x10000
  }

  set gid(value: number) {
    const head = this.head
    const at = head.at + this.offset
    const stored = this.volume.storedId(value)
    RawInode.i_gid.set(head.view, at, stored & 0xffff)
    RawInode.l_i_gid_high.set(head.view, at, stored >>> 16)
  }

  get linksCount(): number {
    const head = this.head
    return RawInode.i_links_count.get(head.view, head.at + this.offset)
  }

  set linksCount(value: number) {
    const head = this.head
    RawInode.i_links_count.set(head.view, head.at + this.offset, value)
  }

  /** Bytes. */
  get size(): number {
    const head = this.head
    const at = head.at + this.offset
    return RawInode.i_size_lo.get(head.view, at) + RawInode.i_size_high.get(head.view, at) * 0x1_0000_0000
  }

  set size(value: number) {
    const head = this.head
    const at = head.at + this.offset
    RawInode.i_size_lo.set(head.view, at, value >>> 0)
    RawInode.i_size_high.set(head.view, at, Math.floor(value / 0x1_0000_0000))
  }

  get flags(): number {
    const head = this.head
    return RawInode.i_flags.get(head.view, head.at + this.offset)
  }

  set flags(value: number) {
    const head = this.head
    RawInode.i_flags.set(head.view, head.at + this.offset, value >>> 0)
  }

  get generation(): number {
    const head = this.head
    return RawInode.i_generation.get(head.view, head.at + this.offset)
  }

  set generation(value: number) {
    const head = this.head
    RawInode.i_generation.set(head.view, head.at + this.offset, value >>> 0)
  }

  /** Deletion time in seconds, or the next inode of the orphan list while the inode is on it. */
  get dtime(): number {
    const head = this.head
    return RawInode.i_dtime.get(head.view, head.at + this.offset)
  }

  set dtime(value: number) {
    const head = this.head
    RawInode.i_dtime.set(head.view, head.at + this.offset, value >>> 0)
  }

  /** Block of the extended attributes, 0 when there is none. */
  get fileAcl(): number {
    const head = this.head
    const at = head.at + this.offset
    return (
      RawInode.i_file_acl_lo.get(head.view, at) +
      RawInode.l_i_file_acl_high.get(head.view, at) * 0x1_0000_0000
    )
  }

  set fileAcl(value: number) {
    const head = this.head
    const at = head.at + this.offset
    RawInode.i_file_acl_lo.set(head.view, at, value >>> 0)
    RawInode.l_i_file_acl_high.set(head.view, at, Math.floor(value / 0x1_0000_0000))
  }

  /** Blocks held, in units of 512 bytes. Kernel docs: ext4, "Inode Table", i_blocks_lo. */
  get blocks(): number {
    const head = this.head
    const at = head.at + this.offset
    const count =
      RawInode.i_blocks_lo.get(head.view, at) + RawInode.l_i_blocks_high.get(head.view, at) * 0x1_0000_0000
    return (this.flags & HUGE_FILE_FL) !== 0 ? count * (this.volume.blockSize / 512) : count
  }

  set blocks(value: number) {
    const head = this.head
    const at = head.at + this.offset
    const huge = value >= 0x1_0000_0000_0000
    this.flags = huge ? this.flags | HUGE_FILE_FL : this.flags & ~HUGE_FILE_FL
    const count = huge ? value / (this.volume.blockSize / 512) : value
    RawInode.i_blocks_lo.set(head.view, at, count >>> 0)
    RawInode.l_i_blocks_high.set(head.view, at, Math.floor(count / 0x1_0000_0000))
  }

  /** The file holds `sectors` (units of 512 bytes) more, or fewer when negative. Throws EDQUOT, EFBIG. */
  addBlocks(handle: Handle, sectors: number): void {
    this.modify(handle)
    const blocks = this.blocks + sectors
    if (blocks > MOST_SECTORS && sectors > 0 && !this.volume.hasHugeFiles)
      throw new FsError('EFBIG', `inode ${this.ino}: ${blocks} units of 512 bytes, and no feature huge_file`)
    this.volume.quotas?.charge(handle, this, sectors * 512, 0)
    this.blocks = blocks
  }

  /** The project that the inode belongs to; 0 where it has no room for that. */
  get projectId(): number {
    if (!this.hasProjectId) return 0
    const head = this.head
    return RawInode.i_projid.get(head.view, head.at + this.offset)
  }

  /** Only where {@link hasProjectId}. */
  set projectId(value: number) {
    const head = this.head
    RawInode.i_projid.set(head.view, head.at + this.offset, value >>> 0)
  }

  /** The file system has projects (feature project), and the inode room to name one. */
  get hasProjectId(): boolean {
    return this.volume.hasProjects && this.extraSize >= RawInode.i_projid.offset + 4 - GOOD_OLD_INODE_SIZE
  }

  /** Bytes behind the first 128 that are in use. */
  get extraSize(): number {
    if (this.volume.inodeSize <= GOOD_OLD_INODE_SIZE) return 0
    const head = this.head
    return RawInode.i_extra_isize.get(head.view, head.at + this.offset)
  }

  /** Times in memory that are newer than those in the block: {@link modify} writes them; undefined: none. */
  get lazyTimes(): Readonly<Times> | undefined {
    return this.#lazyTimes
  }

  /** Changes times in memory only. `now`: milliseconds of the machine's clock. */
  setLazyTimes(times: Readonly<Times>, now: number): void {
    this.#lazyTimes = { ...this.#lazyTimes, ...times }
    this.quietUntil = 0
    const { lazyInodes } = this.volume
    if (!lazyInodes.has(this)) lazyInodes.set(this, now)
  }

  #writeLazyTimes(handle: Handle, times: Times): void {
    const { lazyInodes } = this.volume
    const since = lazyInodes.get(this) ?? 0
    this.#lazyTimes = undefined
    lazyInodes.delete(this)
    for (const [name, time] of Object.entries(times)) this.setTime(name as TimeName, time)
    handle.onRevert(() => {
      this.#lazyTimes = times
      lazyInodes.set(this, since)
    })
  }

  time(name: TimeName): Timespec {
    const lazy = this.#lazyTimes?.[name]
    if (lazy !== undefined) return lazy
    const head = this.head
    const at = head.at + this.offset
    const extra =
      this.extraSize >= TIME_EXTRA[name].offset + 4 - GOOD_OLD_INODE_SIZE
        ? TIME_EXTRA[name].get(head.view, at)
        : 0
    return decodeTime(TIME[name].get(head.view, at), extra)
  }

  /** After {@link modify}, as all that changes the inode. */
  setTime(name: TimeName, value: Timespec): void {
    const head = this.head
    const at = head.at + this.offset
    const wide = this.extraSize >= TIME_EXTRA[name].offset + 4 - GOOD_OLD_INODE_SIZE
    TIME[name].set(head.view, at, encodeSeconds(value.sec, wide))
    if (wide) TIME_EXTRA[name].set(head.view, at, encodeExtra(value))
  }

  /** Birth time; undefined when the inode has no room for it. */
  get crtime(): Timespec | undefined {
    if (this.extraSize < 24) return undefined
    const head = this.head
    const at = head.at + this.offset
    return decodeTime(RawInode.i_crtime.get(head.view, at), RawInode.i_crtime_extra.get(head.view, at))
  }

  set crtime(value: Timespec | undefined) {
    if (value === undefined || this.extraSize < 24) return
    const head = this.head
    const at = head.at + this.offset
    RawInode.i_crtime.set(head.view, at, encodeSeconds(value.sec, true))
    RawInode.i_crtime_extra.set(head.view, at, encodeExtra(value))
  }
}

const TIME = { atime: RawInode.i_atime, mtime: RawInode.i_mtime, ctime: RawInode.i_ctime } as const
const TIME_EXTRA = {
  atime: RawInode.i_atime_extra,
  mtime: RawInode.i_mtime_extra,
  ctime: RawInode.i_ctime_extra,
} as const

/** Seconds are signed 32 bits plus 2 bits of epoch; nanoseconds 30 bits. Kernel docs: ext4, "Inode Timestamps". */
function decodeTime(seconds: number, extra: number): Timespec {
  return { sec: (seconds | 0) + (extra & 3) * 0x1_0000_0000, nsec: extra >>> 2 }
}

const FIRST_SECOND = -0x8000_0000
const LAST_SECOND = 0x3_7fff_ffff

function clamp(sec: number): number {
  return Math.min(Math.max(sec, FIRST_SECOND), LAST_SECOND)
}

function encodeSeconds(sec: number, wide: boolean): number {
  return (wide ? clamp(sec) : Math.min(clamp(sec), 0x7fff_ffff)) >>> 0
}

function encodeExtra(value: Timespec): number {
  const sec = clamp(value.sec)
  // Linux keeps no nanoseconds at either end (timestamp_truncate).
  const nsec = sec === FIRST_SECOND || sec === LAST_SECOND ? 0 : value.nsec
  const epoch = Math.floor((sec - (sec | 0)) / 0x1_0000_0000) & 3
  return ((nsec << 2) | epoch) >>> 0
}

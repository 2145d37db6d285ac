import { CorruptError, FsError } from '../../../lib/errno.js'
import type { BlockDevice } from '../block/block-device.js'
import { BufferCache } from '../block/buffer-cache.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import type { Owner, Timespec } from '../vfs/attributes.js'
import { BlockAllocator } from './block-allocator.js'
import { superblockChecksum, uuidSeed } from './checksum.js'
import { ChecksumQueue } from './checksum-queue.js'
import { type DefaultMountOptions, defaultMountOptions } from './default-mount-options.js'
import { COMPAT, checkIncompat, INCOMPAT, RO_COMPAT } from './features.js'
import { type FileLimits, fileLimits } from './file-limits.js'
import { descriptorBlocks, readBackupGroups } from './group-layout.js'
import { GroupTable } from './group-table.js'
import type { Inode } from './inode.js'
import { InodeAllocator } from './inode-allocator.js'
import { InodeCache } from './inode-cache.js'
import type { LazyTimes } from './lazy-times.js'
import { type Behaviour, DEFAULT_BEHAVIOUR, type SettledBehaviour } from './mount-options.js'
import { Orphans } from './orphans.js'
import { Quotas } from './quotas.js'
import { EXT4_MAGIC, SuperBlock } from './superblock.js'
import { XattrBlockCache } from './xattr-block-cache.js'

/** What one mounted file system is: its geometry from the superblock, its blocks, its journal. No algorithms. */
export class Volume {
  readonly device: BlockDevice
  readonly cache: BufferCache
  readonly groups: GroupTable
  /** Blocks changed in the running transaction whose checksums are computed when it commits. */
  readonly checksums: ChecksumQueue
  readonly inodeCache: InodeCache
  readonly blockAllocator: BlockAllocator
  readonly inodeAllocator: InodeAllocator
  readonly orphans: Orphans
  /** Undefined without the feature quota. */
  readonly quotas: Quotas | undefined
  /** Attribute blocks that inodes may share. */
  readonly xattrBlocks = new XattrBlockCache()
  /** Inodes with {@link Inode.lazyTimes}, oldest first: since when, in milliseconds of the machine's clock. */
  readonly lazyInodes = new Map<Inode, number>()
  /** Set by mount with {@link journal}. */
  lazyTimes: LazyTimes | undefined
  /** Inodes of attribute values that lost their last user: to be evicted when the operation has ended. */
  readonly unusedInodes = new Set<number>()
  /** Set by mount, before any operation that changes something. */
  journal: Journal | undefined
  /** Who the present operation is for. */
  readonly caller: Owner & { groups: readonly number[] } = { uid: 0, gid: 0, groups: [] }
  /** Wall clock for time stamps. */
  readonly now: () => Timespec
  readonly behaviour: Readonly<SettledBehaviour>
  /** What the superblock says where no option does. */
  readonly defaults: Readonly<DefaultMountOptions>

  readonly blockSize: number
  readonly blocksCount: number
  readonly firstDataBlock: number
  readonly blocksPerGroup: number
  /** Blocks of one cluster, the unit that bitmaps count: 1 without bigalloc. */
  readonly clusterRatio: number
  readonly clustersPerGroup: number
  readonly inodesPerGroup: number
  readonly inodesCount: number
  readonly inodeSize: number
  readonly firstIno: number
  readonly groupCount: number
  readonly descSize: number
  readonly reservedGdtBlocks: number
  readonly firstMetaBg: number
  readonly backupGroups: readonly [number, number]
  /** Groups whose bitmaps and inode tables stand together; 1 without flex_bg. */
  readonly groupsPerFlex: number
  readonly compat: number
  readonly incompat: number
  readonly roCompat: number
  readonly uuid: Uint8Array
  /** Seed of all metadata checksums but the superblock's. */
  readonly checksumSeed: number
  readonly hasMetadataCsum: boolean
  readonly hasJournal: boolean
  readonly hasHugeFiles: boolean
  /** Blocks that a file can have. */
  readonly fileLimits: FileLimits
  /** The checksums of the superblock and the group descriptors are not looked at: to find the journal, and no more. */
  readonly isUnsummed: boolean
  /** s_state as it was found. */
  readonly state: number
  /** Block of the superblock, and where it begins in that block. */
  readonly superblockBlock: number
  readonly superblockOffset: number

  /** `unsummed`: see {@link isUnsummed}. Throws CorruptError, UnsupportedError or FsError. */
  constructor(
    device: BlockDevice,
    now: () => Timespec,
    behaviour: Readonly<Behaviour> = DEFAULT_BEHAVIOUR,
    { unsummed = false } = {},
  ) {
    this.device = device
    this.now = now
    this.isUnsummed = unsummed
    const place = behaviour.superblock * 1024
    if (device.size < place + SuperBlock.SIZE) {
      const where =
        behaviour.superblock === 1 ? 'a file system' : `a superblock at ${behaviour.superblock} KiB`
      throw new FsError('EINVAL', `${device.name}: ${device.size} bytes are too few for ${where}`)
    }
    const { view, bytes, at: base } = device.directAccess(place)
    const sb = <T>(field: { get(view: DataView, at: number): T }): T => field.get(view, base)
    if (sb(SuperBlock.s_magic) !== EXT4_MAGIC) {
      throw new FsError(
        'EINVAL',
        `${device.name}: no ext4 file system (s_magic is 0x${sb(SuperBlock.s_magic).toString(16)})`,
      )
    }
    this.compat = sb(SuperBlock.s_feature_compat)
    this.incompat = sb(SuperBlock.s_feature_incompat)
    this.roCompat = sb(SuperBlock.s_feature_ro_compat)
    this.hasJournal = (this.compat & COMPAT.has_journal) !== 0
    this.state = sb(SuperBlock.s_state)
    this.hasMetadataCsum = (this.roCompat & RO_COMPAT.metadata_csum) !== 0
    if (this.hasMetadataCsum && !unsummed) checkSuperblockChecksum(bytes, base, sb(SuperBlock.s_checksum))
    checkIncompat(this.incompat)
    this.defaults = defaultMountOptions(view, base)
    this.behaviour = settled(behaviour, this.defaults)

    this.hasHugeFiles = (this.roCompat & RO_COMPAT.huge_file) !== 0
    const is64 = (this.incompat & INCOMPAT['64bit']) !== 0
    this.blockSize = 1024 * 2 ** range('s_log_block_size', sb(SuperBlock.s_log_block_size), 0, 2)
    this.fileLimits = fileLimits(this.blockSize, this.hasHugeFiles)
    this.blocksCount =
      sb(SuperBlock.s_blocks_count_lo) + (is64 ? sb(SuperBlock.s_blocks_count_hi) * 0x1_0000_0000 : 0)
    const hasClusters = (this.roCompat & RO_COMPAT.bigalloc) !== 0
    const firstDataBlock = this.blockSize === 1024 && !hasClusters ? 1 : 0
    this.firstDataBlock = range(
      's_first_data_block',
      sb(SuperBlock.s_first_data_block),
      firstDataBlock,
      firstDataBlock,
    )
    const logBlockSize = sb(SuperBlock.s_log_block_size)
    const logClusterSize = sb(SuperBlock.s_log_cluster_size)
    this.clusterRatio =
      2 **
      (range(
        's_log_cluster_size',
        logClusterSize,
        logBlockSize,
        hasClusters ? MAX_LOG_CLUSTER_SIZE : logBlockSize,
      ) -
        logBlockSize)
    this.clustersPerGroup = range(
      's_clusters_per_group',
      sb(SuperBlock.s_clusters_per_group),
      8,
      this.blockSize * 8,
    )
    this.blocksPerGroup = this.clustersPerGroup * this.clusterRatio
    if (sb(SuperBlock.s_blocks_per_group) !== this.blocksPerGroup)
      bad('s_blocks_per_group', sb(SuperBlock.s_blocks_per_group), this.blocksPerGroup)
    if (this.blocksCount % this.clusterRatio !== 0)
      bad('s_blocks_count', this.blocksCount, `a multiple of ${this.clusterRatio}, whole clusters`)
    this.inodesPerGroup = range(
      's_inodes_per_group',
      sb(SuperBlock.s_inodes_per_group),
      8,
      this.blockSize * 8,
    )
    this.inodesCount = sb(SuperBlock.s_inodes_count)
    const rev = range('s_rev_level', sb(SuperBlock.s_rev_level), 0, 1)
    this.inodeSize = rev === 0 ? 128 : range('s_inode_size', sb(SuperBlock.s_inode_size), 128, this.blockSize)
    if ((this.inodeSize & (this.inodeSize - 1)) !== 0) bad('s_inode_size', this.inodeSize, 'a power of two')
    this.firstIno = rev === 0 ? 11 : sb(SuperBlock.s_first_ino)
    this.descSize = is64 ? range('s_desc_size', sb(SuperBlock.s_desc_size), 64, this.blockSize) : 32
    this.reservedGdtBlocks = sb(SuperBlock.s_reserved_gdt_blocks)
    this.backupGroups = readBackupGroups(view, base)
    this.groupsPerFlex =
      (this.incompat & INCOMPAT.flex_bg) !== 0
        ? 2 ** range('s_log_groups_per_flex', sb(SuperBlock.s_log_groups_per_flex), 0, 31)
        : 1
    if (this.blocksCount <= this.firstDataBlock)
      bad('s_blocks_count', this.blocksCount, `more than ${this.firstDataBlock}`)
    this.groupCount = Math.ceil((this.blocksCount - this.firstDataBlock) / this.blocksPerGroup)
    this.firstMetaBg =
      (this.incompat & INCOMPAT.meta_bg) !== 0
        ? range('s_first_meta_bg', sb(SuperBlock.s_first_meta_bg), 0, descriptorBlocks(this))
        : 0
    if (this.inodesCount !== this.groupCount * this.inodesPerGroup)
      bad('s_inodes_count', this.inodesCount, this.groupCount * this.inodesPerGroup)
    if (this.blocksCount * this.blockSize > device.size) {
      throw new FsError(
        'EINVAL',
        `${device.name}: the file system has ${this.blocksCount} blocks of ${this.blockSize} bytes, the device only ${device.size} bytes`,
      )
    }
    this.uuid = sb(SuperBlock.s_uuid).slice()
    this.checksumSeed =
      (this.incompat & INCOMPAT.metadata_csum_seed) !== 0
        ? sb(SuperBlock.s_checksum_seed)
        : uuidSeed(this.uuid)
    this.superblockBlock = Math.floor(place / this.blockSize)
    this.superblockOffset = place % this.blockSize
    this.cache = new BufferCache(device, this.blockSize)
    this.groups = new GroupTable(this)
    this.checksums = new ChecksumQueue(this)
    this.inodeCache = new InodeCache(this)
    this.blockAllocator = new BlockAllocator(this)
    this.inodeAllocator = new InodeAllocator(this)
    this.orphans = new Orphans(this)
    this.quotas = (this.roCompat & RO_COMPAT.quota) !== 0 ? new Quotas(this) : undefined
  }

  get hasDirIndex(): boolean {
    return (this.compat & COMPAT.dir_index) !== 0
  }

  get hasProjects(): boolean {
    return (this.roCompat & RO_COMPAT.project) !== 0
  }

  get hasLargeDir(): boolean {
    return (this.incompat & INCOMPAT.large_dir) !== 0
  }

  /** The buffer that holds the superblock. Its fields stand at `at + superblockOffset`. */
  get superblock(): BufferHead {
    return this.cache.get(this.superblockBlock)
  }

  /** The superblock's buffer with write access in `handle`, its checksum to be renewed. */
  modifySuperblock(handle: Handle): BufferHead {
    const head = this.superblock
    handle.getWriteAccess(head)
    this.checksums.superblock()
    return head
  }

  /** Whether the caller may use the reserved blocks: root, or who s_def_resuid and s_def_resgid or the options name. */
  get mayUseReserved(): boolean {
    const { uid, gid, groups } = this.caller
    if (uid === 0) return true
    const { view, at } = this.superblock
    const reserved = at + this.superblockOffset
    const { resuid, resgid } = this.behaviour
    if (uid === (resuid ?? SuperBlock.s_def_resuid.get(view, reserved))) return true
    const group = resgid ?? SuperBlock.s_def_resgid.get(view, reserved)
    return group !== 0 && (gid === group || groups.includes(group))
  }

  /** What an inode keeps of a uid or gid: with nouid32 it has 16 bits for it. */
  storedId(id: number): number {
    return this.behaviour.nouid32 && id > 0xffff ? OVERFLOW_ID : id
  }

  /** Whether `block` may hold data or metadata of this file system. */
  isValidBlock(block: number): boolean {
    return block > this.firstDataBlock && block < this.blocksCount
  }

  groupOfBlock(block: number): number {
    return Math.floor((block - this.firstDataBlock) / this.blocksPerGroup)
  }

  firstBlockOfGroup(group: number): number {
    return this.firstDataBlock + group * this.blocksPerGroup
  }

  /** Blocks of `group`: fewer in the last one. */
  blocksInGroup(group: number): number {
    return Math.min(this.blocksPerGroup, this.blocksCount - this.firstBlockOfGroup(group))
  }

  /** Clusters of `group`: fewer in the last one. */
  clustersInGroup(group: number): number {
    return this.blocksInGroup(group) / this.clusterRatio
  }

  /** What one cluster counts for in i_blocks, the least that a block of metadata takes: units of 512 bytes. */
  get clusterSectors(): number {
    return (this.clusterRatio * this.blockSize) / 512
  }

  groupOfInode(ino: number): number {
    return Math.floor((ino - 1) / this.inodesPerGroup)
  }
}

/** Linux's fs.overflowuid and fs.overflowgid, unless changed: nobody. */
const OVERFLOW_ID = 65534

/** 512 MiB, EXT2_MAX_CLUSTER_LOG_SIZE. */
const MAX_LOG_CLUSTER_SIZE = 19

function settled(behaviour: Readonly<Behaviour>, defaults: DefaultMountOptions): SettledBehaviour {
  return {
    ...behaviour,
    grpid: behaviour.grpid ?? defaults.grpid,
    nouid32: behaviour.nouid32 ?? defaults.nouid32,
    discard: behaviour.discard ?? defaults.discard,
  }
}

function bad(field: string, found: number, expected: number | string): never {
  throw new CorruptError({ structure: 'ext4_super_block', field, found, expected })
}

function range(field: string, found: number, least: number, most: number): number {
  if (found < least || found > most) bad(field, found, least === most ? least : `${least} to ${most}`)
  return found
}

function checkSuperblockChecksum(bytes: Uint8Array, at: number, found: number): void {
  const expected = superblockChecksum(bytes, at)
  if (found !== expected) {
    throw new CorruptError({ structure: 'ext4_super_block', field: 's_checksum', found, expected }, 'EBADMSG')
  }
}

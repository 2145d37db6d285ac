import { createHash } from 'node:crypto'
import { FsError } from '../../../../lib/errno.js'
import type { BlockDevice } from '../../block/block-device.js'
import type { Timespec } from '../../vfs/attributes.js'
import { detect } from './detect.js'
import { writeJournalExtents } from './extent-leaf.js'
import { firstBlockOfGroup, type Geometry, planGeometry } from './geometry.js'
import { type Identity, ImageWriter, type Owner } from './image-writer.js'
import { type Placement, place } from './placement.js'
import { backupGroups, writeResizeInode } from './resize-inode.js'
import { writeDirectories, writeJournal, writeOrphanFile } from './write-files.js'
import { writeGroups } from './write-groups.js'
import { count, writeInodes } from './write-inodes.js'
import { writeSuperblocks } from './write-superblock.js'
import { zeroRange } from './zero-range.js'

export interface MkfsOptions {
  /** Bytes, 4096 unless given: DAX needs blocks of a page. */
  blockSize?: number
  /** At most 16 bytes of UTF-8. */
  label?: string
  /** 16 bytes. Unless given, derived from the time, the size and the label. */
  uuid?: Uint8Array
  /** 16 bytes; seeds the hashes of directory entries. Unless given, derived from the UUID. */
  hashSeed?: Uint8Array
  /** At least so many inodes. Unless given, one for every 4 to 64 KiB, as mke2fs. */
  inodes?: number
  /** Share of the blocks that is kept back for root, 0 to 50; 5 unless given. */
  reservedPercent?: number
  /** 0 for none, else at least 1024. Unless given, by the size as mke2fs; none on less than 2048 blocks. */
  journalBlocks?: number
  /** Whose the root directory is; root's unless given. mke2fs -E root_owner. */
  rootOwner?: Owner
  now: Timespec
  /** Overwrites a file system (or other known content) that is there. */
  force?: boolean
  /** The caller knows that the device is all zero: what has to be zero is then not even read. */
  zeroed?: boolean
}

export interface MkfsReport {
  readonly blockSize: number
  readonly blocksCount: number
  readonly freeBlocks: number
  readonly reservedBlocks: number
  readonly inodesCount: number
  readonly freeInodes: number
  readonly groupCount: number
  /** 0: the file system has no journal. */
  readonly journalBlocks: number
  readonly label: string
  readonly uuid: Uint8Array
  /** Blocks of the superblock's backups. */
  readonly backups: readonly number[]
}

const BLOCK_SIZES = [1024, 2048, 4096]
/** Blocks of the smallest file system that gets a journal unless asked not to. */
export const LEAST_BLOCKS_FOR_JOURNAL = 2048
const LEAST_JOURNAL = 1024
const MOST_JOURNAL = 10_240_000
/** Signatures of other file systems stand in the first and the last bytes. */
const WIPED_START = 128 * 1024
const WIPED_END = 64 * 1024
/** lost+found has room for so many bytes of entries from the start, in no more than the direct blocks. */
const LOST_FOUND_BYTES = 16 * 1024
const DIRECT_BLOCKS = 12

/**
 * Makes an ext4 file system as mkfs.ext4 of e2fsprogs 1.47 does by default (upstream's features, with orphan_file and
 * metadata_csum_seed). The caller flushes the device. Throws FsError: EINVAL for an option that cannot be, ENOSPC when
 * the device is too small (naming the least size), EEXIST when it holds something and `force` is not set.
 */
export function mkfs(device: BlockDevice, options: MkfsOptions): MkfsReport {
  checkOptions(device, options)
  const { geometry, placement } = plan(device, options)
  const identity = identify(device, geometry, options)
  if (options.force !== true) refuseContent(device)
  const zeroed = options.zeroed === true
  if (!zeroed) wipe(device)
  const writer = new ImageWriter(device, { geometry, placement, identity, zeroed })
  writeInodes(writer)
  writeResizeInode(writer)
  writeDirectories(writer)
  writeOrphanFile(writer)
  writeJournalExtents(writer)
  writeJournal(writer, device)
  const free = writeGroups(writer)
  writeSuperblocks(writer, free)
  return {
    blockSize: geometry.blockSize,
    blocksCount: geometry.blocksCount,
    freeBlocks: free.blocks,
    reservedBlocks: identity.reservedBlocks,
    inodesCount: geometry.inodesCount,
    freeInodes: free.inodes,
    groupCount: geometry.groupCount,
    journalBlocks: count(placement.journal),
    label: identity.label,
    uuid: identity.uuid,
    backups: backupGroups(geometry).map((group) => firstBlockOfGroup(geometry, group)),
  }
}

function checkOptions(device: BlockDevice, options: MkfsOptions): void {
  const { blockSize = 4096, inodes, reservedPercent = 5, journalBlocks = 0 } = options
  const refuse = (message: string): never => {
    throw new FsError('EINVAL', message)
  }
  if (device.readOnly) throw new FsError('EROFS', `${device.name} is read-only`)
  if (!BLOCK_SIZES.includes(blockSize))
    refuse(`block size ${blockSize}, must be one of ${BLOCK_SIZES.join(', ')}`)
  if (inodes !== undefined && !(Number.isInteger(inodes) && inodes >= 1)) refuse(`${inodes} inodes`)
  if (!(reservedPercent >= 0 && reservedPercent <= 50))
    refuse(`${reservedPercent} % reserved, must be 0 to 50`)
  if (journalBlocks !== 0 && !(journalBlocks >= LEAST_JOURNAL && journalBlocks <= MOST_JOURNAL)) {
    refuse(`journal of ${journalBlocks} blocks, must be 0 or ${LEAST_JOURNAL} to ${MOST_JOURNAL}`)
  }
  if (Buffer.byteLength(options.label ?? '') > 16) refuse(`label "${options.label}" has more than 16 bytes`)
  for (const [name, value] of [
    ['uuid', options.uuid],
    ['hash seed', options.hashSeed],
  ] as const) {
    if (value !== undefined && value.length !== 16) refuse(`${name} of ${value.length} bytes, must be 16`)
  }
}

function refuseContent(device: BlockDevice): void {
  const found = detect(device)
  if (found !== undefined)
    throw new FsError('EEXIST', `${device.name} holds ${found}; it is overwritten only by force`)
}

function plan(device: BlockDevice, options: MkfsOptions): { geometry: Geometry; placement: Placement } {
  const { blockSize = 4096 } = options
  const blocks = Math.floor(device.size / blockSize)
  const fitting = fit(blocks, options)
  if (fitting !== undefined) return fitting
  let least = blocks + 1
  while (fit(least, options) === undefined) least += Math.ceil(least / 64)
  while (least > 1 && fit(least - 1, options) !== undefined) least--
  const needed = `at least ${least} of ${blockSize} bytes (${Math.ceil((least * blockSize) / 1024)} KiB)`
  throw new FsError('ENOSPC', `${device.name} is too small: ${blocks} blocks, a file system needs ${needed}`)
}

function fit(blocks: number, options: MkfsOptions): { geometry: Geometry; placement: Placement } | undefined {
  const { blockSize = 4096, inodes } = options
  const geometry = planGeometry(blocks, { blockSize, inodes })
  if (geometry === undefined) return undefined
  const journal = options.journalBlocks ?? defaultJournalBlocks(geometry.blocksCount)
  const placement = place(geometry, {
    lostFound: Math.min(Math.ceil(LOST_FOUND_BYTES / blockSize), DIRECT_BLOCKS),
    orphanFile: journal === 0 ? 0 : orphanFileBlocks(geometry.blocksCount),
    journal,
  })
  return placement === undefined ? undefined : { geometry, placement }
}

/** As mke2fs: it grows with the file system in powers of two. */
export function defaultJournalBlocks(blocks: number): number {
  if (blocks < LEAST_BLOCKS_FOR_JOURNAL) return 0
  if (blocks < 32768) return 1024
  if (blocks < 256 * 1024) return 4096
  if (blocks < 512 * 1024) return 8192
  if (blocks < 4096 * 1024) return 16384
  if (blocks < 8192 * 1024) return 32768
  if (blocks < 16384 * 1024) return 65536
  return blocks < 32768 * 1024 ? 131072 : 262144
}

/** As mke2fs: 32 to 512. */
function orphanFileBlocks(blocks: number): number {
  if (blocks < 128 * 1024) return 32
  return blocks < 2048 * 1024 ? Math.floor(blocks / 4096) : 512
}

function identify(device: BlockDevice, geometry: Geometry, options: MkfsOptions): Identity {
  const { label = '', now } = options
  const uuid = options.uuid ?? derive(`fakedax ${now.sec}.${now.nsec} ${device.name} ${device.size} ${label}`)
  return {
    uuid,
    hashSeed: options.hashSeed ?? derive(`hash seed ${Buffer.from(uuid).toString('hex')}`),
    label,
    now,
    rootOwner: options.rootOwner ?? { uid: 0, gid: 0 },
    reservedBlocks: Math.floor((geometry.blocksCount * (options.reservedPercent ?? 5)) / 100),
  }
}

/** A UUID of version 8 (RFC 9562: the bits are the maker's) that `text` decides. */
function derive(text: string): Uint8Array {
  const uuid = new Uint8Array(createHash('sha256').update(text).digest().subarray(0, 16))
  uuid[6] = (uuid[6]! & 0x0f) | 0x80
  uuid[8] = (uuid[8]! & 0x3f) | 0x80
  return uuid
}

/** What was there is gone before anything new is written; the old superblock first. */
function wipe(device: BlockDevice): void {
  zeroRange(device, 0, Math.min(WIPED_START, device.size))
  const end = Math.min(WIPED_END, device.size)
  zeroRange(device, device.size - end, end)
}

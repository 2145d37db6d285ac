import { countClear, findClear, setBits } from '../../../lib/bitmap.js'
import { CorruptError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { bitmapChecksum } from './checksum.js'
import { RO_COMPAT } from './features.js'
import { BLOCK_UNINIT } from './group-descriptor.js'
import type { SystemZone } from './system-zone.js'
import type { Volume } from './volume.js'

/** Whether the flags and bg_itable_unused of the group descriptors mean anything. */
export function hasGroupDescCsum(volume: Volume): boolean {
  return (volume.roCompat & (RO_COMPAT.uninit_bg | RO_COMPAT.metadata_csum)) !== 0
}

/** Whether the group's block bitmap was never written: all of the group is free but what the system zone has. */
export function isBlockUninit(volume: Volume, group: number): boolean {
  return hasGroupDescCsum(volume) && (volume.groups.flags(group) & BLOCK_UNINIT) !== 0
}

/**
 * The block bitmap of a group that has one, checked once when it comes in: its checksum, its free count, that
 * it marks the metadata in the group. Throws CorruptError. Kernel docs: ext4, "Block and Inode Bitmaps".
 */
export function blockBitmap(volume: Volume, zone: SystemZone, group: number): BufferHead {
  const head = volume.cache.get(volume.groups.blockBitmap(group))
  if (head.verified) return head
  const place = { structure: `block bitmap of group ${group}`, block: head.block }
  if (volume.hasMetadataCsum) {
    const sum = bitmapChecksum(volume.checksumSeed, head.bytes, head.at, volume.clustersPerGroup)
    const expected = (sum & volume.groups.bitmapChecksumMask) >>> 0
    const found = volume.groups.blockBitmapChecksum(group)
    if (found !== expected)
      throw new CorruptError({ ...place, field: 'bg_block_bitmap_csum', found, expected }, 'EBADMSG')
  }
  const first = volume.firstBlockOfGroup(group)
  const size = volume.clustersInGroup(group)
  zone.forEach(first, first + volume.blocksInGroup(group), (start, end) => {
    const to = Math.ceil((end - first) / volume.clusterRatio)
    const clear = findClear(head.bytes, head.at, Math.floor((start - first) / volume.clusterRatio), to)
    if (clear !== to) {
      throw new CorruptError({ ...place, field: `bit ${clear}`, found: 0, expected: '1, for metadata' })
    }
  })
  const free = countClear(head.bytes, head.at, 0, size)
  const stated = volume.groups.freeBlocks(group)
  if (free !== stated)
    throw new CorruptError({ ...place, field: 'clear bits', found: free, expected: stated })
  head.verified = true
  return head
}

/** What the bitmap of a BLOCK_UNINIT group would be: only metadata is in use. */
export function uninitialisedBitmap(volume: Volume, zone: SystemZone, group: number): Uint8Array {
  const bytes = new Uint8Array(volume.blockSize)
  const { clusterRatio } = volume
  const first = volume.firstBlockOfGroup(group)
  zone.forEach(first, first + volume.blocksInGroup(group), (start, end) => {
    const to = Math.ceil((end - first) / clusterRatio)
    setBits(bytes, 0, Math.floor((start - first) / clusterRatio), to)
  })
  return bytes
}

/** Writes the bitmap of a BLOCK_UNINIT group: metadata and the bits past the group's end are set. */
export function initialiseBlockBitmap(
  handle: Handle,
  volume: Volume,
  zone: SystemZone,
  group: number,
): BufferHead {
  const { groups } = volume
  const head = volume.cache.get(groups.blockBitmap(group))
  const first = volume.firstBlockOfGroup(group)
  const size = volume.clustersInGroup(group)
  const { clusterRatio } = volume
  handle.getCreateAccess(head)
  zone.forEach(first, first + volume.blocksInGroup(group), (start, end) => {
    const to = Math.ceil((end - first) / clusterRatio)
    setBits(head.bytes, head.at, Math.floor((start - first) / clusterRatio), to)
  })
  setBits(head.bytes, head.at, size, volume.blockSize * 8)
  const free = countClear(head.bytes, head.at, 0, size)
  const stated = groups.freeBlocks(group)
  if (free !== stated) {
    throw new CorruptError({
      structure: `ext4_group_desc ${group}`,
      block: groups.blockOf(group),
      field: 'bg_free_blocks_count',
      found: stated,
      expected: `${free}, as the group is BLOCK_UNINIT`,
    })
  }
  groups.setFlags(handle, group, groups.flags(group) & ~BLOCK_UNINIT)
  volume.checksums.blockBitmap(group)
  return head
}

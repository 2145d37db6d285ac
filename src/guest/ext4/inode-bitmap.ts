import { countClear, setBits } from '../../../lib/bitmap.js'
import { CorruptError } from '../../../lib/errno.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { hasGroupDescCsum } from './block-bitmap.js'
import { bitmapChecksum } from './checksum.js'
import { INODE_UNINIT } from './group-descriptor.js'
import type { Volume } from './volume.js'

/** Whether the group's inode bitmap was never written: none of its inodes is in use. */
export function isInodeUninit(volume: Volume, group: number): boolean {
  return hasGroupDescCsum(volume) && (volume.groups.flags(group) & INODE_UNINIT) !== 0
}

/**
 * The inode bitmap of a group that has one, its checksum and free count checked once when it comes in. Throws
 * CorruptError. Kernel docs: ext4, "Block and Inode Bitmaps".
 */
export function inodeBitmap(volume: Volume, group: number): BufferHead {
  const head = volume.cache.get(volume.groups.inodeBitmap(group))
  if (head.verified) return head
  const place = { structure: `inode bitmap of group ${group}`, block: head.block }
  if (volume.hasMetadataCsum) {
    const sum = bitmapChecksum(volume.checksumSeed, head.bytes, head.at, volume.inodesPerGroup)
    const expected = (sum & volume.groups.bitmapChecksumMask) >>> 0
    const found = volume.groups.inodeBitmapChecksum(group)
    if (found !== expected)
      throw new CorruptError({ ...place, field: 'bg_inode_bitmap_csum', found, expected }, 'EBADMSG')
  }
  const free = countClear(head.bytes, head.at, 0, volume.inodesPerGroup)
  const stated = volume.groups.freeInodes(group)
  if (free !== stated)
    throw new CorruptError({ ...place, field: 'clear bits', found: free, expected: stated })
  head.verified = true
  return head
}

/** Writes the bitmap of an INODE_UNINIT group: no inode in use, the bits past the last inode set. */
export function initialiseInodeBitmap(handle: Handle, volume: Volume, group: number): BufferHead {
  const { groups } = volume
  const head = volume.cache.get(groups.inodeBitmap(group))
  handle.getCreateAccess(head)
  setBits(head.bytes, head.at, volume.inodesPerGroup, volume.blockSize * 8)
  const stated = groups.freeInodes(group)
  if (stated !== volume.inodesPerGroup) {
    throw new CorruptError({
      structure: `ext4_group_desc ${group}`,
      block: groups.blockOf(group),
      field: 'bg_free_inodes_count',
      found: stated,
      expected: `${volume.inodesPerGroup}, as the group is INODE_UNINIT`,
    })
  }
  groups.setFlags(handle, group, groups.flags(group) & ~INODE_UNINIT)
  groups.setItableUnused(handle, group, volume.inodesPerGroup)
  volume.checksums.inodeBitmap(group)
  return head
}

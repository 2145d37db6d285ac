import { layout, le16, le32, le64 } from '../../../lib/layout.js'

/**
 * Quota files of the second revision of vfsv1, in hidden inodes (feature quota). Blocks of 1 KiB: block 0 the header,
 * block 1 the root of a tree of four levels whose nodes are chosen by the bytes of an id, the highest first; its leaves
 * name blocks of entries. Linux: fs/quota/quotaio_v2.h, fs/quota/quota_tree.h. Little-endian.
 */

/** Bytes. */
export const QUOTA_BLOCK = 1024
/** The root of the tree. */
export const TREE_ROOT = 1
export const TREE_DEPTH = 4

/** struct v2_disk_dqheader and, behind it, struct v2_disk_dqinfo. */
export const QuotaHeader = layout('v2_disk_dqheader', 32, {
  dqh_magic: le32(0x0),
  dqh_version: le32(0x4),
  /** Seconds. */
  dqi_bgrace: le32(0x8),
  dqi_igrace: le32(0xc),
  dqi_flags: le32(0x10),
  dqi_blocks: le32(0x14),
  /** List of unused blocks. */
  dqi_free_blk: le32(0x18),
  /** List of blocks of entries with room. */
  dqi_free_entry: le32(0x1c),
})

/** dqh_version of revision 1. */
export const QUOTA_VERSION = 1

/** struct qt_disk_dqdbheader: the start of a block of entries. */
export const EntryBlockHeader = layout('qt_disk_dqdbheader', 16, {
  dqdh_next_free: le32(0x0),
  dqdh_prev_free: le32(0x4),
  dqdh_entries: le16(0x8),
})

/** struct v2r1_disk_dqblk: the usage and limits of one id. Limits of 0 are none. */
export const DiskDqblk = layout('v2r1_disk_dqblk', 72, {
  dqb_id: le32(0x0),
  dqb_ihardlimit: le64(0x8),
  dqb_isoftlimit: le64(0x10),
  dqb_curinodes: le64(0x18),
  /** Limits of space count in units of 1 KiB. */
  dqb_bhardlimit: le64(0x20),
  dqb_bsoftlimit: le64(0x28),
  /** Bytes. */
  dqb_curspace: le64(0x30),
  /** When the grace ends; seconds since 1970, 0: the soft limit is kept. */
  dqb_btime: le64(0x38),
  dqb_itime: le64(0x40),
})

export const ENTRIES_PER_BLOCK = Math.floor((QUOTA_BLOCK - EntryBlockHeader.SIZE) / DiskDqblk.SIZE)

/** The kinds of quota, in Linux's order: USRQUOTA, GRPQUOTA, PRJQUOTA. */
export const QUOTA_TYPES = [
  { name: 'user', magic: 0xd9c01f11 },
  { name: 'group', magic: 0xd9c01927 },
  { name: 'project', magic: 0xd9c03f14 },
] as const

/** Which node the way to `id` takes at `level`, 0 to 3. */
export function treeIndex(id: number, level: number): number {
  return (id >>> (8 * (TREE_DEPTH - 1 - level))) & 0xff
}

/** Whether an entry is all zero, which marks it as not in use. */
export function isUnusedEntry(view: DataView, at: number): boolean {
  for (let offset = 0; offset < DiskDqblk.SIZE; offset += 4) {
    if (view.getUint32(at + offset, true) !== 0) return false
  }
  return true
}

import { layout, le16, le32 } from '../../../lib/layout.js'

/** FUSE_KERNEL_VERSION, and the minor versions understood here. 7.31 is Linux 5.2; 7.45 is Linux 6.18. */
export const FUSE_KERNEL_VERSION = 7
export const MINOR_LEAST = 31
export const MINOR_MOST = 45

/** struct fuse_init_in, without `flags2` and what follows it before 7.36. */
export const InitIn = layout('fuse_init_in', 16, {
  major: le32(0),
  minor: le32(4),
  max_readahead: le32(8),
  flags: le32(12),
})

/** The rest of struct fuse_init_in, there when INIT_EXT is offered. Offsets from the structure's start. */
export const InitInExt = layout('fuse_init_in', 64, { flags2: le32(16) })

/** struct fuse_init_out. */
export const InitOut = layout('fuse_init_out', 64, {
  major: le32(0),
  minor: le32(4),
  max_readahead: le32(8),
  flags: le32(12),
  max_background: le16(16),
  congestion_threshold: le16(18),
  max_write: le32(20),
  time_gran: le32(24),
  max_pages: le16(28),
  map_alignment: le16(30),
  flags2: le32(32),
})

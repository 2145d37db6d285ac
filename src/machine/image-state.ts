import { closeSync, openSync, readSync } from 'node:fs'
import { INCOMPAT } from '../guest/ext4/features.js'
import { EXT4_MAGIC, SUPERBLOCK_OFFSET, SuperBlock } from '../guest/ext4/superblock.js'

/** Whether mounting the image read-only writes to it all the same: its journal waits to be replayed. */
export function needsWritableImage(path: string): boolean {
  const bytes = new Uint8Array(SuperBlock.SIZE)
  const fd = openSync(path, 'r')
  try {
    if (readSync(fd, bytes, 0, bytes.length, SUPERBLOCK_OFFSET) < bytes.length) return false
  } finally {
    closeSync(fd)
  }
  const view = new DataView(bytes.buffer)
  return (
    SuperBlock.s_magic.get(view, 0) === EXT4_MAGIC &&
    (SuperBlock.s_feature_incompat.get(view, 0) & INCOMPAT.needs_recovery) !== 0
  )
}

import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** s_volume_name, up to its first zero. A copy. */
export function getLabel(volume: Volume): Uint8Array {
  const head = volume.superblock
  const name = SuperBlock.s_volume_name.get(head.view, head.at + volume.superblockOffset)
  const end = name.indexOf(0)
  return name.slice(0, end < 0 ? name.length : end)
}

/** Throws FsError EINVAL for more than 16 bytes. The copies of the superblock keep the old name: only e2fsck reads them. */
export function setLabel(volume: Volume, handle: Handle, label: Uint8Array): void {
  if (label.length > SuperBlock.s_volume_name.size)
    throw new FsError('EINVAL', `label of ${label.length} bytes`)
  const head = volume.modifySuperblock(handle)
  SuperBlock.s_volume_name.set(head.view, head.at + volume.superblockOffset, label)
}

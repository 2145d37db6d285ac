import { firstBlockOfGroup, type Geometry, hasSuperblock } from './geometry.js'
import type { ImageWriter } from './image-writer.js'

/**
 * The resize inode (7) owns the blocks reserved behind each copy of the descriptor table. Its double-indirect block
 * points to the reserved blocks of group 0, and each of these is an indirect block that points to its counterparts
 * in the groups with backups. Kernel docs: ext4, "Block Groups" and "Special inodes".
 */
export function writeResizeInode(writer: ImageWriter): void {
  const { geometry, placement } = writer
  const pointers = geometry.blockSize / 4
  const dind = writer.scratch(1)
  const firstReserved = geometry.firstDataBlock + 1 + geometry.descBlocks
  const backups = backupGroups(geometry)
  for (let index = 0; index < geometry.reservedGdtBlocks; index++) {
    const reserved = firstReserved + index
    dind.view.setUint32(((geometry.descBlocks + index) % pointers) * 4, reserved, true)
    const indirect = writer.scratch(1)
    for (const [entry, group] of backups.entries()) {
      indirect.view.setUint32(entry * 4, reserved + group * geometry.blocksPerGroup, true)
    }
    writer.write(reserved, indirect.bytes)
  }
  writer.write(placement.resizeDind, dind.bytes)
  for (const group of backups) {
    writer.zero(firstBlockOfGroup(geometry, group) + 1 + geometry.descBlocks, geometry.reservedGdtBlocks)
  }
}

/** Blocks that it holds: the double-indirect one and every reserved block. */
export function resizeInodeBlocks(geometry: Geometry): number {
  return 1 + geometry.reservedGdtBlocks * (1 + backupGroups(geometry).length)
}

/** Bytes: as far as a double-indirect map reaches. */
export function resizeInodeSize(blockSize: number): number {
  const pointers = blockSize / 4
  return (12 + pointers + pointers * pointers) * blockSize
}

/** Groups behind the first that begin with a copy of the superblock. */
export function backupGroups(geometry: Geometry): number[] {
  const groups: number[] = []
  for (let group = 1; group < geometry.groupCount; group++) {
    if (hasSuperblock(group)) groups.push(group)
  }
  return groups
}

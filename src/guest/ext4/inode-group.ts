import { S_IFDIR, S_IFMT } from '../vfs/attributes.js'
import type { Inode } from './inode.js'
import { TOPDIR_FL } from './inode-flags.js'
import { ROOT_INO } from './superblock.js'
import type { Volume } from './volume.js'

/** Flex groups that are compared for a top-level directory. */
const SPREAD = 16

/** What a directory's group is chosen by: averages over the file system. `freeBlocks` counts clusters. */
interface Averages {
  freeInodes: number
  freeBlocks: number
}

/** Free space of one flex group. */
interface FlexStatistics extends Averages {
  usedDirs: number
}

/**
 * Which group a new inode goes to, -1 when no group has a free inode. Top-level directories are spread over the
 * device, the others stay near their parents as long as there is room, files near their directories. After the
 * Orlov allocator of ext2 and ext4; kernel docs: ext4, "Block and inode allocation policy".
 *
 * @param spread where to begin looking for a top-level directory: any number, another one for the next.
 */
export function chooseGroup(
  volume: Volume,
  parent: Inode,
  mode: number,
  averages: { freeInodes: number; freeBlocks: number },
  spread: number,
): number {
  if ((mode & S_IFMT) !== S_IFDIR) return groupForFile(volume, parent)
  const top = parent.ino === ROOT_INO || (parent.flags & TOPDIR_FL) !== 0
  const flex = top
    ? flexForTopDirectory(volume, averages, spread)
    : flexForDirectory(volume, parent, averages)
  const group = flex < 0 ? -1 : groupWithFreeInode(volume, flex * volume.groupsPerFlex, volume.groupsPerFlex)
  return group >= 0 ? group : groupForFile(volume, parent)
}

function flexCount(volume: Volume): number {
  return Math.ceil(volume.groupCount / volume.groupsPerFlex)
}

/** Among flex groups with no less room than the average, the one with the fewest directories. */
function flexForTopDirectory(volume: Volume, averages: Averages, spread: number): number {
  const count = flexCount(volume)
  let best = -1
  let fewest = Number.POSITIVE_INFINITY
  for (let step = 0; step < Math.min(count, SPREAD); step++) {
    const flex = (spread + step) % count
    const found = flexStatistics(volume, flex)
    if (found.freeInodes < averages.freeInodes || found.freeInodes === 0) continue
    if (found.freeBlocks < averages.freeBlocks || found.usedDirs >= fewest) continue
    best = flex
    fewest = found.usedDirs
  }
  return best
}

/** From the parent's on, the first flex group that is not much fuller than the average. */
function flexForDirectory(volume: Volume, parent: Inode, averages: Averages): number {
  const count = flexCount(volume)
  const home = Math.floor(volume.groupOfInode(parent.ino) / volume.groupsPerFlex)
  const inodesPerFlex = volume.inodesPerGroup * volume.groupsPerFlex
  const leastInodes = Math.max(1, averages.freeInodes - inodesPerFlex / 4)
  const leastBlocks = averages.freeBlocks - (volume.clustersPerGroup * volume.groupsPerFlex) / 4
  for (let step = 0; step < Math.min(count, SPREAD); step++) {
    const flex = (home + step) % count
    const found = flexStatistics(volume, flex)
    if (found.freeInodes >= leastInodes && found.freeBlocks >= leastBlocks) return flex
  }
  return -1
}

/** The parent's group, its flex group, then others ever further away, then any. */
function groupForFile(volume: Volume, parent: Inode): number {
  const { groups, groupCount, groupsPerFlex } = volume
  const home = volume.groupOfInode(parent.ino)
  if (groups.freeInodes(home) > 0 && groups.freeBlocks(home) > 0) return home
  if (groupsPerFlex > 1) {
    const near = groupWithFreeInode(volume, home - (home % groupsPerFlex), groupsPerFlex)
    if (near >= 0) return near
  }
  // Files of one directory stay together; other directories begin elsewhere.
  let group = (home + parent.ino) % groupCount
  for (let step = 1; step < groupCount; step *= 2) {
    group = (group + step) % groupCount
    if (groups.freeInodes(group) > 0 && groups.freeBlocks(group) > 0) return group
  }
  const behind = groupWithFreeInode(volume, home, groupCount - home)
  return behind >= 0 ? behind : groupWithFreeInode(volume, 0, home)
}

function groupWithFreeInode(volume: Volume, first: number, count: number): number {
  const end = Math.min(first + count, volume.groupCount)
  for (let group = first; group < end; group++) if (volume.groups.freeInodes(group) > 0) return group
  return -1
}

function flexStatistics(volume: Volume, flex: number): FlexStatistics {
  const { groups } = volume
  const first = flex * volume.groupsPerFlex
  const end = Math.min(first + volume.groupsPerFlex, volume.groupCount)
  const found = { freeInodes: 0, freeBlocks: 0, usedDirs: 0 }
  for (let group = first; group < end; group++) {
    found.freeInodes += groups.freeInodes(group)
    found.freeBlocks += groups.freeBlocks(group)
    found.usedDirs += groups.usedDirs(group)
  }
  return found
}

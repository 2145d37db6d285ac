import {
  blocksInGroup,
  firstBlockOfGroup,
  type Geometry,
  GROUPS_PER_FLEX,
  hasSuperblock,
  superblockZone,
} from './geometry.js'
import { type Run, UsedSpace } from './used-space.js'

/** Where everything of a new file system stands; block numbers. */
export interface Placement {
  readonly used: UsedSpace
  /** By group. */
  readonly blockBitmaps: Uint32Array
  readonly inodeBitmaps: Uint32Array
  readonly inodeTables: Uint32Array
  readonly root: Run[]
  readonly lostFound: Run[]
  /** The double-indirect block of the resize inode. */
  readonly resizeDind: number
  readonly orphanFile: Run[]
  readonly journal: Run[]
  /** The journal's extent tree block, 0 when its extents fit into the inode. */
  readonly journalExtents: number
}

/** Blocks of the files that a new file system has. */
export interface FileBlocks {
  readonly lostFound: number
  readonly orphanFile: number
  readonly journal: number
}

/** Extents that the inode itself holds. */
const INLINE_EXTENTS = 4
/** Blocks that one extent covers at most. */
export const MAX_EXTENT = 32768

/** Places metadata and files; undefined when there is not room for all. */
export function place(geometry: Geometry, files: FileBlocks): Placement | undefined {
  const used = new UsedSpace(geometry.firstDataBlock, geometry.blocksCount)
  for (let group = 0; group < geometry.groupCount; group++) {
    if (hasSuperblock(group)) used.mark(firstBlockOfGroup(geometry, group), superblockZone(geometry, group))
  }
  const groups = placeGroups(geometry, used)
  if (groups === undefined) return undefined
  const root = used.take(1, geometry.firstDataBlock)
  const lostFound = used.take(files.lostFound, geometry.firstDataBlock)
  const dind = used.take(1, geometry.firstDataBlock)
  const orphanFile = files.orphanFile === 0 ? [] : used.take(files.orphanFile, geometry.firstDataBlock)
  // In the middle of the device the journal is nearest to what it logs, as mke2fs has it.
  const middle = firstBlockOfGroup(geometry, Math.floor(geometry.groupCount / 2))
  const journal = files.journal === 0 ? [] : used.take(files.journal, middle)
  if (!root || !lostFound || !dind || !orphanFile || !journal) return undefined
  const tree = extentCount(journal) > INLINE_EXTENTS ? used.take(1, middle) : []
  if (tree === undefined) return undefined
  return {
    used,
    ...groups,
    root,
    lostFound,
    resizeDind: dind[0]!.start,
    orphanFile,
    journal,
    journalExtents: tree[0]?.start ?? 0,
  }
}

export function extentCount(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + Math.ceil((run.end - run.start) / MAX_EXTENT), 0)
}

type GroupPlaces = Pick<Placement, 'blockBitmaps' | 'inodeBitmaps' | 'inodeTables'>

/** Bitmaps and inode tables of a flex group stand at its beginning, all block bitmaps first. */
function placeGroups(geometry: Geometry, used: UsedSpace): GroupPlaces | undefined {
  const { groupCount, inodeTableBlocks } = geometry
  const places = {
    blockBitmaps: new Uint32Array(groupCount),
    inodeBitmaps: new Uint32Array(groupCount),
    inodeTables: new Uint32Array(groupCount),
  }
  for (let first = 0; first < groupCount; first += GROUPS_PER_FLEX) {
    const behind = Math.min(first + GROUPS_PER_FLEX, groupCount)
    const from = firstBlockOfGroup(geometry, first)
    const to = firstBlockOfGroup(geometry, behind - 1) + blocksInGroup(geometry, behind - 1)
    for (const [table, blocks] of [
      [places.blockBitmaps, 1],
      [places.inodeBitmaps, 1],
      [places.inodeTables, inodeTableBlocks],
    ] as const) {
      for (let group = first; group < behind; group++) {
        const start = used.takeContiguous(blocks, from, to)
        if (start === undefined) return undefined
        table[group] = start
      }
    }
  }
  return places
}

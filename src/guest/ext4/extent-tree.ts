import type { Handle } from '../jbd2/handle.js'
import { MAX_DEPTH, MAX_LOGICAL_BLOCK, MAX_UNWRITTEN_LENGTH, MAX_WRITTEN_LENGTH } from './extent.js'
import { ExtentNode } from './extent-node.js'
import type { Inode } from './inode.js'
import type { Mapping } from './mapping.js'

/** The mapping that begins at or before `logical` and covers it, cut to begin at `logical`. A hole ends where data begins. */
export function findExtent(inode: Inode, logical: number): Mapping {
  let node = ExtentNode.root(inode)
  let bound = MAX_LOGICAL_BLOCK + 1
  for (let depth = node.depth; depth > 0; depth--) {
    const index = Math.max(node.search(logical), 0)
    if (node.entries === 0) inode.corrupt('eh_entries', 0, 'at least 1', 'ext4_extent_header')
    if (index + 1 < node.entries) bound = node.key(index + 1)
    node = ExtentNode.inBlock(inode, node.child(index), depth - 1)
  }
  const index = node.search(logical)
  if (index >= 0) {
    const skip = logical - node.key(index)
    const length = node.length(index)
    if (skip < length) {
      const physical = node.start(index)
      if (physical === 0 || physical + length > inode.volume.blocksCount) {
        inode.corrupt('ee_start', physical, `1 to ${inode.volume.blocksCount - length}`, 'ext4_extent')
      }
      return { logical, physical: physical + skip, length: length - skip, unwritten: node.isUnwritten(index) }
    }
  }
  if (index + 1 < node.entries) bound = node.key(index + 1)
  return { logical, physical: 0, length: bound - logical, unwritten: false }
}

/** The nodes from the root to the leaf where `logical` is or would be, each with its position. */
export function pathTo(inode: Inode, logical: number): ExtentNode[] {
  const path = [ExtentNode.root(inode)]
  for (let node = path[0] as ExtentNode; ; ) {
    node.position = node.search(logical)
    if (node.depth === 0) return path
    if (node.entries === 0) inode.corrupt('eh_entries', 0, 'at least 1', 'ext4_extent_header')
    node.position = Math.max(node.position, 0)
    node = ExtentNode.inBlock(inode, node.child(node.position), node.depth - 1)
    path.push(node)
  }
}

export const leafOf = (path: readonly ExtentNode[]): ExtentNode => path[path.length - 1] as ExtentNode

/** Maps a hole: `mapping` must not overlap what is mapped. Joins it to its neighbours where they continue each other. */
export function insertExtent(handle: Handle, inode: Inode, mapping: Mapping): void {
  const neighbours = pathTo(inode, mapping.logical)
  if (joinLeft(handle, neighbours, mapping) || joinRight(handle, neighbours, mapping)) return
  const path = makeRoomFor(handle, inode, mapping.logical)
  const leaf = leafOf(path)
  const index = leaf.position + 1
  leaf.modify(handle)
  leaf.openGap(index)
  leaf.setExtent(index, mapping.logical, mapping.physical, mapping.length, mapping.unwritten)
  if (index === 0) correctKeys(handle, path)
}

/** As {@link pathTo}, to a leaf that has room for one more entry. */
export function makeRoomFor(handle: Handle, inode: Inode, logical: number): ExtentNode[] {
  let path = pathTo(inode, logical)
  for (let bound = 2 * MAX_DEPTH; leafOf(path).isFull; bound--) {
    if (bound === 0) inode.corrupt('eh_entries', 'full', 'room after a split', 'ext4_extent_header')
    makeRoom(handle, path)
    path = pathTo(inode, logical)
  }
  return path
}

function joinLeft(handle: Handle, path: readonly ExtentNode[], mapping: Mapping): boolean {
  const leaf = leafOf(path)
  const index = leaf.position
  if (index < 0 || leaf.isUnwritten(index) !== mapping.unwritten) return false
  const length = leaf.length(index)
  const start = leaf.start(index)
  const logical = leaf.key(index)
  if (logical + length !== mapping.logical || start + length !== mapping.physical) return false
  if (length + mapping.length > longest(mapping.unwritten)) return false
  leaf.modify(handle)
  let joined = length + mapping.length
  const next = index + 1
  const bridges =
    next < leaf.entries &&
    leaf.isUnwritten(next) === mapping.unwritten &&
    leaf.key(next) === logical + joined &&
    leaf.start(next) === start + joined &&
    joined + leaf.length(next) <= longest(mapping.unwritten)
  if (bridges) {
    joined += leaf.length(next)
    leaf.closeGap(next)
  }
  leaf.setExtent(index, logical, start, joined, mapping.unwritten)
  return true
}

function joinRight(handle: Handle, path: readonly ExtentNode[], mapping: Mapping): boolean {
  const leaf = leafOf(path)
  const index = leaf.position + 1
  if (index >= leaf.entries || leaf.isUnwritten(index) !== mapping.unwritten) return false
  const length = leaf.length(index)
  if (
    mapping.logical + mapping.length !== leaf.key(index) ||
    mapping.physical + mapping.length !== leaf.start(index)
  )
    return false
  if (length + mapping.length > longest(mapping.unwritten)) return false
  leaf.modify(handle)
  leaf.setExtent(index, mapping.logical, mapping.physical, length + mapping.length, mapping.unwritten)
  if (index === 0) correctKeys(handle, path)
  return true
}

const longest = (unwritten: boolean): number => (unwritten ? MAX_UNWRITTEN_LENGTH : MAX_WRITTEN_LENGTH)

/** The first key of a node changed: the entries above that lead to it as their first way must name it. */
export function correctKeys(handle: Handle, path: readonly ExtentNode[]): void {
  for (let level = path.length - 1; level > 0; level--) {
    const node = path[level] as ExtentNode
    const parent = path[level - 1] as ExtentNode
    if (parent.key(parent.position) === node.key(0)) return
    parent.modify(handle)
    parent.setKey(parent.position, node.key(0))
    if (parent.position > 0) return
  }
}

/** Splits the highest full node below one that has room, or makes the tree deeper. Repeated until the leaf has room. */
function makeRoom(handle: Handle, path: readonly ExtentNode[]): void {
  let level = path.length - 1
  while (level > 0 && (path[level - 1] as ExtentNode).isFull) level--
  if (level === 0) growDepth(handle, path[0] as ExtentNode)
  else split(handle, path[level - 1] as ExtentNode, path[level] as ExtentNode)
}

/** Moves the root's entries into a new block, to which the root's only entry then leads. */
function growDepth(handle: Handle, root: ExtentNode): void {
  const { inode, depth } = root
  if (depth >= MAX_DEPTH) inode.corrupt('eh_depth', depth, `less than ${MAX_DEPTH}`, 'ext4_extent_header')
  const child = ExtentNode.create(handle, inode, allocateNode(handle, inode), depth)
  root.modify(handle)
  root.moveTail(0, child)
  root.depth = depth + 1
  root.openGap(0)
  root.setChild(0, child.key(0), child.head.block)
}

/** Moves the upper part of `node` into a new node behind it. A file that grows at its end keeps its nodes full. */
function split(handle: Handle, parent: ExtentNode, node: ExtentNode): void {
  const { inode } = node
  const count = node.entries
  const from = node.position >= count - 1 ? count - 1 : count >>> 1
  const sibling = ExtentNode.create(handle, inode, allocateNode(handle, inode), node.depth)
  node.modify(handle)
  node.moveTail(from, sibling)
  parent.modify(handle)
  parent.openGap(parent.position + 1)
  parent.setChild(parent.position + 1, sibling.key(0), sibling.head.block)
}

function allocateNode(handle: Handle, inode: Inode): number {
  const { volume } = inode
  const goal = inode.goal || volume.firstBlockOfGroup(volume.groupOfInode(inode.ino))
  const { start } = volume.blockAllocator.allocate(handle, goal, 1)
  inode.modifyData(handle)
  inode.addBlocks(handle, volume.clusterSectors)
  return start
}

function freeNode(handle: Handle, inode: Inode, block: number): void {
  const { volume } = inode
  volume.checksums.forget(handle, block)
  volume.blockAllocator.free(handle, block, 1, { metadata: true })
  inode.modifyData(handle)
  inode.addBlocks(handle, -volume.clusterSectors)
}

/**
 * Unmaps the last extent, or part of one, in [from, to). Returns what was unmapped, whose blocks the caller frees;
 * undefined when nothing is left there.
 */
export function removeLastExtent(
  handle: Handle,
  inode: Inode,
  from: number,
  to: number,
): Mapping | undefined {
  if (from >= to) return undefined
  const path = pathTo(inode, to - 1)
  const leaf = leafOf(path)
  const index = leaf.position
  if (index < 0) return undefined
  const logical = leaf.key(index)
  const length = leaf.length(index)
  const first = Math.max(logical, from)
  const end = Math.min(logical + length, to)
  if (first >= end) return undefined
  const start = leaf.start(index)
  const unwritten = leaf.isUnwritten(index)
  leaf.modify(handle)
  if (first > logical) {
    leaf.setExtent(index, logical, start, first - logical, unwritten)
  } else if (end < logical + length) {
    leaf.setExtent(index, end, start + (end - logical), logical + length - end, unwritten)
    if (index === 0) correctKeys(handle, path)
  } else {
    leaf.closeGap(index)
    removeEmpty(handle, path)
    if (index === 0 && leaf.entries > 0) correctKeys(handle, path)
  }
  if (first > logical && end < logical + length) {
    insertExtent(handle, inode, {
      logical: end,
      physical: start + (end - logical),
      length: logical + length - end,
      unwritten,
    })
  }
  return { logical: first, physical: start + (first - logical), length: end - first, unwritten }
}

/** Takes nodes that became empty out of the tree, from the leaf up, and makes it flatter where the root has room. */
function removeEmpty(handle: Handle, path: readonly ExtentNode[]): void {
  for (let level = path.length - 1; level > 0; level--) {
    const node = path[level] as ExtentNode
    if (node.entries > 0) break
    const parent = path[level - 1] as ExtentNode
    parent.modify(handle)
    freeNode(handle, node.inode, node.head.block)
    const index = parent.position
    parent.closeGap(index)
    if (index === 0 && parent.entries > 0) correctKeys(handle, path.slice(0, level))
  }
  const root = path[0] as ExtentNode
  if (root.entries === 0 && root.depth > 0) {
    root.modify(handle)
    root.depth = 0
  }
  flatten(handle, root)
}

/** While the root has one child whose entries fit into it, they move up. */
function flatten(handle: Handle, root: ExtentNode): void {
  while (root.depth > 0 && root.entries === 1) {
    const child = ExtentNode.inBlock(root.inode, root.child(0), root.depth - 1)
    if (child.entries > root.max) return
    root.modify(handle)
    root.closeGap(0)
    root.depth = child.depth
    child.modify(handle)
    child.moveTail(0, root)
    freeNode(handle, root.inode, child.head.block)
  }
}

/** Marks unwritten blocks of [logical, logical + length) as written. They must lie in one unwritten extent. */
export function markWritten(handle: Handle, inode: Inode, logical: number, length: number): void {
  const removed = removeLastExtent(handle, inode, logical, logical + length)
  if (removed === undefined || removed.length !== length || !removed.unwritten) {
    inode.corrupt('ee_len', removed?.length ?? 0, `an unwritten extent of ${length} blocks`, 'ext4_extent')
  }
  insertExtent(handle, inode, { ...removed, unwritten: false })
}

import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { MAX_LOGICAL_BLOCK } from './extent.js'
import type { ExtentNode } from './extent-node.js'
import {
  correctKeys,
  findExtent,
  insertExtent,
  leafOf,
  makeRoomFor,
  pathTo,
  removeLastExtent,
} from './extent-tree.js'
import type { Inode } from './inode.js'

/**
 * Moving extents to other logical blocks, for FALLOC_FL_COLLAPSE_RANGE and FALLOC_FL_INSERT_RANGE. Leaves are changed in
 * place, one after the other in the order in which each finds room, so that the tree is right after each, no block is
 * allocated on the way, and a walk that does not fit in one transaction may stop between two of them.
 */

/** Metadata blocks that moving one leaf may touch: itself, the nodes above, the inode. */
const LEAF_CREDITS = 8

/**
 * Moves what stands at `from` and behind it `shift` blocks towards the start, where a hole must be. Returns the block
 * where to go on in the next transaction, or undefined when all is moved.
 */
export function shiftLeft(handle: Handle, inode: Inode, from: number, shift: number): number | undefined {
  for (let next = from; next <= MAX_LOGICAL_BLOCK; ) {
    if (isFull(inode)) return next
    const found = findExtent(inode, next)
    if (found.physical === 0) {
      next += found.length
      continue
    }
    const path = pathTo(inode, next)
    const leaf = leafOf(path)
    const first = leaf.position
    const last = leaf.entries - 1
    next = leaf.key(last) + leaf.length(last)
    moveEntries(handle, path, first, last, -shift)
  }
  return undefined
}

/**
 * Moves what stands between `from` and `to` by `shift` blocks away from the start, the last first. Returns `to` for
 * the next transaction, or undefined when all is moved.
 */
export function shiftRight(
  handle: Handle,
  inode: Inode,
  from: number,
  to: number,
  shift: number,
): number | undefined {
  for (let bound = to; bound > from; ) {
    if (isFull(inode)) return bound
    const path = pathTo(inode, bound - 1)
    const leaf = leafOf(path)
    const last = leaf.position
    let first = last
    while (first > 0 && leaf.key(first - 1) >= from) first--
    if (last < 0 || leaf.key(last) < from) return undefined
    bound = leaf.key(first)
    moveEntries(handle, path, first, last, shift)
  }
  return undefined
}

/** Throws EINVAL when the last extent would be moved past the last block that a file can have. */
export function requireRoomBehind(inode: Inode, shift: number): void {
  const leaf = leafOf(pathTo(inode, MAX_LOGICAL_BLOCK))
  const last = leaf.position
  if (last < 0 || leaf.key(last) + leaf.length(last) + shift <= MAX_LOGICAL_BLOCK + 1) return
  throw new FsError('EINVAL', `the last extent of inode ${inode.ino} would be moved past the last block`)
}

/** Makes an extent begin at `logical`, where one covers it. */
export function splitAt(handle: Handle, inode: Inode, logical: number): void {
  const found = findExtent(inode, logical)
  if (found.physical === 0) return
  const start = leafOf(pathTo(inode, logical))
  if (start.key(start.position) === logical) return
  const leaf = leafOf(makeRoomFor(handle, inode, logical))
  const index = leaf.position
  const key = leaf.key(index)
  leaf.modify(handle)
  leaf.setExtent(index, key, leaf.start(index), logical - key, found.unwritten)
  leaf.openGap(index + 1)
  leaf.setExtent(index + 1, logical, found.physical, found.length, found.unwritten)
}

/** Joins the extent that begins at `logical` to the one before, where they continue each other. */
export function joinAt(handle: Handle, inode: Inode, logical: number): void {
  if (logical === 0) return
  const before = findExtent(inode, logical - 1)
  const found = findExtent(inode, logical)
  if (before.physical === 0 || found.physical !== before.physical + 1 || found.unwritten !== before.unwritten)
    return
  const moved = removeLastExtent(handle, inode, logical, logical + found.length)
  if (moved !== undefined) insertExtent(handle, inode, moved)
}

function moveEntries(
  handle: Handle,
  path: readonly ExtentNode[],
  first: number,
  last: number,
  by: number,
): void {
  const leaf = leafOf(path)
  leaf.modify(handle)
  for (let index = first; index <= last; index++) leaf.setKey(index, leaf.key(index) + by)
  if (first === 0) correctKeys(handle, path)
}

function isFull({ volume: { journal } }: Inode): boolean {
  return journal !== undefined && journal.room < LEAF_CREDITS
}

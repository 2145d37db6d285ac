import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { MAX_LOGICAL_BLOCK } from './extent.js'
import type { Inode } from './inode.js'
import type { Mapping } from './mapping.js'
import { INLINE_DATA_FL, RawInode } from './raw-inode.js'

/**
 * The block map of ext2 and ext3: in i_block 12 pointers to blocks of the file, then one each to a block of pointers, to
 * a block of pointers to such, and once more. 0 is a hole of all that would hang beneath. Kernel docs: ext4,
 * "Direct/Indirect Block Addressing".
 */

const POINTER_SIZE = 4
const DIRECT = 12
const LEVELS = 3
/** Pointers have 32 bits. */
const MAX_PHYSICAL = 0xffff_ffff

/** Some pointers: those of a block, or those in i_block that stand at one level. */
interface Pointers {
  readonly head: BufferHead
  /** Where the first begins in the block. */
  readonly offset: number
  readonly count: number
  /** 0: they lead to blocks of the file; else to blocks of pointers `level - 1` levels above those. */
  readonly level: number
  /** Logical block that the first leads to. */
  readonly base: number
}

/** A pointer on the way down. */
interface Step {
  readonly pointers: Pointers
  readonly index: number
}

const pointersPerBlock = (blockSize: number): number => blockSize / POINTER_SIZE

/** The mapping that covers `logical`, cut to begin there. Throws CorruptError for pointers that lead outside. */
export function findIndirect(inode: Inode, logical: number): Mapping {
  for (let pointers = rootFor(inode, logical); pointers !== undefined; ) {
    const span = spanOf(inode, pointers)
    const index = Math.floor((logical - pointers.base) / span)
    const block = pointerAt(pointers, index)
    if (pointers.level === 0) return runAt(inode, pointers, index)
    if (block === 0) {
      const end = pointers.base + (index + 1) * span
      return { logical, physical: 0, length: end - logical, unwritten: false }
    }
    pointers = childOf(inode, pointers, index, block)
  }
  return { logical, physical: 0, length: MAX_LOGICAL_BLOCK + 1 - logical, unwritten: false }
}

/** Adds the blocks of pointers that lead to `logical`. Returns how many blocks from there on these can lead to. */
export function makeIndirectWay(handle: Handle, inode: Inode, logical: number): number {
  const { base, count } = leafFor(handle, inode, logical)
  return base + count - logical
}

/** Maps a hole, adding the blocks of pointers that are missing on the way. Throws ENOSPC. */
export function insertIndirect(handle: Handle, inode: Inode, mapping: Mapping): void {
  const end = mapping.logical + mapping.length
  if (mapping.unwritten) throw new RangeError('an unwritten run in a map of indirect blocks')
  if (mapping.physical + mapping.length - 1 > MAX_PHYSICAL) {
    inode.corrupt('block map', mapping.physical, `at most ${MAX_PHYSICAL}`, 'indirect block')
  }
  for (let logical = mapping.logical; logical < end; ) {
    const pointers = leafFor(handle, inode, logical)
    modify(handle, inode, pointers)
    const first = logical - pointers.base
    const last = Math.min(pointers.count, end - pointers.base)
    for (let index = first; index < last; index++) {
      setPointer(pointers, index, mapping.physical + pointers.base + index - mapping.logical)
    }
    logical = pointers.base + last
  }
}

/** Unmaps the last run in [from, to) whose blocks follow each other, and frees the blocks of pointers left empty. */
export function removeLastIndirect(
  handle: Handle,
  inode: Inode,
  from: number,
  to: number,
): Mapping | undefined {
  for (const pointers of rootsOf(inode).reverse()) {
    const way = lastMapped(handle, inode, pointers, from, to)
    if (way !== undefined) return removeRun(handle, inode, way, from)
  }
  return undefined
}

function removeRun(handle: Handle, inode: Inode, way: readonly Step[], from: number): Mapping {
  const { pointers, index: last } = way[way.length - 1] as Step
  const end = pointerAt(pointers, last)
  requireBlock(inode, pointers, last, end)
  let first = last
  while (
    first > 0 &&
    pointers.base + first > from &&
    pointerAt(pointers, first - 1) === end - (last - first + 1)
  )
    first--
  modify(handle, inode, pointers)
  for (let index = first; index <= last; index++) setPointer(pointers, index, 0)
  for (let level = way.length - 1; level > 0; level--) {
    if (!isEmpty((way[level] as Step).pointers)) break
    const above = way[level - 1] as Step
    freePointers(handle, inode, above)
  }
  const length = last - first + 1
  return { logical: pointers.base + first, physical: end - length + 1, length, unwritten: false }
}

/** The way to the last mapped block in [from, to). Blocks of pointers found empty are freed. */
function lastMapped(
  handle: Handle,
  inode: Inode,
  pointers: Pointers,
  from: number,
  to: number,
): Step[] | undefined {
  const { base, count, level } = pointers
  if (to <= base) return undefined
  const span = spanOf(inode, pointers)
  for (let index = Math.min(count, Math.ceil((to - base) / span)) - 1; index >= 0; index--) {
    if (base + (index + 1) * span <= from) return undefined
    const block = pointerAt(pointers, index)
    if (block === 0) continue
    const step = { pointers, index }
    if (level === 0) return [step]
    const child = childOf(inode, pointers, index, block)
    const below = lastMapped(handle, inode, child, from, to)
    if (below !== undefined) return [step, ...below]
    if (isEmpty(child)) freePointers(handle, inode, step)
  }
  return undefined
}

/** The pointers of i_block, one group a level. */
function rootsOf(inode: Inode): Pointers[] {
  const { head } = inode
  if ((inode.flags & INLINE_DATA_FL) !== 0) throw new RangeError(`inode ${inode.ino} has no map of blocks`)
  const offset = inode.offset + RawInode.i_block.offset
  const roots: Pointers[] = [{ head, offset, count: DIRECT, level: 0, base: 0 }]
  const perBlock = pointersPerBlock(inode.volume.blockSize)
  let base = DIRECT
  for (let level = 1; level <= LEVELS; level++) {
    roots.push({ head, offset: offset + (DIRECT + level - 1) * POINTER_SIZE, count: 1, level, base })
    base += perBlock ** level
  }
  return roots
}

function rootFor(inode: Inode, logical: number): Pointers | undefined {
  return rootsOf(inode).find((root) => logical < root.base + root.count * spanOf(inode, root))
}

/** Blocks of the file beneath each pointer. */
function spanOf(inode: Inode, { level }: Pointers): number {
  return pointersPerBlock(inode.volume.blockSize) ** level
}

function childOf(inode: Inode, pointers: Pointers, index: number, block: number): Pointers {
  requireBlock(inode, pointers, index, block)
  return {
    head: inode.volume.cache.get(block),
    offset: 0,
    count: pointersPerBlock(inode.volume.blockSize),
    level: pointers.level - 1,
    base: pointers.base + index * spanOf(inode, pointers),
  }
}

/** The pointers to blocks of the file among which `logical` is, with new blocks where there was a hole. */
function leafFor(handle: Handle, inode: Inode, logical: number): Pointers {
  let pointers = rootFor(inode, logical)
  if (pointers === undefined) throw new RangeError(`logical block ${logical} of inode ${inode.ino}`)
  while (pointers.level > 0) {
    const index = Math.floor((logical - pointers.base) / spanOf(inode, pointers))
    const block = pointerAt(pointers, index) || allocatePointers(handle, inode, { pointers, index })
    pointers = childOf(inode, pointers, index, block)
  }
  return pointers
}

function allocatePointers(handle: Handle, inode: Inode, { pointers, index }: Step): number {
  const { volume } = inode
  const goal = inode.goal || volume.firstBlockOfGroup(volume.groupOfInode(inode.ino))
  const { start } = volume.blockAllocator.allocate(handle, goal, 1)
  handle.getCreateAccess(volume.cache.get(start))
  inode.modifyData(handle)
  inode.addBlocks(handle, volume.clusterSectors)
  modify(handle, inode, pointers)
  setPointer(pointers, index, start)
  return start
}

function freePointers(handle: Handle, inode: Inode, { pointers, index }: Step): void {
  const { volume } = inode
  const block = pointerAt(pointers, index)
  modify(handle, inode, pointers)
  setPointer(pointers, index, 0)
  volume.blockAllocator.free(handle, block, 1, { metadata: true })
  inode.modifyData(handle)
  inode.addBlocks(handle, -volume.clusterSectors)
}

/** The run that begins at a pointer to a block of the file, or to none: as far as it goes on in these pointers. */
function runAt(inode: Inode, pointers: Pointers, index: number): Mapping {
  const { count, base } = pointers
  const physical = pointerAt(pointers, index)
  if (physical !== 0) requireBlock(inode, pointers, index, physical)
  const step = physical === 0 ? 0 : 1
  let length = 1
  while (index + length < count && pointerAt(pointers, index + length) === physical + length * step) length++
  if (physical !== 0) requireBlock(inode, pointers, index + length - 1, physical + length - 1)
  return { logical: base + index, physical, length, unwritten: false }
}

function requireBlock(inode: Inode, { head, level }: Pointers, index: number, block: number): void {
  if (inode.volume.isValidBlock(block)) return
  const field = `pointer ${index} of level ${level} in block ${head.block}`
  inode.corrupt(field, block, `below ${inode.volume.blocksCount}`, 'block map')
}

function isEmpty({ head, offset, count }: Pointers): boolean {
  for (let at = head.at + offset; at < head.at + offset + count * POINTER_SIZE; at += POINTER_SIZE) {
    if (head.view.getUint32(at, true) !== 0) return false
  }
  return true
}

function pointerAt({ head, offset }: Pointers, index: number): number {
  return head.view.getUint32(head.at + offset + index * POINTER_SIZE, true)
}

function setPointer({ head, offset }: Pointers, index: number, block: number): void {
  head.view.setUint32(head.at + offset + index * POINTER_SIZE, block, true)
}

/** To be called before each change. */
function modify(handle: Handle, inode: Inode, { head }: Pointers): void {
  if (head.block === inode.block) {
    inode.modifyData(handle)
    return
  }
  handle.getWriteAccess(head)
  inode.syncTid = handle.tid
  inode.datasyncTid = handle.tid
}

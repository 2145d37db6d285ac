import { clearBits, findClear, findClearRun, findSet, setBits, testBit } from '../../../lib/bitmap.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { freed, noSpace } from './allocation-error.js'
import { blockBitmap, initialiseBlockBitmap, isBlockUninit, uninitialisedBitmap } from './block-bitmap.js'
import { PendingBlocks } from './pending-blocks.js'
import { SuperBlock } from './superblock.js'
import { SystemZone } from './system-zone.js'
import type { Volume } from './volume.js'

/** A run of blocks. */
export interface BlockRun {
  start: number
  count: number
}

/** A run of clusters of one group, counted from its first. */
interface ClusterRun {
  group: number
  start: number
  count: number
}

/** What is known in memory, in clusters; read from the group descriptors when first needed: after recovery, not before. */
interface FreeSpace {
  readonly zone: SystemZone
  /** Free clusters of the file system, those that wait for a commit included. */
  free: number
  /** By group, only a hint: no free run is longer. */
  readonly longest: Int32Array
  /** By group, only a hint: no cluster before it is free. */
  readonly firstFree: Int32Array
}

/**
 * Takes and frees blocks: whole clusters, of one block each without bigalloc. The truth is in the bitmaps and descriptors, which the journal undoes and recovers; in
 * memory stand hints where to look, and the clusters whose freeing is not durable yet.
 *
 * 1. A cluster is free only if its bit is clear and no transaction that is not durable cleared it.
 * 2. No block of the system zone is ever taken or freed.
 */
export class BlockAllocator {
  readonly #volume: Volume
  readonly #pending: PendingBlocks
  #space: FreeSpace | undefined
  /** s_free_blocks_count is behind. */
  #unsettled = false
  /** Told of the blocks that a commit has made free for good, before anyone can take them. */
  onReleased: ((runs: BlockRun[]) => void) | undefined
  /** Groups that FITRIM has gone through and in which nothing was freed since; the least run it looked for. */
  readonly #trimmed = new Map<number, number>()

  constructor(volume: Volume) {
    this.#volume = volume
    this.#pending = new PendingBlocks(volume.blockSize)
  }

  /** Free blocks, those included that may be used only after the next commit. */
  get freeCount(): number {
    return this.#known.free * this.#volume.clusterRatio
  }

  /** Free blocks that may be used now. */
  get allocatable(): number {
    return (this.#known.free - this.#pending.total) * this.#volume.clusterRatio
  }

  /** Free blocks that the present caller may use now: without the reserved ones, if those are not for him. */
  get available(): number {
    return this.#available(this.#volume.mayUseReserved)
  }

  /** Whether a commit would make more blocks allocatable: after ENOSPC commit, then try again. */
  get hasPending(): boolean {
    return this.#pending.total > 0
  }

  /**
   * Takes one run of `least` (default 1) to `wanted` blocks: at `goal` if that is free; else one of the whole
   * length in the goal's group, its flex group, any group; else shorter ones in that order. The run begins with a
   * cluster; what is left of its last one belongs to the caller too. The last s_r_blocks_count blocks are only for the privileged (default: what the caller is). Throws ENOSPC; CorruptError for a bad bitmap.
   */
  allocate(
    handle: Handle,
    goal: number,
    wanted: number,
    options: { least?: number; privileged?: boolean } = {},
  ): BlockRun {
    const volume = this.#volume
    const least = options.least ?? 1
    if (!(least >= 1 && wanted >= least)) throw new RangeError(`allocate ${wanted} blocks, at least ${least}`)
    const available = this.#available(options.privileged ?? volume.mayUseReserved)
    if (available < least) throw noSpace(least, available)
    const { clusterRatio } = volume
    const run = this.#takeClusters(
      handle,
      goal,
      Math.ceil(least / clusterRatio),
      Math.ceil(Math.min(wanted, available) / clusterRatio),
    )
    if (run === undefined) throw noSpace(least, available)
    return {
      start: volume.firstBlockOfGroup(run.group) + run.start * clusterRatio,
      count: Math.min(run.count * clusterRatio, wanted),
    }
  }

  #takeClusters(handle: Handle, goal: number, least: number, most: number): ClusterRun | undefined {
    const volume = this.#volume
    // Only its first block makes a cluster new: a goal inside of one is the cluster behind.
    const aligned = Math.ceil(goal / volume.clusterRatio) * volume.clusterRatio
    const target =
      aligned >= volume.firstDataBlock && aligned < volume.blocksCount ? aligned : volume.firstDataBlock
    const group = volume.groupOfBlock(target)
    const offset = (target - volume.firstBlockOfGroup(group)) / volume.clusterRatio
    const exact = this.#runAt(handle, group, offset, most)
    if (exact >= least) return this.#take(handle, group, offset, exact)
    for (let length = Math.min(most, volume.clustersPerGroup); ; length = Math.max(least, length >>> 1)) {
      const run = this.#takeNear(handle, group, offset, length, most)
      if (run !== undefined || length <= least) return run
    }
  }

  /** Takes those of the blocks that are free, and returns them. Not with bigalloc. Throws CorruptError for metadata. */
  claim(handle: Handle, start: number, count: number): BlockRun[] {
    const volume = this.#volume
    if (this.#known.zone.overlaps(start, count)) throw freed(start, count, 'no metadata of a group')
    const runs: BlockRun[] = []
    for (let block = start; block < start + count; ) {
      const group = volume.groupOfBlock(block)
      const first = volume.firstBlockOfGroup(group)
      const end = Math.min(start + count - first, volume.blocksInGroup(group))
      const head = this.#bitmap(handle, group)
      const from = findClear(head.bytes, head.at, block - first, end)
      const to = findSet(head.bytes, head.at, from, end)
      if (from < to) {
        this.#take(handle, group, from, to - from)
        runs.push({ start: first + from, count: to - from })
      }
      block = first + to
    }
    return runs
  }

  /**
   * Frees whole clusters, given by their blocks; they are used again only after `handle`'s transaction is durable. `metadata`: they were journaled,
   * and are revoked. Throws CorruptError for blocks that are free already, past the end, or of the system zone.
   */
  free(handle: Handle, start: number, count: number, options: { metadata?: boolean } = {}): void {
    const volume = this.#volume
    const { zone } = this.#known
    if (!(count >= 1 && volume.isValidBlock(start) && volume.isValidBlock(start + count - 1))) {
      throw freed(start, count, `within ${volume.firstDataBlock + 1} to ${volume.blocksCount - 1}`)
    }
    const { clusterRatio } = volume
    if (start % clusterRatio !== 0 && clusterRatio > 1) throw freed(start, count, 'whole clusters')
    const last = Math.ceil(count / clusterRatio) * clusterRatio
    if (zone.overlaps(start, last)) throw freed(start, count, 'no metadata of a group')
    for (let block = start; block < start + last; ) {
      const group = volume.groupOfBlock(block)
      const first = volume.firstBlockOfGroup(group)
      const end = Math.min(start + last, first + volume.blocksInGroup(group))
      this.#freeInGroup(handle, group, (block - first) / clusterRatio, (end - first) / clusterRatio)
      block = end
    }
    if (options.metadata) for (let block = start; block < start + count; block++) handle.forget(block)
  }

  /** All transactions up to `tid` are durable: what they freed may be used. Those that freed anything call it. */
  committed(tid: number): void {
    if (this.#pending.total === 0) return
    const runs: BlockRun[] = []
    const { clusterRatio } = this.#volume
    this.#pending.committed(tid, (group, from, to) => {
      this.#widen(group, from)
      const start = this.#volume.firstBlockOfGroup(group) + from * clusterRatio
      runs.push({ start, count: (to - from) * clusterRatio })
    })
    if (runs.length > 0) this.onReleased?.(runs)
  }

  /** Whether the group may have free runs of `least` clusters that FITRIM did not see yet; from now on it has. */
  takeUntrimmed(group: number, least: number): boolean {
    if (least >= (this.#trimmed.get(group) ?? Number.POSITIVE_INFINITY)) return false
    this.#trimmed.set(group, least)
    return true
  }

  /**
   * Calls `visit` for each run of at least `least` clusters within [from, to) of the group that is free in every state
   * that a power failure could leave, counted from the group's first. Throws CorruptError for a bad bitmap.
   */
  forEachFreeRun(
    group: number,
    from: number,
    to: number,
    least: number,
    visit: (start: number, count: number) => void,
  ): void {
    const volume = this.#volume
    const { zone } = this.#known
    if (volume.groups.freeBlocks(group) < least) return
    const uninit = isBlockUninit(volume, group)
    const head = uninit ? undefined : blockBitmap(volume, zone, group)
    const busy = this.#pending.bitmap(group) ?? head?.bytes ?? uninitialisedBitmap(volume, zone, group)
    const at = busy === head?.bytes ? head.at : 0
    for (let start = findClear(busy, at, from, to); start < to; ) {
      const end = findSet(busy, at, start, to)
      if (end - start >= least) visit(start, end - start)
      start = findClear(busy, at, end, to)
    }
  }

  /** Brings the superblock's counts of free blocks and inodes up to date: once a commit, before checksums are sealed. */
  settleCounters(handle: Handle): void {
    this.#volume.inodeAllocator.settleCount(handle)
    if (!this.#unsettled) return
    const volume = this.#volume
    const free = this.freeCount
    const head = volume.modifySuperblock(handle)
    const at = head.at + volume.superblockOffset
    SuperBlock.s_free_blocks_count_lo.set(head.view, at, free >>> 0)
    if (volume.descSize >= 64)
      SuperBlock.s_free_blocks_count_hi.set(head.view, at, Math.floor(free / 0x1_0000_0000))
    this.#unsettled = false
    handle.onRevert(() => {
      this.#unsettled = true
    })
  }

  /** Gives a group that never had a block bitmap its bitmap. */
  initialiseGroup(handle: Handle, group: number): void {
    if (isBlockUninit(this.#volume, group))
      initialiseBlockBitmap(handle, this.#volume, this.#known.zone, group)
  }

  get #known(): FreeSpace {
    this.#space ??= this.#read()
    return this.#space
  }

  #read(): FreeSpace {
    const { groups, groupCount } = this.#volume
    const longest = new Int32Array(groupCount)
    let free = 0
    for (let group = 0; group < groupCount; group++) {
      longest[group] = groups.freeBlocks(group)
      free += longest[group]!
    }
    // The superblock's own count is not journaled by Linux, so after a crash it may be stale.
    this.#unsettled = free * this.#volume.clusterRatio !== this.#superblockCount()
    return { zone: new SystemZone(this.#volume), free, longest, firstFree: new Int32Array(groupCount) }
  }

  #superblockCount(): number {
    const { superblock, superblockOffset, descSize } = this.#volume
    const at = superblock.at + superblockOffset
    const low = SuperBlock.s_free_blocks_count_lo.get(superblock.view, at)
    if (descSize < 64) return low
    return low + SuperBlock.s_free_blocks_count_hi.get(superblock.view, at) * 0x1_0000_0000
  }

  #available(privileged: boolean): number {
    if (privileged) return this.allocatable
    const { superblock, superblockOffset, descSize } = this.#volume
    const at = superblock.at + superblockOffset
    const low = SuperBlock.s_r_blocks_count_lo.get(superblock.view, at)
    const high = descSize >= 64 ? SuperBlock.s_r_blocks_count_hi.get(superblock.view, at) : 0
    return this.allocatable - low - high * 0x1_0000_0000
  }

  #bitmap(handle: Handle, group: number): BufferHead {
    const { zone } = this.#known
    return isBlockUninit(this.#volume, group)
      ? initialiseBlockBitmap(handle, this.#volume, zone, group)
      : blockBitmap(this.#volume, zone, group)
  }

  /** Clusters of the free run that begins exactly at `offset` of the group, `most` at most. */
  #runAt(handle: Handle, group: number, offset: number, most: number): number {
    if (this.#known.longest[group] === 0) return 0
    const head = this.#bitmap(handle, group)
    const busy = this.#pending.bitmap(group)
    const bytes = busy ?? head.bytes
    const at = busy === undefined ? head.at : 0
    if (testBit(bytes, at, offset)) return 0
    const end = Math.min(offset + most, this.#volume.clustersInGroup(group))
    return findSet(bytes, at, offset, end) - offset
  }

  /** A run of `length` to `most` clusters: in the goal's group, the others of its flex group, then all others. */
  #takeNear(
    handle: Handle,
    goalGroup: number,
    offset: number,
    length: number,
    most: number,
  ): ClusterRun | undefined {
    const { groupCount, groupsPerFlex } = this.#volume
    const { longest } = this.#known
    const run = this.#takeIn(handle, goalGroup, offset, length, most)
    if (run !== undefined) return run
    const flexStart = goalGroup - (goalGroup % groupsPerFlex)
    const flexSize = Math.min(groupsPerFlex, groupCount - flexStart)
    for (let step = 1; step < groupCount; step++) {
      const group =
        step < flexSize
          ? flexStart + ((goalGroup - flexStart + step) % flexSize)
          : (flexStart + step) % groupCount
      if (longest[group]! < length) continue
      const elsewhere = this.#takeIn(handle, group, 0, length, most)
      if (elsewhere !== undefined) return elsewhere
    }
    return undefined
  }

  #takeIn(
    handle: Handle,
    group: number,
    offset: number,
    length: number,
    most: number,
  ): ClusterRun | undefined {
    const { longest, firstFree } = this.#known
    if (longest[group]! < length) return undefined
    const head = this.#bitmap(handle, group)
    const busy = this.#pending.bitmap(group)
    const bytes = busy ?? head.bytes
    const at = busy === undefined ? head.at : 0
    const size = this.#volume.clustersInGroup(group)
    const first = findClear(bytes, at, firstFree[group]!, size)
    firstFree[group] = first
    let start = -1
    let end = 0
    if (offset > first) {
      start = findClearRun(bytes, at, offset, size, length)
      if (start >= 0) end = findSet(bytes, at, start, Math.min(start + most, size))
    }
    if (end - start < length || start < 0) {
      start = findClearRun(bytes, at, first, size, length)
      end = start < 0 ? start : findSet(bytes, at, start, Math.min(start + most, size))
    }
    if (end - start >= length) return this.#take(handle, group, start, end - start)
    longest[group] = end - start
    return undefined
  }

  #take(handle: Handle, group: number, start: number, count: number): ClusterRun {
    const { groups, checksums } = this.#volume
    const known = this.#known
    const head = this.#bitmap(handle, group)
    handle.getWriteAccess(head)
    setBits(head.bytes, head.at, start, start + count)
    checksums.blockBitmap(group)
    groups.setFreeBlocks(handle, group, groups.freeBlocks(group) - count)
    this.#pending.taken(group, start, start + count)
    known.free -= count
    if (known.firstFree[group] === start) known.firstFree[group] = start + count
    this.#unsettled = true
    handle.onRevert(() => {
      this.#pending.restored(group, start, start + count)
      known.free += count
      this.#widen(group, start)
    })
    return { group, start, count }
  }

  #freeInGroup(handle: Handle, group: number, from: number, to: number): void {
    const { groups, checksums } = this.#volume
    const known = this.#known
    const first = this.#volume.firstBlockOfGroup(group)
    const { clusterRatio } = this.#volume
    if (isBlockUninit(this.#volume, group))
      throw freed(first + from * clusterRatio, (to - from) * clusterRatio, 'in use')
    const head = blockBitmap(this.#volume, known.zone, group)
    const clear = findClear(head.bytes, head.at, from, to)
    if (clear !== to) throw freed(first + clear * clusterRatio, clusterRatio, 'in use')
    const { tid } = handle
    if (this.#pending.add(tid, { group, from, to }, head)) handle.onCommit(() => this.committed(tid))
    handle.onRevert(() => {
      this.#pending.cancel(tid)
      known.free -= to - from
    })
    handle.getWriteAccess(head)
    clearBits(head.bytes, head.at, from, to)
    checksums.blockBitmap(group)
    groups.setFreeBlocks(handle, group, groups.freeBlocks(group) + to - from)
    known.free += to - from
    this.#unsettled = true
  }

  /** More of the group than the hints say may be free, from `offset` on. */
  #widen(group: number, offset: number): void {
    const { longest, firstFree } = this.#known
    longest[group] = this.#volume.groups.freeBlocks(group)
    this.#trimmed.delete(group)
    if (offset < firstFree[group]!) firstFree[group] = offset
  }
}

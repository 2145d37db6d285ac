import { BlockClaims } from './block-claims.js'
import type { DirBlocks } from './dir-blocks.js'
import type { LargeValue } from './ea-inodes.js'
import { type FsGeometry, firstBlockOfGroup } from './fs-geometry.js'
import type { GroupDescs } from './group-descs.js'
import type { Medium } from './medium.js'
import type { Place, Problem, ProblemCode, Severity } from './problem.js'

/** Reports that a rule is broken. */
export type Report = (problem: Problem) => void

/**
 * What is known of the file system so far. Memory: a bit for each block and each inode; 15 bytes for each inode of
 * the initialised part of the tables; three numbers for each directory block.
 */
export class FsckContext {
  readonly geometry: FsGeometry
  readonly medium: Medium
  readonly groups: GroupDescs
  readonly claims: BlockClaims
  /** In-use inodes, a bit each, group after group. */
  readonly inodeBitmap: Uint8Array
  /** By {@link indexOf}: EXT4_FT_* of an inode in use, 0 of any other. */
  readonly fileType: Uint8Array
  readonly linksStated: Uint16Array
  readonly linksFound: Uint32Array
  /** The directory whose entry leads to this directory. */
  readonly parent: Uint32Array
  /** Where its `..` leads. */
  readonly dotDot: Uint32Array
  /** Inodes that are being deleted or truncated. */
  readonly orphans = new Set<number>()
  /** s_journal_inum, 0: there is none. */
  readonly journalIno: number
  /** s_orphan_file_inum, 0: there is none. */
  readonly orphanFile: number
  /** Users found of each extended attribute block. */
  readonly xattrUsers = new Map<number, number>()
  /** Attributes with values in inodes of their own, and which of them stand in each attribute block. */
  readonly largeValues: LargeValue[] = []
  readonly largeValuesOfBlock = new Map<number, readonly LargeValue[]>()
  readonly dirBlocks: DirBlocks
  /** Inodes in use and directories, by group. */
  readonly usedInodes: Uint32Array
  readonly directories: Uint32Array
  /** Clusters with fixed metadata in each group. */
  readonly metadataClusters: Uint32Array
  /** Known when the bitmaps have been compared. */
  blocksUsed = 0
  readonly counts = { error: 0, warning: 0, note: 0 }
  readonly #report: Report
  /** With bigalloc, the blocks of fixed metadata: of these several share a cluster. */
  readonly #metadata: BlockClaims | undefined
  /** Index of the group's first inode; one more entry than there are groups. */
  readonly #base: Uint32Array

  constructor(parts: {
    geometry: FsGeometry
    medium: Medium
    groups: GroupDescs
    dirBlocks: DirBlocks
    journalIno: number
    orphanFile: number
    report: Report
  }) {
    const { geometry, groups } = parts
    this.geometry = geometry
    this.medium = parts.medium
    this.groups = groups
    this.dirBlocks = parts.dirBlocks
    this.journalIno = parts.journalIno
    this.orphanFile = parts.orphanFile
    this.#report = parts.report
    const { groupCount } = geometry
    this.claims = new BlockClaims(
      geometry.firstDataBlock,
      geometry.blocksCount,
      groupCount * geometry.blocksPerGroup,
      geometry.clusterRatio,
    )
    this.#metadata =
      geometry.clusterRatio === 1
        ? undefined
        : new BlockClaims(0, geometry.blocksCount, groupCount * geometry.blocksPerGroup, 1)
    this.inodeBitmap = new Uint8Array(geometry.inodesCount >>> 3)
    this.usedInodes = new Uint32Array(groupCount)
    this.directories = new Uint32Array(groupCount)
    this.metadataClusters = new Uint32Array(groupCount)
    this.#base = new Uint32Array(groupCount + 1)
    for (let group = 0; group < groupCount; group++) {
      this.#base[group + 1] = this.#base[group]! + groups.initialised(group)
    }
    const inodes = this.#base[groupCount]!
    this.fileType = new Uint8Array(inodes)
    this.linksStated = new Uint16Array(inodes)
    this.linksFound = new Uint32Array(inodes)
    this.parent = new Uint32Array(inodes)
    this.dotDot = new Uint32Array(inodes)
  }

  problem(
    code: ProblemCode,
    severity: Severity,
    structure: string,
    message: string,
    place: Place = {},
  ): void {
    this.counts[severity]++
    this.#report({ code, severity, structure, message, ...place })
  }

  error(code: ProblemCode, structure: string, message: string, place?: Place): void {
    this.problem(code, 'error', structure, message, place)
  }

  /** Where the arrays hold `ino`; -1 when it lies in the part of the table that was never used. */
  indexOf(ino: number): number {
    const group = Math.floor((ino - 1) / this.geometry.inodesPerGroup)
    const index = this.#base[group]! + ((ino - 1) % this.geometry.inodesPerGroup)
    return index < this.#base[group + 1]! ? index : -1
  }

  /** Whether file blocks may stand at [block, block + count). */
  isFileBlock(block: number, count = 1): boolean {
    return block > this.geometry.firstDataBlock && block + count <= this.geometry.blocksCount
  }

  groupOfBlock(block: number): number {
    return Math.floor((block - this.geometry.firstDataBlock) / this.geometry.blocksPerGroup)
  }

  groupOfInode(ino: number): number {
    return Math.floor((ino - 1) / this.geometry.inodesPerGroup)
  }

  /** Claims blocks of fixed metadata that begin in bounds. */
  claimMetadata(structure: string, start: number, count: number): void {
    const taken = (this.#metadata ?? this.claims).claim(start, count)
    if (taken >= 0)
      this.error('multiply-claimed', structure, `block ${taken} is in use by other metadata`, {
        block: taken,
      })
    if (this.#metadata !== undefined) {
      const { clusterRatio } = this.geometry
      const first = Math.floor(start / clusterRatio) * clusterRatio
      for (let block = first; block < start + count; block += clusterRatio) {
        if (this.claims.claim(block, 1) < 0) this.metadataClusters[this.groupOfBlock(block)]!++
      }
      return
    }
    for (let block = start; block < start + count; ) {
      const group = this.groupOfBlock(block)
      const end = Math.min(start + count, firstBlockOfGroup(this.geometry, group + 1))
      this.metadataClusters[group]! += end - block
      block = end
    }
  }

  /** Opens the inode's place in the table; false when it lies in a part that cannot be read. */
  openInode(ino: number): boolean {
    if (!(ino >= 1 && ino <= this.geometry.inodesCount) || this.indexOf(ino) < 0) return false
    const { inodesPerGroup, inodeSize, blockSize } = this.geometry
    const table = this.groups.inodeTable[this.groupOfInode(ino)]!
    if (table === 0) return false
    const byte = ((ino - 1) % inodesPerGroup) * inodeSize
    this.medium.open(table + Math.floor(byte / blockSize))
    this.medium.at += byte % blockSize
    return true
  }
}

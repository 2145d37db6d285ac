import { RO_COMPAT } from '../features.js'
import {
  DiskDqblk,
  ENTRIES_PER_BLOCK,
  EntryBlockHeader,
  isUnusedEntry,
  QUOTA_BLOCK,
  QUOTA_TYPES,
  QUOTA_VERSION,
  QuotaHeader,
  TREE_DEPTH,
  TREE_ROOT,
} from '../quota-format.js'
import { EA_INODE_FL, GOOD_OLD_INODE_SIZE, RawInode } from '../raw-inode.js'
import { ROOT_INO, SuperBlock } from '../superblock.js'
import type { FsckContext } from './context.js'
import type { LargeValue } from './ea-inodes.js'
import { BlockList, walkBlocks } from './inode-blocks.js'
import type { ScannedInode } from './inode-scan.js'

interface Usage {
  /** Bytes. */
  space: number
  inodes: number
}

/** Blocks of a quota file that are looked at: one of 1 KiB for each id at the very most. */
const MOST_BLOCKS = 1 << 20

/** Counts what the inodes of each user, group and project use, and compares it with the quota files. */
export class QuotaCheck {
  readonly #ctx: FsckContext
  readonly #inums: readonly number[]
  readonly #usage = QUOTA_TYPES.map(() => new Map<number, Usage>())

  constructor(ctx: FsckContext, { view, at }: { view: DataView; at: number }) {
    this.#ctx = ctx
    const fields = [SuperBlock.s_usr_quota_inum, SuperBlock.s_grp_quota_inum, SuperBlock.s_prj_quota_inum]
    this.#inums = fields.map((field) => field.get(view, at))
  }

  get #enabled(): boolean {
    return (this.#ctx.geometry.roCompat & RO_COMPAT.quota) !== 0
  }

  /** Whether the inode is a quota file, which no directory names. */
  isFile(ino: number): boolean {
    return this.#enabled && this.#inums.includes(ino)
  }

  /** An inode in use. Values in inodes of their own are charged to each who uses them; its sectors have them already. */
  count({ ino, view, at, sectors, flags }: ScannedInode, values: readonly LargeValue[]): void {
    if (!this.#enabled || (ino < this.#ctx.geometry.firstIno && ino !== ROOT_INO) || ino === this.#inums[2])
      return
    if ((flags & EA_INODE_FL) !== 0) return
    const space = sectors * 512
    const inodes = 1 + values.length
    const uid = RawInode.i_uid.get(view, at) + RawInode.l_i_uid_high.get(view, at) * 0x10000
    const gid = RawInode.i_gid.get(view, at) + RawInode.l_i_gid_high.get(view, at) * 0x10000
    for (const [type, id] of [uid, gid, this.#projectId(view, at)].entries()) {
      const usages = this.#usage[type]!
      const usage = usages.get(id)
      if (usage === undefined) usages.set(id, { space, inodes })
      else {
        usage.space += space
        usage.inodes += inodes
      }
    }
  }

  /** After all inodes were counted. */
  run(): void {
    if (!this.#enabled) return
    for (const [type, ino] of this.#inums.entries()) {
      if (ino !== 0) this.#compare(type, ino)
    }
  }

  #projectId(view: DataView, at: number): number {
    const { inodeSize, roCompat } = this.#ctx.geometry
    if (inodeSize === GOOD_OLD_INODE_SIZE || (roCompat & RO_COMPAT.project) === 0) return 0
    const extra = RawInode.i_extra_isize.get(view, at)
    return extra >= RawInode.i_projid.offset + 4 - GOOD_OLD_INODE_SIZE ? RawInode.i_projid.get(view, at) : 0
  }

  #compare(type: number, ino: number): void {
    const ctx = this.#ctx
    const stated = this.#read(type, ino)
    if (stated === undefined) return
    for (const [id, { space, inodes }] of this.#usage[type]!) {
      const found = stated.get(id) ?? { space: 0, inodes: 0 }
      stated.delete(id)
      if (found.space === space && found.inodes === inodes) continue
      const message = `${QUOTA_TYPES[type]!.name} ${id} uses ${space} bytes in ${inodes} inodes, stated ${found.space} in ${found.inodes}`
      ctx.error('bad-quota', DiskDqblk.NAME, message, { ino })
    }
    for (const [id, { space, inodes }] of stated) {
      if (space === 0 && inodes === 0) continue
      const message = `${QUOTA_TYPES[type]!.name} ${id} uses nothing, stated ${space} bytes in ${inodes} inodes`
      ctx.error('bad-quota', DiskDqblk.NAME, message, { ino })
    }
  }

  /** What the file says each id uses; undefined when it cannot be read. */
  #read(type: number, ino: number): Map<number, Usage> | undefined {
    const ctx = this.#ctx
    const refuse = (message: string): undefined =>
      ctx.error('bad-quota', 'quota file', message, { ino }) as undefined
    if (!ctx.openInode(ino)) return refuse('its inode cannot be read')
    const { view, at } = ctx.medium
    const { blockSize } = ctx.geometry
    const blocks = Math.ceil(RawInode.i_size_lo.get(view, at) / blockSize)
    const list = new BlockList(Math.min(blocks, (MOST_BLOCKS * QUOTA_BLOCK) / blockSize))
    walkBlocks(ctx, { view, at, seed: 0 }, list)
    const open = (number: number): number => {
      const block = list.physical[Math.floor((number * QUOTA_BLOCK) / blockSize)] ?? 0
      if (block === 0) return -1
      ctx.medium.open(block)
      return ctx.medium.at + ((number * QUOTA_BLOCK) % blockSize)
    }
    const header = open(0)
    if (header < 0) return refuse('it is empty')
    const magic = QuotaHeader.dqh_magic.get(ctx.medium.view, header)
    const version = QuotaHeader.dqh_version.get(ctx.medium.view, header)
    if (magic !== QUOTA_TYPES[type]!.magic || version !== QUOTA_VERSION)
      return refuse(`dqh_magic is ${magic}, dqh_version ${version}`)
    const usages = new Map<number, Usage>()
    const fault = readTree(ctx, open, usages)
    return fault === undefined ? usages : refuse(fault)
  }
}

/** Reads all blocks of entries that the tree names into `usages`; each once. Returns what is wrong with the tree. */
function readTree(
  ctx: FsckContext,
  open: (number: number) => number,
  usages: Map<number, Usage>,
): string | undefined {
  let level = new Set([TREE_ROOT])
  for (let depth = 0; depth < TREE_DEPTH; depth++) {
    const below = new Set<number>()
    for (const number of level) {
      const at = open(number)
      if (at < 0) return `block ${number} of the tree is not there`
      for (let offset = 0; offset < QUOTA_BLOCK; offset += 4) {
        const next = ctx.medium.view.getUint32(at + offset, true)
        if (next !== 0) below.add(next)
      }
    }
    level = below
  }
  for (const number of level) {
    const at = open(number)
    if (at < 0) return `block ${number} of entries is not there`
    for (let index = 0; index < ENTRIES_PER_BLOCK; index++) {
      const entry = at + EntryBlockHeader.SIZE + index * DiskDqblk.SIZE
      const { view } = ctx.medium
      if (isUnusedEntry(view, entry)) continue
      const id = DiskDqblk.dqb_id.get(view, entry)
      if (usages.has(id)) return `id ${id} has two entries`
      usages.set(id, {
        space: DiskDqblk.dqb_curspace.get(view, entry),
        inodes: DiskDqblk.dqb_curinodes.get(view, entry),
      })
    }
  }
  return undefined
}

import { FsError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import type { Inode } from './inode.js'
import { QuotaFile, type QuotaPlace } from './quota-file.js'
import { DiskDqblk, QUOTA_BLOCK, QUOTA_TYPES } from './quota-format.js'
import { EA_INODE_FL } from './raw-inode.js'
import { ROOT_INO, SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/** Limits of one id, the lower of soft and hard, 0: none; and what it uses. Bytes and inodes. */
export interface QuotaState {
  readonly space: number
  readonly spaceUsed: number
  readonly inodes: number
  readonly inodesUsed: number
}

/** New owners of an inode, by kind of quota; absent or undefined: as before. */
export interface QuotaIds {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly projectId?: number | undefined
}

const SPACE = {
  usage: DiskDqblk.dqb_curspace,
  hard: DiskDqblk.dqb_bhardlimit,
  soft: DiskDqblk.dqb_bsoftlimit,
  time: DiskDqblk.dqb_btime,
  unit: QUOTA_BLOCK,
  grace: 'spaceGrace',
} as const
const INODES = {
  usage: DiskDqblk.dqb_curinodes,
  hard: DiskDqblk.dqb_ihardlimit,
  soft: DiskDqblk.dqb_isoftlimit,
  time: DiskDqblk.dqb_itime,
  unit: 1,
  grace: 'inodeGrace',
} as const
type Resource = typeof SPACE | typeof INODES

/** Index of QUOTA_TYPES. */
const PROJECT = 2

const INUMS = [SuperBlock.s_usr_quota_inum, SuperBlock.s_grp_quota_inum, SuperBlock.s_prj_quota_inum] as const

/**
 * What users, groups and projects use, in the hidden files of the feature quota, kept exact in each transaction. The
 * usage stands in the files' buffers only, so that undoing an operation undoes its charge.
 */
export class Quotas {
  readonly #volume: Volume
  #files: readonly (QuotaFile | undefined)[] | undefined

  constructor(volume: Volume) {
    this.#volume = volume
  }

  /** Opens the files. Throws CorruptError and UnsupportedError when one is not what it has to be. */
  load(): void {
    const volume = this.#volume
    this.#files = INUMS.map((_, type) => {
      const ino = this.#inum(type)
      return ino === 0 ? undefined : new QuotaFile(volume.inodeCache.get(ino), type)
    })
  }

  /**
   * `bytes` of space and a number of inodes more, or fewer when negative, for who owns the inode. Throws EDQUOT when a
   * limit would be passed.
   */
  charge(handle: Handle, inode: Inode, bytes: number, inodes: number): void {
    if (!this.#accounts(inode)) return
    const ids = idsOf(inode)
    for (let type = 0; type < INUMS.length; type++) this.#add(handle, type, ids[type]!, bytes, inodes)
  }

  /** The inode, with `inodes` counted for it, gets other owners. To be called before. Throws EDQUOT. */
  transfer(handle: Handle, inode: Inode, to: QuotaIds, inodes: number): void {
    if (!this.#accounts(inode)) return
    const from = idsOf(inode)
    const targets = [to.uid, to.gid, to.projectId]
    const bytes = inode.blocks * 512
    for (let type = 0; type < INUMS.length; type++) {
      const target = targets[type]
      if (target === undefined || target === from[type]) continue
      this.#add(handle, type, target, bytes, inodes)
      this.#add(handle, type, from[type]!, -bytes, -inodes)
    }
  }

  /** Bytes of space that the inode may still get for the present caller. */
  allowance(inode: Inode): number {
    let least = Number.POSITIVE_INFINITY
    if (this.#isPrivileged || !this.#accounts(inode)) return least
    const ids = idsOf(inode)
    for (let type = 0; type < INUMS.length; type++) {
      const place = this.#isEnforced(type) ? this.#file(type)?.find(ids[type]!) : undefined
      if (place === undefined) continue
      const { view, at } = place.head
      const entry = at + place.offset
      const time = DiskDqblk.dqb_btime.get(view, entry)
      const isOver = time !== 0 && this.#volume.now().sec >= time
      const limits = [
        DiskDqblk.dqb_bhardlimit.get(view, entry),
        isOver ? DiskDqblk.dqb_bsoftlimit.get(view, entry) : 0,
      ]
      for (const limit of limits) {
        if (limit > 0) least = Math.min(least, limit * QUOTA_BLOCK - DiskDqblk.dqb_curspace.get(view, entry))
      }
    }
    return Math.max(0, least)
  }

  /** Undefined where limits of projects do not count, or `id` has no entry. */
  projectLimits(id: number): QuotaState | undefined {
    const place = this.#isEnforced(PROJECT) ? this.#file(PROJECT)?.find(id) : undefined
    if (place === undefined) return undefined
    const { view } = place.head
    const at = place.head.at + place.offset
    return {
      space: lowerLimit(SPACE, view, at),
      spaceUsed: SPACE.usage.get(view, at),
      inodes: lowerLimit(INODES, view, at),
      inodesUsed: INODES.usage.get(view, at),
    }
  }

  #add(handle: Handle, type: number, id: number, bytes: number, inodes: number): void {
    const file = this.#file(type)
    if (file === undefined || (bytes === 0 && inodes === 0)) return
    const place = file.modify(handle, id)
    this.#change(type, id, file, place, SPACE, bytes)
    this.#change(type, id, file, place, INODES, inodes)
    const { view, at } = place.head
    if (isIdle(view, at + place.offset)) {
      file.remove(handle, id)
      return
    }
    // Of id 0 an entry of zeroes would look unused; Linux marks it in the same way.
    if (id === 0 && DiskDqblk.dqb_curinodes.get(view, at + place.offset) === 0)
      DiskDqblk.dqb_itime.set(view, at + place.offset, DiskDqblk.dqb_itime.get(view, at + place.offset) || 1)
  }

  #change(
    type: number,
    id: number,
    file: QuotaFile,
    { head, offset }: QuotaPlace,
    resource: Resource,
    delta: number,
  ): void {
    if (delta === 0) return
    const { view } = head
    const at = head.at + offset
    const usage = Math.max(0, resource.usage.get(view, at) + delta)
    resource.usage.set(view, at, usage)
    if (!this.#isEnforced(type)) return
    const hard = resource.hard.get(view, at) * resource.unit
    const soft = resource.soft.get(view, at) * resource.unit
    const time = resource.time.get(view, at)
    if (delta < 0) {
      if (usage <= soft) resource.time.set(view, at, 0)
      return
    }
    const now = this.#volume.now().sec
    const isOver = (hard > 0 && usage > hard) || (soft > 0 && usage > soft && time !== 0 && now >= time)
    if (isOver && !this.#isPrivileged) {
      const what = `${QUOTA_TYPES[type]!.name} ${id}`
      throw new FsError('EDQUOT', `${what} would use ${usage}, limits ${soft} and ${hard}`)
    }
    if (soft > 0 && usage > soft && time === 0) resource.time.set(view, at, now + file[resource.grace])
  }

  /** Linux: CAP_SYS_RESOURCE passes limits. */
  get #isPrivileged(): boolean {
    return this.#volume.caller.uid === 0
  }

  #isEnforced(type: number): boolean {
    return this.#volume.behaviour.quota[QUOTA_TYPES[type]!.name]
  }

  #file(type: number): QuotaFile | undefined {
    if (this.#files === undefined) this.load()
    return this.#files?.[type]
  }

  #inum(type: number): number {
    const { superblock, superblockOffset } = this.#volume
    return INUMS[type]!.get(superblock.view, superblock.at + superblockOffset)
  }

  /** Reserved inodes, the quota files and the values of attributes are nobody's. */
  #accounts({ ino, flags }: Inode): boolean {
    if ((flags & EA_INODE_FL) !== 0) return false
    return ino === ROOT_INO || (ino >= this.#volume.firstIno && ino !== this.#inum(2))
  }
}

/** An entry without limits of an id that uses nothing: Linux too keeps none. */
function isIdle(view: DataView, at: number): boolean {
  return [SPACE, INODES].every(
    ({ usage, hard, soft }) => usage.get(view, at) + hard.get(view, at) + soft.get(view, at) === 0,
  )
}

function lowerLimit({ hard, soft, unit }: Resource, view: DataView, at: number): number {
  const limits = [soft.get(view, at), hard.get(view, at)].filter((limit) => limit > 0)
  return limits.length === 0 ? 0 : Math.min(...limits) * unit
}

function idsOf({ uid, gid, projectId }: Inode): [number, number, number] {
  return [uid, gid, projectId]
}

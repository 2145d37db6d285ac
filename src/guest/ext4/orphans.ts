import { CorruptError } from '../../../lib/errno.js'
import type { Handle } from '../jbd2/handle.js'
import { COMPAT, RO_COMPAT } from './features.js'
import { Inode } from './inode.js'
import { OrphanFile } from './orphan-file.js'
import { OrphanList } from './orphan-list.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

interface Orphanage {
  readonly list: OrphanList
  /** Undefined without the orphan_file feature. */
  readonly file: OrphanFile | undefined
  /** Inodes in the file, with their slots. */
  readonly slots: Map<number, number>
  /** In the order to clean them. */
  readonly found: number[]
}

/**
 * The inodes that a mount after a crash must free or truncate: those without links that are still in use, and those
 * whose truncation takes several transactions. They stand in the orphan file, or when that is full or absent in the
 * orphan list. Kernel docs: ext4, "Orphan file".
 */
export class Orphans {
  readonly #volume: Volume
  #orphanage: Orphanage | undefined
  /** Without a journal the medium does not know of them, as with Linux: a crash there is e2fsck's work anyway. */
  readonly #unlisted = new Set<number>()

  constructor(volume: Volume) {
    this.#volume = volume
  }

  /**
   * The orphans found on the medium when it was first read, in the order to clean them. Throws CorruptError for
   * loops, inodes named twice or not in use, bad blocks of the orphan file.
   */
  load(): number[] {
    return [...this.#known.found]
  }

  has(ino: number): boolean {
    return this.#known.list.has(ino) || this.#known.slots.has(ino) || this.#unlisted.has(ino)
  }

  get isEmpty(): boolean {
    const { list, slots } = this.#known
    return slots.size === 0 && list.isEmpty && this.#unlisted.size === 0
  }

  /** Nothing to do when the inode is an orphan already. */
  add(handle: Handle, inode: Inode): void {
    const { list, file, slots } = this.#known
    const { ino } = inode
    if (this.has(ino)) return
    if (!this.#volume.hasJournal) {
      this.#unlisted.add(ino)
      handle.onRevert(() => this.#unlisted.delete(ino))
      return
    }
    const slot = file?.add(handle, ino) ?? -1
    if (slot < 0) {
      list.add(handle, inode)
      return
    }
    this.#setPresent(handle)
    slots.set(ino, slot)
    handle.onRevert(() => slots.delete(ino))
  }

  /** Nothing to do when the inode is no orphan. i_dtime is 0 afterwards if it was on the list. */
  remove(handle: Handle, inode: Inode): void {
    const { list, file, slots } = this.#known
    const { ino } = inode
    if (this.#unlisted.delete(ino)) {
      handle.onRevert(() => this.#unlisted.add(ino))
      return
    }
    const slot = slots.get(ino)
    if (slot !== undefined) {
      file?.remove(handle, slot)
      slots.delete(ino)
      handle.onRevert(() => slots.set(ino, slot))
    } else if (list.has(ino)) {
      list.remove(handle, inode)
    }
  }

  /** In the superblock at `at` of `view`, for the last commit: nothing needs to look into an empty orphan file. */
  markUnmounted(view: DataView, at: number): void {
    if (this.#known.slots.size > 0) return
    const features = SuperBlock.s_feature_ro_compat.get(view, at)
    SuperBlock.s_feature_ro_compat.set(view, at, (features & ~RO_COMPAT.orphan_present) >>> 0)
  }

  get #known(): Orphanage {
    this.#orphanage ??= this.#read()
    return this.#orphanage
  }

  #read(): Orphanage {
    const volume = this.#volume
    const list = new OrphanList(volume)
    const slots = new Map<number, number>()
    const found: number[] = []
    list.load((ino, from) => {
      const place =
        from === undefined ? ['ext4_super_block', 's_last_orphan'] : [`inode ${from.ino}`, 'i_dtime']
      this.#check(ino, place[0]!, place[1]!)
      found.push(ino)
      return openOrphan(volume, ino)
    })
    let file: OrphanFile | undefined
    if ((volume.compat & COMPAT.orphan_file) !== 0) {
      const { superblock, superblockOffset } = volume
      file = new OrphanFile(
        volume,
        SuperBlock.s_orphan_file_inum.get(superblock.view, superblock.at + superblockOffset),
      )
      file.load((ino, slot) => {
        this.#check(ino, 'orphan file', `slot ${slot}`)
        if (slots.has(ino) || list.has(ino)) throw corrupt('orphan file', `slot ${slot}`, ino, 'named once')
        openOrphan(volume, ino)
        slots.set(ino, slot)
        found.push(ino)
      })
    }
    return { list, file, slots, found }
  }

  #check(ino: number, structure: string, field: string): void {
    const volume = this.#volume
    if (!(ino >= volume.firstIno && ino <= volume.inodesCount)) {
      throw corrupt(structure, field, ino, `${volume.firstIno} to ${volume.inodesCount}`)
    }
    if (!volume.inodeAllocator.isAllocated(ino)) throw corrupt(structure, field, ino, 'an inode in use')
  }

  /** The orphan file is read after a crash only if the superblock says so: in the same transaction as its content. */
  #setPresent(handle: Handle): void {
    const { superblock, superblockOffset } = this.#volume
    const features = SuperBlock.s_feature_ro_compat.get(superblock.view, superblock.at + superblockOffset)
    if ((features & RO_COMPAT.orphan_present) !== 0) return
    const head = this.#volume.modifySuperblock(handle)
    const at = head.at + superblockOffset
    SuperBlock.s_feature_ro_compat.set(head.view, at, (features | RO_COMPAT.orphan_present) >>> 0)
  }
}

function openOrphan(volume: Volume, ino: number): Inode {
  const inode = new Inode(volume, ino)
  inode.verifyChecksum()
  return inode
}

function corrupt(structure: string, field: string, found: number, expected: string): CorruptError {
  return new CorruptError({ structure, field, found, expected })
}

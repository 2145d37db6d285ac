import type { Handle } from '../jbd2/handle.js'
import type { Inode } from './inode.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

interface Link {
  /** The inode whose i_dtime names this one; 0: s_last_orphan does. */
  before: number
  /** What this one's i_dtime names; 0: it is the last. */
  behind: number
}

/**
 * The list that begins in s_last_orphan and goes on from i_dtime to i_dtime. In memory it is linked both ways, so
 * that an inode leaves it without a walk. Kernel docs: ext4, "The Super Block", s_last_orphan.
 */
export class OrphanList {
  readonly #volume: Volume
  readonly #links = new Map<number, Link>()

  constructor(volume: Volume) {
    this.#volume = volume
  }

  get isEmpty(): boolean {
    return this.#links.size === 0
  }

  has(ino: number): boolean {
    return this.#links.has(ino)
  }

  /**
   * Follows the list; `open` gives the inode of a number, checked. Throws CorruptError when it comes back to an
   * inode that it passed. To be called once.
   */
  load(open: (ino: number, from: Inode | undefined) => Inode): void {
    let from: Inode | undefined
    for (let ino = this.#first; ino !== 0; ino = from.dtime) {
      const inode = open(ino, from)
      if (this.#links.has(ino)) inode.corrupt('orphan list', `a loop by i_dtime of ${from?.ino}`, 'an end')
      const before = from?.ino ?? 0
      this.#links.set(ino, { before, behind: 0 })
      const previous = this.#links.get(before)
      if (previous !== undefined) previous.behind = ino
      from = inode
    }
  }

  /** At the head of the list. */
  add(handle: Handle, inode: Inode): void {
    const first = this.#first
    inode.modify(handle)
    inode.dtime = first
    this.#setFirst(handle, inode.ino)
    this.#insert(inode.ino, { before: 0, behind: first })
    handle.onRevert(() => this.#unlink(inode.ino))
  }

  /** The inode's i_dtime is 0 afterwards. */
  remove(handle: Handle, inode: Inode): void {
    const { before, behind } = this.#unlink(inode.ino)
    handle.onRevert(() => this.#insert(inode.ino, { before, behind }))
    if (before === 0) {
      this.#setFirst(handle, behind)
    } else {
      const previous = this.#volume.inodeCache.get(before)
      previous.modify(handle)
      previous.dtime = behind
    }
    inode.modify(handle)
    inode.dtime = 0
  }

  get #first(): number {
    const { superblock, superblockOffset } = this.#volume
    return SuperBlock.s_last_orphan.get(superblock.view, superblock.at + superblockOffset)
  }

  #setFirst(handle: Handle, ino: number): void {
    const head = this.#volume.modifySuperblock(handle)
    SuperBlock.s_last_orphan.set(head.view, head.at + this.#volume.superblockOffset, ino)
  }

  #insert(ino: number, link: Link): void {
    this.#links.set(ino, link)
    const previous = this.#links.get(link.before)
    if (previous !== undefined) previous.behind = ino
    const next = this.#links.get(link.behind)
    if (next !== undefined) next.before = ino
  }

  #unlink(ino: number): Link {
    const link = this.#links.get(ino) as Link
    this.#links.delete(ino)
    const previous = this.#links.get(link.before)
    if (previous !== undefined) previous.behind = link.behind
    const next = this.#links.get(link.behind)
    if (next !== undefined) next.before = link.before
    return link
  }
}

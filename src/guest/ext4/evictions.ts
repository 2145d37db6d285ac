import createDebug from 'debug'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import { continueEvict, evict } from './evict.js'
import type { Inode } from './inode.js'
import type { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/** Frees inodes that have neither links nor users: at once where that fits a transaction, else behind the scenes. */
export class Evictions {
  readonly #volume: Volume
  readonly #journal: Journal
  readonly #credits: number
  readonly #change: (operation: (handle: Handle) => boolean) => boolean
  readonly #underWay = new Set<Promise<void>>()

  /** `change` runs an operation of up to `credits` blocks as part of the running transaction. */
  constructor(
    volume: Volume,
    journal: Journal,
    credits: number,
    change: (operation: (handle: Handle) => boolean) => boolean,
  ) {
    this.#volume = volume
    this.#journal = journal
    this.#credits = credits
    this.#change = change
  }

  /** Frees the inode, if it is to be freed. What fails leaves it on the orphan list. */
  evictIfUnused(inode: Inode): void {
    if (inode.users > 0 || inode.linksCount > 0) return
    const journal = this.#journal
    if (journal.aborted !== undefined) return
    const wait = journal.ready(this.#credits)
    if (wait === undefined && this.#change((handle) => evict(handle, inode))) return
    // A failure while waiting is met again, and told, below.
    wait?.catch(() => {})
    const work = continueEvict(journal, inode)
      .catch((error) => log('inode %d stays on the orphan list: %s', inode.ino, error))
      .finally(() => this.#underWay.delete(work))
    this.#underWay.add(work)
  }

  /** Values of attributes that nobody has any more. The operation that left them is done, whatever comes of this. */
  evictValues(): void {
    const { unusedInodes, inodeCache } = this.#volume
    for (const ino of unusedInodes) {
      unusedInodes.delete(ino)
      try {
        this.evictIfUnused(inodeCache.get(ino))
      } catch (error) {
        log('inode %d, a value that nobody has, is left: %s', ino, error)
      }
    }
  }

  /** Waits for all that is under way. */
  async finish(): Promise<void> {
    for (this.evictValues(); this.#underWay.size > 0; this.evictValues()) await Promise.all(this.#underWay)
  }
}

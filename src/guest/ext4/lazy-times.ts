import createDebug from 'debug'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import type { Timespec } from '../vfs/attributes.js'
import { dueAccessTime } from './access-time.js'
import type { Inode, Times } from './inode.js'
import type { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/** Milliseconds that times stay in memory at most. */
const LONGEST = 24 * 60 * 60 * 1000
/** Blocks of room that the running transaction keeps for others: a read must not be why a change has to wait. */
const LEAST_ROOM = 64

/**
 * Access times, and the times that lazytime keeps in memory (see {@link Inode.lazyTimes}) until they reach the
 * journal: with the inode's next change, by a sync, when its last user goes, or after a day.
 */
export class LazyTimes {
  readonly #volume: Volume
  readonly #journal: Journal
  readonly #clock: () => number
  readonly #leastRoom: number

  /** `clock`: milliseconds of the machine's clock. */
  constructor(volume: Volume, journal: Journal, clock: () => number) {
    this.#volume = volume
    this.#journal = journal
    this.#clock = clock
    this.#leastRoom = Math.min(LEAST_ROOM, Math.floor(journal.maxCredits / 2))
  }

  /**
   * The inode was read. Never waits and never throws: where the journal has no room, the time waits for it in memory.
   * Returns whether the access time changed.
   */
  touch(inode: Inode): boolean {
    if (this.#journal.aborted !== undefined) return false
    const atime = dueAccessTime(inode)
    if (atime === undefined) return false
    try {
      this.#setAtime(inode, atime)
      return true
    } catch (error) {
      log('access time of inode %d: %o', inode.ino, error)
      return false
    }
  }

  #setAtime(inode: Inode, atime: Timespec): void {
    const journal = this.#journal
    const isLazy = this.#volume.behaviour.lazytime && inode.syncTid !== journal.runningTid
    if (isLazy || journal.room < this.#leastRoom) this.keep(inode, { atime })
    else
      this.#change((handle) => {
        inode.modify(handle)
        inode.setTime('atime', atime)
      })
  }

  /** Changes times in memory only. */
  keep(inode: Inode, times: Readonly<Times>): void {
    inode.setLazyTimes(times, this.#clock())
  }

  /** The inode's last user is gone: what is in memory goes to the journal, if that has room just now. */
  released(inode: Inode): void {
    if (inode.lazyTimes === undefined || this.#journal.aborted !== undefined) return
    if (this.#journal.room >= this.#leastRoom) this.#settle(inode)
  }

  /** When the first of those in memory, or of those in the running transaction, is due. Undefined: there is none. */
  get deadline(): number | undefined {
    const commit = this.#journal.deadline
    if (this.#journal.aborted !== undefined) return commit
    for (const since of this.#volume.lazyInodes.values()) return Math.min(since + LONGEST, commit ?? Infinity)
    return commit
  }

  /** What is in memory for too long at `now` goes to the running transaction, which is committed if it is due itself. */
  tick(now: number): void {
    if (this.#journal.aborted === undefined) this.#settleDue(now)
    this.#journal.tick(now)
  }

  #settleDue(now: number): void {
    for (const [inode, since] of this.#volume.lazyInodes) {
      if (now < since + LONGEST || this.#journal.room < this.#leastRoom) return
      this.#settle(inode)
    }
  }

  /** All that is in memory goes to the running transaction, or as many as it takes. Undefined: nothing is. */
  settle(inodes: Iterable<Inode> = this.#volume.lazyInodes.keys()): Promise<void> | undefined {
    const found = [...inodes].filter(({ lazyTimes }) => lazyTimes !== undefined)
    return found.length === 0 ? undefined : this.#settleAll(found)
  }

  async #settleAll(inodes: readonly Inode[]): Promise<void> {
    for (const inode of inodes) {
      for (let wait = this.#ready(); wait !== undefined; wait = this.#ready()) await wait
      // It may have been written meanwhile.
      if (inode.lazyTimes !== undefined) this.#settle(inode)
    }
  }

  #ready(): Promise<void> | undefined {
    return this.#journal.ready(this.#leastRoom)
  }

  #settle(inode: Inode): void {
    this.#change((handle) => inode.modify(handle))
  }

  #change(operation: (handle: Handle) => void): void {
    const handle = this.#journal.start()
    try {
      operation(handle)
      handle.stop()
    } catch (error) {
      handle.revert()
      throw error
    }
  }
}

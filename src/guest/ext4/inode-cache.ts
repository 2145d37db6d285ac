import { FsError } from '../../../lib/errno.js'
import { tidGeq } from '../jbd2/tid.js'
import { S_IFMT } from '../vfs/attributes.js'
import { INCOMPAT } from './features.js'
import { Inode } from './inode.js'
import { INLINE_DATA_FL } from './raw-inode.js'
import { ROOT_INO } from './superblock.js'
import type { Volume } from './volume.js'

/** The inodes in use, and as many others as are worth keeping. */
export class InodeCache {
  static readonly #LEAST = 16384
  readonly #volume: Volume
  readonly #inodes = new Map<number, Inode>()
  /** How many there may be before it is worth looking for unused ones. */
  #limit = InodeCache.#LEAST

  constructor(volume: Volume) {
    this.#volume = volume
  }

  /**
   * The inode as it is on the medium, checked once when it comes in. Throws ESTALE for a number that no inode of
   * this file system has, CorruptError when the inode contradicts itself.
   */
  get(ino: number): Inode {
    const known = this.#inodes.get(ino)
    if (known !== undefined) return known
    const volume = this.#volume
    if (!(ino >= 1 && ino <= volume.inodesCount)) throw new FsError('ESTALE', `no inode ${ino}`)
    const inode = new Inode(volume, ino)
    inode.verifyChecksum()
    check(inode)
    this.#inodes.set(ino, inode)
    return inode
  }

  /** A fresh inode object for a number that was just allocated; its content is about to be written. */
  adopt(ino: number): Inode {
    const inode = new Inode(this.#volume, ino)
    this.#inodes.set(ino, inode)
    return inode
  }

  /** The inode if it is in the cache. */
  peek(ino: number): Inode | undefined {
    return this.#inodes.get(ino)
  }

  /** Puts back what was forgotten. */
  restore(inode: Inode): void {
    this.#inodes.set(inode.ino, inode)
  }

  forget(ino: number): void {
    this.#inodes.delete(ino)
  }

  /** Forgets unused inodes when there are many. Called between operations, as BufferCache.trim. */
  trim(): void {
    if (this.#inodes.size < this.#limit) return
    const { journal, device } = this.#volume
    for (const [ino, inode] of this.#inodes) {
      if (inode.users > 0 || ino === ROOT_INO || inode.lazyTimes !== undefined) continue
      const committed =
        journal === undefined || inode.syncTid === 0 || tidGeq(journal.committedTid, inode.syncTid)
      if (committed && inode.dataSequence <= device.flushedSequence) this.#inodes.delete(ino)
    }
    // Those that stay are not looked at again before as many new ones have come: a long walk is a rare one.
    this.#limit = Math.max(InodeCache.#LEAST, this.#inodes.size * 2)
  }
}

function check(inode: Inode): void {
  const mode = inode.mode
  const type = mode & S_IFMT
  if (inode.linksCount === 0 && mode === 0) throw new FsError('ESTALE', `inode ${inode.ino} is not in use`)
  if (
    ![0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000].includes(type) &&
    inode.ino >= inode.volume.firstIno
  ) {
    inode.corrupt('i_mode', `0${mode.toString(8)}`, 'a known file type')
  }
  if (inode.volume.inodeSize > 128) {
    const extra = inode.extraSize
    if (extra > inode.volume.inodeSize - 128 || extra % 4 !== 0)
      inode.corrupt('i_extra_isize', extra, `0 to ${inode.volume.inodeSize - 128}`)
  }
  if ((inode.flags & INLINE_DATA_FL) !== 0 && (inode.volume.incompat & INCOMPAT.inline_data) === 0)
    inode.corrupt('i_flags', 'EXT4_INLINE_DATA_FL', 'no inline data without the feature')
}

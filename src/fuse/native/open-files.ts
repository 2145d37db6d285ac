import { FsError } from '../../../lib/errno.js'
import type { HeldInodes } from './held-inodes.js'

/** Files that are open on the mount. fuse-native carries a number from 1 to 2^31 - 1 for each. */
export class OpenFiles {
  readonly #inodes: HeldInodes
  readonly #files = new Map<number, number>()
  /** How often each inode is open. */
  readonly #counts = new Map<number, number>()
  #last = 0

  constructor(inodes: HeldInodes) {
    this.#inodes = inodes
  }

  open(ino: number): number {
    do this.#last = this.#last === 0x7fff_ffff ? 1 : this.#last + 1
    while (this.#files.has(this.#last))
    this.#files.set(this.#last, ino)
    this.#counts.set(ino, (this.#counts.get(ino) ?? 0) + 1)
    this.#inodes.hold(ino)
    return this.#last
  }

  /** The inode. Throws EBADF. */
  inode(fd: number): number {
    const ino = this.#files.get(fd)
    if (ino === undefined) throw new FsError('EBADF', `file descriptor ${fd}`)
    return ino
  }

  isOpen(ino: number): boolean {
    return this.#counts.has(ino)
  }

  close(fd: number): void {
    const ino = this.inode(fd)
    this.#files.delete(fd)
    const count = (this.#counts.get(ino) ?? 1) - 1
    if (count === 0) this.#counts.delete(ino)
    else this.#counts.set(ino, count)
    this.#inodes.letGo(ino)
  }
}

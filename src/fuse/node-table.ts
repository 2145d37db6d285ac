import type { FileSystem } from '../guest/vfs/file-system.js'

/**
 * How often the kernel has been told of each inode (nlookup). An inode is a user of the file system's from the first
 * lookup to the last FORGET. An open file needs no count of its own: the kernel keeps its inode, and with it a
 * lookup, until after RELEASE.
 */
export class NodeTable {
  readonly #fs: FileSystem
  readonly #counts = new Map<number, number>()

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  /** Inodes that the kernel knows. */
  get size(): number {
    return this.#counts.size
  }

  /** Lookups of the inode that were not forgotten yet. */
  count(ino: number): number {
    return this.#counts.get(ino) ?? 0
  }

  /** One more reply names the inode. */
  add(ino: number): void {
    const count = this.#counts.get(ino)
    if (count === undefined) this.#fs.retain(ino)
    this.#counts.set(ino, (count ?? 0) + 1)
  }

  /** Takes `lookups` back. True when none is left: the inode must then be {@link release}d. */
  subtract(ino: number, lookups: number): boolean {
    const count = this.#counts.get(ino)
    if (count === undefined) return false
    if (count > lookups) {
      this.#counts.set(ino, count - lookups)
      return false
    }
    this.#counts.set(ino, 0)
    return true
  }

  /** Gives the inode back, unless it was looked up again meanwhile. Changes the file system when it had no links. */
  release(ino: number): void {
    if (this.#counts.get(ino) !== 0) return
    this.#counts.delete(ino)
    this.#fs.release(ino, 1)
  }

  /** Forgets all: the inodes that must be {@link release}d. */
  clear(): number[] {
    for (const ino of this.#counts.keys()) this.#counts.set(ino, 0)
    return [...this.#counts.keys()]
  }
}

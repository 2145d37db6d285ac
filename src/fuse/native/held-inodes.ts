import type { FileSystem } from '../../guest/vfs/file-system.js'
import { log } from '../connection.js'
import { NodeTable } from '../node-table.js'

/** Inodes that open files, names of unlinked ones and operations that wait have in use. */
export class HeldInodes {
  readonly #fs: FileSystem
  readonly #nodes: NodeTable

  constructor(fs: FileSystem) {
    this.#fs = fs
    this.#nodes = new NodeTable(fs)
  }

  get size(): number {
    return this.#nodes.size
  }

  hold(ino: number): void {
    this.#nodes.add(ino)
  }

  /** An inode that had no other user and no link is freed, later when the journal has no room for that now. */
  letGo(ino: number): void {
    if (this.#nodes.subtract(ino, 1)) void this.#release(ino)
  }

  /** Holds the inode while `operation` waits. */
  async during(ino: number, operation: Promise<void>): Promise<void> {
    this.hold(ino)
    try {
      await operation
    } finally {
      this.letGo(ino)
    }
  }

  /** Lets all go. */
  async clear(): Promise<void> {
    for (const ino of this.#nodes.clear()) await this.#release(ino)
  }

  /** Errors are nobody's: the inode then stays on the orphan list. */
  async #release(ino: number): Promise<void> {
    try {
      for (let wait = this.#fs.ready(); wait !== undefined; wait = this.#fs.ready()) await wait
    } catch (error) {
      // A file system that may not change gives its users back all the same.
      log('release of inode %d: %o', ino, error)
    }
    try {
      this.#nodes.release(ino)
    } catch (error) {
      log('release of inode %d: %o', ino, error)
    }
  }
}

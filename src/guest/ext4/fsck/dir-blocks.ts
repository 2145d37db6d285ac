/** A directory found by the inode scan. */
export interface FoundDirectory {
  readonly ino: number
  /** Checksum seed of its blocks. */
  readonly seed: number
  /** EXT4_INDEX_FL. */
  readonly indexed: boolean
  /** Blocks that its size says. */
  readonly blocks: number
  /** Its blocks are the entries [from, to) of the list. */
  readonly from: number
  readonly to: number
  /** Its entries stand in the inode. */
  readonly inline?: boolean
}

/** The blocks of all directories, in the order of the inodes and, for each, of the logical blocks. */
export class DirBlocks {
  readonly directories: FoundDirectory[] = []
  readonly logical: number[] = []
  readonly physical: number[] = []

  get length(): number {
    return this.logical.length
  }

  add(logical: number, physical: number, count: number): void {
    for (let index = 0; index < count; index++) {
      this.logical.push(logical + index)
      this.physical.push(physical + index)
    }
  }
}

/** Who listens to a walk over the blocks of an inode. */
export interface BlockSink {
  /** A block of the map itself. Returns whether to walk into it: not when it was claimed before. */
  node(block: number): boolean
  /** `count` blocks from `physical` hold the file's blocks from `logical` on. */
  data(logical: number, physical: number, count: number, unwritten: boolean): void
  /** The map is wrong; what hangs beneath is not walked. `block`: of the map, 0 for the inode itself. */
  corrupt(structure: string, message: string, block: number): void
  /** The map names blocks that the file system does not have. */
  outside(structure: string, message: string, block: number): void
  checksum(structure: string, message: string, block: number): void
}

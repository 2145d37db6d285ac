/** struct fiemap_extent, as far as it says something here. Bytes. Linux docs: filesystems/fiemap. */
export interface FiemapExtent {
  logical: number
  /** On the device. */
  physical: number
  length: number
  /** FIEMAP_EXTENT_UNWRITTEN: allocated, reads as zeroes. */
  unwritten: boolean
  /** FIEMAP_EXTENT_LAST: none follows in the file. */
  last: boolean
  /** FIEMAP_EXTENT_DATA_INLINE and NOT_ALIGNED: it begins in i_block of the inode, and may go on elsewhere in it. */
  inline?: true
}

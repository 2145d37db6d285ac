/** A run of logical blocks of a file that are mapped alike. */
export interface Mapping {
  logical: number
  /** First physical block, 0 for a hole. */
  physical: number
  length: number
  /** Allocated, but reads as zeroes. */
  unwritten: boolean
}

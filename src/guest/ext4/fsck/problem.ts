/** What can be wrong, by the name of the rule that is broken. */
export type ProblemCode =
  | 'not-ext4'
  | 'unsupported'
  | 'bad-checksum'
  | 'bad-geometry'
  | 'bad-place'
  | 'bad-count'
  | 'bad-flag'
  | 'bad-bitmap'
  | 'bad-padding'
  | 'bad-mode'
  | 'bad-size'
  | 'bad-blocks-count'
  | 'bad-extra-size'
  | 'bad-dtime'
  | 'bad-extent-tree'
  | 'bad-block-number'
  | 'multiply-claimed'
  | 'bad-symlink'
  | 'bad-device'
  | 'bad-xattr'
  | 'bad-inline-data'
  | 'bad-directory'
  | 'bad-entry'
  | 'bad-entry-type'
  | 'entry-to-unused-inode'
  | 'duplicate-entry'
  | 'directory-linked-twice'
  | 'bad-htree'
  | 'bad-dotdot'
  | 'unconnected'
  | 'bad-link-count'
  | 'bad-orphan'
  | 'orphan'
  | 'bad-quota'
  | 'bad-journal'
  | 'needs-recovery'
  | 'not-clean'
  | 'backup-differs'

/**
 * `error`: the file system contradicts itself. `warning`: nothing that a mount meets, but not as it should be.
 * `note`: as it is before recovery, or worth knowing.
 */
export type Severity = 'error' | 'warning' | 'note'

export interface Problem {
  readonly code: ProblemCode
  readonly severity: Severity
  /** Name of the structure as Linux has it: `ext4_inode`, `ext4_group_desc 3`. */
  readonly structure: string
  readonly ino?: number
  /** File system block. */
  readonly block?: number
  readonly message: string
}

/** Where a problem was found. */
export interface Place {
  readonly ino?: number
  readonly block?: number
}

/**
 * Cases in which a mount of ours may be seen to differ from the kernel's ext4: what Linux does not pass on to a file
 * system in user space, or answers in its place. Nothing else may differ.
 */
export interface Exception {
  /** Names of cases. */
  cases: RegExp
  /** The kind of mount; absent: all. */
  dax?: 'always' | 'never'
  reason: string
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    cases: /^fallocate (collapse|insert): /,
    reason: 'FUSE answers EOPNOTSUPP to COLLAPSE_RANGE and INSERT_RANGE itself',
  },
  {
    cases: /^lseek: (past the greatest offset|of a directory)$/,
    reason: 'FUSE seeks by itself for all but SEEK_DATA and SEEK_HOLE of files, with limits of its own',
  },
  {
    cases:
      /^times: at (a read|a second read|a read of nothing|a readdir|a readlink|a walk through a link|a mapped read|a mapped write|an execution|a copy)$/,
    reason:
      "access times are the server's affair in FUSE, and this one does not keep them yet: as with noatime",
  },
  {
    cases: /^flags: in statx$/,
    reason: "FUSE takes no attributes from statx's reply",
  },
  {
    cases: /^flags: immutable$/,
    dax: 'never',
    reason: 'the page cache takes writes to a file that was opened before it became immutable',
  },
  {
    cases: /^write: (at|across) the greatest offset$/,
    dax: 'never',
    reason: "the page cache takes writes up to FUSE's own limit; the error comes with the write-back",
  },
  {
    cases: /^(truncate: by path|flags: nodump, noatime, sync)$/,
    dax: 'never',
    reason:
      'with the write-back cache the kernel keeps the times, and does not change them for a size that stays or for flags',
  },
  {
    cases: /^read: fsync of everything$/,
    dax: 'never',
    reason:
      'syncfs tells of writes past the greatest offset that the cases before have left in the page cache',
  },
  {
    cases: /^utimensat of: (-2147483649|-2208988800|15032385535\.000000001|15032385536|99999999999)$/,
    dax: 'never',
    reason: 'with the write-back cache the kernel keeps the times as they were set, of any range',
  },
]

export function isExcepted(name: string, dax: 'always' | 'never'): boolean {
  return EXCEPTIONS.some((exception) => exception.cases.test(name) && (exception.dax ?? dax) === dax)
}

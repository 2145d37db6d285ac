import type { Case } from './case.js'

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
      /^times: at (a read|a second read|a read of nothing|a read after (a write|chmod)|a mapped read|a mapped write|an execution)$/,
    dax: 'never',
    reason: "what the kernel's page cache answers is not seen by a file system in user space",
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

/** Steps that no system call of src/guest/syscall makes: cases that have one are left out. */
export const NOT_CALLS: readonly { steps: RegExp; reason: string }[] = [
  {
    steps: /^(map|map-read|map-write|msync) /,
    reason: 'there is no program whose memory files could be mapped into',
  },
  { steps: /^(splice|preadv2|pwritev2) /, reason: 'there are no pipes, and one buffer a call' },
  { steps: /^readdir-during /, reason: 'a directory is read at once' },
  { steps: /^exec /, reason: 'there are no programs' },
  {
    steps: /^(lock|ofd-lock|lock-\w+|flock|flock-\w+|lease|elsewhere) /,
    reason: 'there is one process, and no locks',
  },
  { steps: /^ioctl /, reason: 'what ioctls are for has calls of its own' },
  { steps: /^handle /, reason: 'there are no file handles beside inode numbers' },
]

/** Cases that the system calls of src/guest/syscall answer in another way than the kernel. */
export const CALL_EXCEPTIONS: readonly Exception[] = [
  {
    cases: /^(open to read|open O_CREAT|open O_NOFOLLOW): a fifo$/,
    reason: 'fifos, sockets and devices cannot be opened: nobody is at the other end',
  },
  {
    cases:
      /^(mknod: a (device|fifo) opened|fallocate: of a fifo|read: fsync of everything|flags: of a fifo)$/,
    reason: 'fifos, sockets and devices cannot be opened: nobody is at the other end',
  },
  {
    cases: /^rmdir: that is the current one$/,
    reason: 'a removed directory has forgotten what was above it',
  },
  {
    cases: /^lseek: of a directory$/,
    reason: 'where a directory has a hole is nothing that a program could use',
  },
]

/** Why a case is not asked of the system calls, or may be answered in another way; undefined: it is and may not. */
export function calledOtherwise({ name, steps }: Case): string | undefined {
  const missing = NOT_CALLS.find((each) => steps.some((step) => each.steps.test(step)))
  return (missing ?? CALL_EXCEPTIONS.find(({ cases }) => cases.test(name)))?.reason
}

/** Cases in which tmpfs answers otherwise than ext4: the table tells file systems apart by these, and by no others. */
export const TMPFS_EXCEPTIONS: readonly Exception[] = [
  {
    cases: /^(fallocate (collapse|insert|zero|keep,zero): |set-id bits(,.*)? at:? a zeroed range([:,] |$))/,
    reason: 'tmpfs shifts no ranges, and zeroes none',
  },
  {
    cases:
      /^(fallocate: past the greatest size|truncate: past the greatest size|write: (at|across) the greatest offset|lseek: past the greatest offset)$/,
    reason: 'its files may be larger',
  },
  {
    cases: /^utimensat of: (-2147483649|-2208988800|15032385535\.000000001|15032385536|99999999999)$/,
    reason: 'its times have no bounds',
  },
  {
    cases:
      /^flags: (of a new file|nodump, noatime, sync|immutable|inherited from a directory|by somebody|that are not to be had|ioctls)$/,
    reason: 'it has fewer flags, and what is open stays writable',
  },
  {
    cases:
      /^xattr: (many|in the inode and in a block|growing|too much in all|of the same value in two files)$/,
    reason: 'its attributes take no blocks, and find room',
  },
  {
    cases:
      /^(symlink: blocks of a long one|readdir: (an empty directory|size of a great directory)|write: in every 3rd block)$/,
    reason: 'names, long targets and maps of blocks take no blocks',
  },
  {
    cases: /^(open: a directory to write|lseek: of a directory)$/,
    reason: 'data is not sought in its directories',
  },
]

import type { Case } from './case.js'
import { type Exception, isExcepted } from './exceptions.js'

/** Steps that cannot be made on a mount by fuse-native: cases that have one are left out. */
export const NOT_BY_FUSE_NATIVE: readonly { steps: RegExp; reason: string }[] = [
  { steps: /^as /, reason: 'the mount is for the one user who mounted it' },
  { steps: /^rename2 .*(exchange|whiteout|noreplace)/, reason: 'flags of rename came with FUSE 7.23' },
  { steps: /^(fallocate|extents) /, reason: 'fuse-native does not pass on fallocate' },
  { steps: /^(getflags|setflags|ioctl) /, reason: 'fuse-native does not pass on ioctl' },
  { steps: /^seek .* (data|hole)$/, reason: 'SEEK_DATA and SEEK_HOLE came with FUSE 7.24' },
  { steps: /^(setacl|getacl) /, reason: 'ACLs came with FUSE 7.26' },
  { steps: /^statx /, reason: 'the time of birth came with FUSE 7.39' },
  { steps: /tmpfile/, reason: 'O_TMPFILE came with FUSE 7.37' },
  { steps: /^(map|msync)/, reason: 'files under direct I/O can be mapped shared since FUSE 7.39' },
  {
    steps: /^handle .* cold$/,
    reason: 'libfuse 2 forgets a file with the kernel: its handles are stale then',
  },
]

/** Cases that are answered in another way than by the kernel's ext4, beside those of every mount of ours. */
export const FUSE_NATIVE_EXCEPTIONS: readonly Exception[] = [
  {
    cases:
      /^(rmdir: (that is open|that is the current one|and a new one of the name)|rename: over a directory that is open)$/,
    reason: 'libfuse 2 knows directories by their paths only: one that is open, but gone, is not found',
  },
  {
    cases: /^(symlink: with bytes of every kind|readdir: names of all bytes)$/,
    reason: 'names are handed over as strings: what is not UTF-8 is refused with EILSEQ',
  },
  {
    cases: /^utimensat of: (1\.5|1000000000\.123456789|2147483647\.999999999|-.*)$/,
    reason: 'times are handed over in milliseconds, and none from before 1970 (EOVERFLOW)',
  },
  {
    cases: /^utimensat: (of a link|through a link|of a directory)$/,
    reason: 'times are handed over in milliseconds',
  },
  {
    cases: /^utimensat: omit (atime|mtime)$/,
    reason: 'libfuse 2 does nothing when only one of the times is to change',
  },
  { cases: /^chown: of neither$/, reason: 'libfuse 2 does nothing then' },
  {
    cases: /^handles: of what is gone, but linked$/,
    reason: 'each name of a file is a file of its own in libfuse 2',
  },
]

/** Whether the case is one that can pass there. */
export function isForFuseNative({ name, steps }: Case): boolean {
  const missing = NOT_BY_FUSE_NATIVE.some((each) => steps.some((step) => each.steps.test(step)))
  return (
    !missing && !FUSE_NATIVE_EXCEPTIONS.some(({ cases }) => cases.test(name)) && !isExcepted(name, 'always')
  )
}

import { FsError } from '../../lib/errno.js'
import type { MountOptions } from './machine-options.js'

/** Why an option is not to be had with the front end fuse-native, by the condition that asks for it. */
const REFUSALS: readonly (readonly [asked: (options: MountOptions) => boolean, what: string])[] = [
  [
    ({ allowOther }) => allowOther === true,
    'allow_other: libfuse does not say who calls, so that only the user who mounts may use the mount',
  ],
  [({ dax }) => dax === 'inode', 'dax=inode: libfuse 2 knows one way for all files'],
  [({ type }) => type === 'fuseblk', 'mounts of type fuseblk'],
  [({ idmap }) => idmap.length > 0, 'X-mount.idmap'],
  [({ nosymfollow }) => nosymfollow, 'nosymfollow'],
]

/** Throws FsError EINVAL for options that the front end fuse-native cannot have. */
export function requirePathMountOptions(options: MountOptions): void {
  if (options.frontEnd !== 'fuse-native') return
  const refused = REFUSALS.filter(([asked]) => asked(options)).map(([, what]) => what)
  if (refused.length > 0)
    throw new FsError('EINVAL', `the front end fuse-native has no ${refused.join(', and no ')}`)
}

/** Those of mount(8) that libfuse 2 hands on to the kernel. */
export function pathMountFlags(options: MountOptions): string[] {
  const flags = ['nosuid', 'nodev', 'noexec', 'noatime', 'sync', 'dirsync'] as const
  return flags.filter((flag) => options[flag])
}

import {
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
} from '../../lib/libc.js'
import type { MountOptions } from './machine-options.js'

/** Fields of the options, and the flags of mount(2) that say the same. */
const FLAGS = [
  ['nosuid', MS_NOSUID],
  ['nodev', MS_NODEV],
  ['noexec', MS_NOEXEC],
  ['nosymfollow', MS_NOSYMFOLLOW],
  ['sync', MS_SYNCHRONOUS],
  ['dirsync', MS_DIRSYNC],
  ['noatime', MS_NOATIME],
  ['nodiratime', MS_NODIRATIME],
  ['strictatime', MS_STRICTATIME],
  ['lazytime', MS_LAZYTIME],
] as const

/** The flags of mount(2), MS_*, but for MS_RDONLY: an image may turn out to be read-only unasked. */
export function mountFlags(options: MountOptions): number {
  return FLAGS.reduce((flags, [key, flag]) => (options[key] ? flags | flag : flags), 0)
}

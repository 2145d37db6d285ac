/**
 * The notes that mount(8) and umount(8) keep in /run/mount/utab, libmount's own file: changed only by those programs. Of
 * a mount that it has no note of, umount(8) as root asks statfs(2) alone, which calls all of FUSE `fuse`, and then finds
 * no helper. All of this is root's affair, and no loss where it fails: umount(8) then does not wait.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const UTAB = '/run/mount/utab'

function quietly(program: string, parameters: readonly string[]): void {
  if (process.geteuid?.() === 0) spawnSync(program, parameters, { stdio: 'ignore' })
}

/** Has umount(8) call /sbin/umount.TYPE for a mount: one that is not made again, only noted. */
export function noteUnmountHelper(mount: { source: string; mountpoint: string; type: string }): void {
  const { source, mountpoint, type } = mount
  quietly('mount', ['-i', '--fake', '-t', type, '-o', `uhelper=${type}`, '--', source, mountpoint])
}

/** Takes back the note: the next mount there may be any other's. Does nothing, at the cost of a read, without one. */
export function forgetUnmountHelper(mountpoint: string): void {
  try {
    if (!readFileSync(UTAB, 'utf8').includes(`uhelper=`)) return
  } catch {
    return
  }
  quietly('umount', ['-i', '--fake', '--', mountpoint])
}

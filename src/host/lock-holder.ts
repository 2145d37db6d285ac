import { readFileSync } from 'node:fs'

/** A file as the kernel's lock table names it. */
export interface FileIdentity {
  /** st_dev. */
  dev: number
  ino: number
}

/** A process that holds a lock. */
export interface LockHolder {
  pid: number
  /** Its command name (proc(5), comm), empty when it is not ours to see. */
  command: string
}

/**
 * The processes that hold a flock(2) lock on a file, by /proc/locks. Empty when the table does not tell: the holder
 * lives in another pid namespace or on another host. An open file description lock would not do here: the kernel
 * gives -1 for its owner.
 */
export function lockHolders(file: FileIdentity, table = readTable('/proc/locks')): LockHolder[] {
  return parseLockTable(table, file).map((pid) => ({ pid, command: readTable(`/proc/${pid}/comm`).trim() }))
}

/**
 * Lines of proc(5), /proc/locks: `1: FLOCK  ADVISORY  WRITE 4961 fe:00:2146362 0 EOF`; `->` in the second column marks
 * one that waits. A stacked file system (btrfs, overlayfs) shows another device than stat does, so a match of the
 * inode alone counts when no line has both.
 */
export function parseLockTable(table: string, file: FileIdentity): number[] {
  const exact = new Set<number>()
  const sameInode = new Set<number>()
  for (const line of table.split('\n')) {
    const [, kind, , , owner, place] = line.trim().split(/\s+/)
    const pid = Number(owner)
    if (kind !== 'FLOCK' || place === undefined || !(pid > 0)) continue
    const [major, minor, ino] = place.split(':')
    if (Number(ino) !== file.ino) continue
    sameInode.add(pid)
    if (
      Number.parseInt(`${major}`, 16) === majorOf(file.dev) &&
      Number.parseInt(`${minor}`, 16) === minorOf(file.dev)
    ) {
      exact.add(pid)
    }
  }
  return [...(exact.size > 0 ? exact : sameInode)]
}

/** Linux's dev_t as stat(2) gives it: minor in bits 0-7 and 20-31, major in bits 8-19. */
export function majorOf(dev: number): number {
  return (dev >>> 8) & 0xfff
}

export function minorOf(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00)
}

/** A process may end, and its files with it, while we look. */
function readTable(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/**
 * Idmapped mounts, mount_setattr(2): owners are seen as others, and stored as they were. FUSE has them since Linux 6.12,
 * where the server agrees (FUSE_ALLOW_IDMAP).
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { FsError } from '../../lib/errno.js'
import { cloneMount, MNT_DETACH, moveMount, setMountIdmap, umount2 } from '../../lib/libc.js'
import type { IdMapping } from './machine-options.js'

const run = promisify(execFile)

/** Ids are 32 bits, the last of which names nobody. */
const IDS = 0xffff_ffff

/** A file of a user namespace, user_namespaces(7): ids of the image, ids as they are seen, how many. */
export function idMapFile(mappings: readonly IdMapping[], of: 'uid' | 'gid'): string {
  const own = mappings.filter((mapping) => mapping.of === of || mapping.of === 'both')
  // Nothing said of groups, or of users: they are seen as they are.
  if (own.length === 0) return `0 0 ${IDS}\n`
  return own.map(({ first, seen, count }) => `${first} ${seen} ${count}\n`).join('')
}

/** A file descriptor of a new user namespace with these mappings. Throws EINVAL when they overlap. */
async function openUserNamespace(mappings: readonly IdMapping[]): Promise<number> {
  // A process with threads cannot enter a new one itself, so another has to, and to stay until it is open.
  const holder = spawn('unshare', ['--user', 'sh', '-c', 'echo; read line'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  try {
    await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit').then(failed)])
    for (const kind of ['uid', 'gid'] as const)
      writeFileSync(`/proc/${holder.pid}/${kind}_map`, idMapFile(mappings, kind))
    return openSync(`/proc/${holder.pid}/ns/user`, 'r')
  } finally {
    holder.stdin.end()
  }
}

function failed(): never {
  throw new FsError('EPERM', 'no user namespace is to be had', { syscall: 'unshare' })
}

/** Puts an idmapped mount in the place of the mount at `dir`, which another thread serves. Throws FsError. */
export async function replaceByIdmapped(dir: string, mappings: readonly IdMapping[]): Promise<void> {
  const descriptors: number[] = []
  try {
    const userNamespace = await openUserNamespace(mappings)
    descriptors.push(userNamespace)
    // Answered once INIT is: before it the kernel does not know that the server agrees.
    await run('stat', ['--file-system', '--', dir])
    const mount = cloneMount(dir)
    descriptors.push(mount)
    setMountIdmap(mount, userNamespace)
    umount2(dir, MNT_DETACH)
    moveMount(mount, dir)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FsError('EINVAL', `X-mount.idmap: ${reason} (FUSE has it since Linux 6.12)`, { cause })
  } finally {
    for (const fd of descriptors) closeSync(fd)
  }
}

/** INIT and DESTROY: the connection's own life. */
import { E } from '../../../lib/errno.js'
import { FUSE_KERNEL_VERSION, InitIn, InitInExt, InitOut, MINOR_LEAST, MINOR_MOST } from '../abi/init.js'
import { InitFlags, InitFlags2 } from '../abi/init-flags.js'
import { MAX_WRITE, PAYLOAD } from '../channel.js'
import type { Connection } from '../connection.js'
import type { Request } from '../request.js'

/** Requests that the kernel sends ahead (readahead, asynchronous direct I/O), and from where on it is "congested". */
const MAX_BACKGROUND = 64
const CONGESTION_THRESHOLD = 48

/**
 * Not taken: SECURITY_CTX (no security module labels new files here), *_LOCKS (the kernel keeps locks of one mount
 * itself), AUTO_INVAL_DATA (all changes go through this mount), SPLICE_* (no splice(2)).
 */
const WANTED =
  InitFlags.ASYNC_READ |
  InitFlags.ATOMIC_O_TRUNC |
  InitFlags.EXPORT_SUPPORT |
  InitFlags.BIG_WRITES |
  InitFlags.DONT_MASK |
  InitFlags.DO_READDIRPLUS |
  InitFlags.READDIRPLUS_AUTO |
  InitFlags.ASYNC_DIO |
  InitFlags.PARALLEL_DIROPS |
  InitFlags.POSIX_ACL |
  InitFlags.ABORT_ERROR |
  InitFlags.MAX_PAGES |
  InitFlags.CACHE_SYMLINKS |
  InitFlags.NO_OPENDIR_SUPPORT |
  InitFlags.EXPLICIT_INVAL_DATA |
  InitFlags.HANDLE_KILLPRIV_V2 |
  InitFlags.SETXATTR_EXT |
  InitFlags.INIT_EXT

const PAGE_SIZE = 4096

export function init(connection: Connection, request: Request): number {
  const { view, at } = request
  const { reply } = connection
  const major = InitIn.major.get(view, at)
  const minor = InitIn.minor.get(view, at)
  if (major < FUSE_KERNEL_VERSION || (major === FUSE_KERNEL_VERSION && minor < MINOR_LEAST)) return -E.EPROTO
  connection.replyBytes.fill(0, PAYLOAD, PAYLOAD + InitOut.SIZE)
  InitOut.major.set(reply, PAYLOAD, FUSE_KERNEL_VERSION)
  InitOut.minor.set(reply, PAYLOAD, MINOR_MOST)
  // A kernel of a later major version sends INIT again, in our version's form.
  if (major > FUSE_KERNEL_VERSION) return InitOut.SIZE

  const offered = InitIn.flags.get(view, at)
  const flags = offered & wantedOf(connection)
  const extended = (flags & InitFlags.INIT_EXT) !== 0 && request.length >= at + InitInExt.SIZE
  const flags2 = extended ? InitInExt.flags2.get(view, at) & InitFlags2.DIRECT_IO_ALLOW_MMAP : 0
  connection.minor = Math.min(minor, MINOR_MOST)
  connection.writebackCache = (flags & InitFlags.WRITEBACK_CACHE) !== 0
  connection.setxattrExt = (flags & InitFlags.SETXATTR_EXT) !== 0
  connection.noOpendir = (flags & InitFlags.NO_OPENDIR_SUPPORT) !== 0
  InitOut.minor.set(reply, PAYLOAD, connection.minor)
  InitOut.max_readahead.set(reply, PAYLOAD, InitIn.max_readahead.get(view, at))
  InitOut.flags.set(reply, PAYLOAD, flags)
  InitOut.flags2.set(reply, PAYLOAD, flags2)
  InitOut.max_background.set(reply, PAYLOAD, MAX_BACKGROUND)
  InitOut.congestion_threshold.set(reply, PAYLOAD, CONGESTION_THRESHOLD)
  InitOut.max_write.set(reply, PAYLOAD, MAX_WRITE)
  InitOut.max_pages.set(reply, PAYLOAD, MAX_WRITE / PAGE_SIZE)
  InitOut.time_gran.set(reply, PAYLOAD, connection.fs.timeGranularity ?? 1)
  return InitOut.SIZE
}

function wantedOf({ dax, acl }: Connection): number {
  const wanted = dax === 'never' ? WANTED | InitFlags.WRITEBACK_CACHE : WANTED
  return acl ? wanted : wanted & ~InitFlags.POSIX_ACL
}

/** Sent for fuseblk mounts only; umount(2) waits for the reply. */
export function destroy(connection: Connection): Promise<void> {
  return connection.destroy()
}

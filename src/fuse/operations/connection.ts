/** INIT and DESTROY: the connection's own life. */
import { E } from '../../../lib/errno.js'
import { FUSE_KERNEL_VERSION, InitIn, InitInExt, InitOut, MINOR_LEAST, MINOR_MOST } from '../abi/init.js'
import { hasFlag } from '../abi/init-flags.js'
import { MAX_WRITE, PAYLOAD } from '../channel.js'
import type { Connection } from '../connection.js'
import { negotiate } from '../negotiation.js'
import type { Request } from '../request.js'

/** Requests that the kernel sends ahead (readahead, asynchronous direct I/O), and from where on it is "congested". */
const MAX_BACKGROUND = 64
const CONGESTION_THRESHOLD = 48

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

  const low = InitIn.flags.get(view, at)
  const extended = hasFlag({ low, high: 0 }, 'INIT_EXT') && request.length >= at + InitInExt.SIZE
  const offered = { low, high: extended ? InitInExt.flags2.get(view, at) : 0 }
  const flags = negotiate(offered, connection)
  connection.minor = Math.min(minor, MINOR_MOST)
  connection.writebackCache = hasFlag(flags, 'WRITEBACK_CACHE')
  connection.setxattrExt = hasFlag(flags, 'SETXATTR_EXT')
  connection.noOpendir = hasFlag(flags, 'NO_OPENDIR_SUPPORT')
  InitOut.minor.set(reply, PAYLOAD, connection.minor)
  InitOut.max_readahead.set(reply, PAYLOAD, InitIn.max_readahead.get(view, at))
  InitOut.flags.set(reply, PAYLOAD, flags.low)
  InitOut.flags2.set(reply, PAYLOAD, flags.high)
  InitOut.max_background.set(reply, PAYLOAD, MAX_BACKGROUND)
  InitOut.congestion_threshold.set(reply, PAYLOAD, CONGESTION_THRESHOLD)
  InitOut.max_write.set(reply, PAYLOAD, MAX_WRITE)
  InitOut.max_pages.set(reply, PAYLOAD, MAX_WRITE / PAGE_SIZE)
  InitOut.time_gran.set(reply, PAYLOAD, connection.fs.timeGranularity ?? 1)
  return InitOut.SIZE
}

/** Sent for fuseblk mounts only; umount(2) waits for the reply. */
export function destroy(connection: Connection): Promise<void> {
  return connection.destroy()
}

/** What makes things durable. The reply leaves when it is so; other requests are served meanwhile. */
import { FsyncIn, FUSE_FSYNC_FDATASYNC } from '../abi/file.js'
import type { Connection } from '../connection.js'
import type { Request } from '../request.js'

/** FSYNC and FSYNCDIR. The kernel has written back and waited for its cached pages before. */
export function fsync(connection: Connection, request: Request): number | Promise<void> {
  const flags = FsyncIn.fsync_flags.get(request.view, request.at)
  return connection.fs.fsync(request.ino, (flags & FUSE_FSYNC_FDATASYNC) !== 0) ?? 0
}

/** sync(2) and syncfs(2); sent for fuseblk mounts only. */
export function syncfs(connection: Connection): number | Promise<void> {
  return connection.fs.syncfs() ?? 0
}

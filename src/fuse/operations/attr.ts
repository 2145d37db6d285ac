/** Attributes of inodes and of the file system. */
import { type AttributeChange, S_IFDIR, S_IFMT } from '../../guest/vfs/attributes.js'
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_CTIME,
  FATTR_FH,
  FATTR_GID,
  FATTR_KILL_SUIDGID,
  FATTR_LOCKOWNER,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  SetattrIn,
  StatfsOut,
} from '../abi/attr.js'
import { encodeAttrOut, encodeStatx } from '../attributes.js'
import { PAYLOAD } from '../channel.js'
import type { Connection } from '../connection.js'
import type { Request } from '../request.js'
import { knowMembership } from './file.js'

export function getattr(connection: Connection, request: Request): number {
  return encodeAttrOut(connection.reply, PAYLOAD, connection.fs.getattr(request.ino))
}

export function statx(connection: Connection, request: Request): number {
  const attributes = connection.fs.getattr(request.ino)
  return encodeStatx(connection.replyBytes, connection.reply, PAYLOAD, attributes)
}

/** What a struct fuse_setattr_in at `at` asks for. */
function attributeChange(view: DataView, at: number): AttributeChange {
  const valid = SetattrIn.valid.get(view, at)
  const change: AttributeChange = {}
  if (valid & FATTR_MODE) change.mode = SetattrIn.mode.get(view, at) & 0o7777
  if (valid & FATTR_UID) change.uid = SetattrIn.uid.get(view, at)
  if (valid & FATTR_GID) change.gid = SetattrIn.gid.get(view, at)
  if (valid & FATTR_SIZE) change.size = SetattrIn.size.get(view, at)
  if (valid & FATTR_ATIME_NOW) change.atime = 'now'
  else if (valid & FATTR_ATIME) {
    change.atime = { sec: SetattrIn.atime.get(view, at), nsec: SetattrIn.atimensec.get(view, at) }
  }
  if (valid & FATTR_MTIME_NOW) change.mtime = 'now'
  else if (valid & FATTR_MTIME) {
    change.mtime = { sec: SetattrIn.mtime.get(view, at), nsec: SetattrIn.mtimensec.get(view, at) }
  }
  if (valid & FATTR_CTIME) {
    change.ctime = { sec: SetattrIn.ctime.get(view, at), nsec: SetattrIn.ctimensec.get(view, at) }
  }
  // chown(-1, -1) comes as a change of nothing.
  if (valid & FATTR_KILL_SUIDGID || (valid & ~(FATTR_FH | FATTR_LOCKOWNER | FATTR_CTIME)) === 0) {
    change.killPrivileges = true
  }
  return change
}

export function setattr(connection: Connection, request: Request): number | Promise<void> {
  const { fs } = connection
  const change = attributeChange(request.view, request.at)
  if (change.killPrivileges) knowMembership(connection, request.ino, request)
  const wait = fs.setattr(request.ino, change)
  if (wait !== undefined) return wait
  const attributes = fs.getattr(request.ino)
  // By relatime the next reading of a directory has to be seen here, and so must not be answered from a cache.
  if ((attributes.mode & S_IFMT) === S_IFDIR) connection.dropEntries(request.ino)
  return encodeAttrOut(connection.reply, PAYLOAD, attributes)
}

export function statfs(connection: Connection, request: Request): number {
  const { reply } = connection
  const stat = connection.fs.statfs(request.ino)
  connection.replyBytes.fill(0, PAYLOAD, PAYLOAD + StatfsOut.SIZE)
  StatfsOut.blocks.set(reply, PAYLOAD, stat.blocks)
  StatfsOut.bfree.set(reply, PAYLOAD, stat.blocksFree)
  StatfsOut.bavail.set(reply, PAYLOAD, stat.blocksAvailable)
  StatfsOut.files.set(reply, PAYLOAD, stat.files)
  StatfsOut.ffree.set(reply, PAYLOAD, stat.filesFree)
  StatfsOut.bsize.set(reply, PAYLOAD, stat.blockSize)
  StatfsOut.frsize.set(reply, PAYLOAD, stat.blockSize)
  StatfsOut.namelen.set(reply, PAYLOAD, stat.nameMax)
  return StatfsOut.SIZE
}

export function readlink(connection: Connection, request: Request): number {
  const target = connection.fs.readlink(request.ino)
  connection.replyBytes.set(target, PAYLOAD)
  connection.accessed = request.ino
  return target.length
}

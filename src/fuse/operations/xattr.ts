/** Extended attributes. POSIX ACLs are among them: the kernel checks them (POSIX_ACL), the file system keeps them. */
import { E, FsError } from '../../../lib/errno.js'
import { XATTR_ACL_KILL_SGID, XATTR_CREATE, XATTR_REPLACE } from '../../guest/vfs/xattr.js'
import {
  FUSE_SETXATTR_ACL_KILL_SGID,
  GetxattrIn,
  GetxattrOut,
  SetxattrIn,
  SetxattrInExt,
} from '../abi/xattr.js'
import { PAYLOAD } from '../channel.js'
import type { Connection } from '../connection.js'
import type { Request } from '../request.js'

/** ENODATA is the common answer, asked for every file that is run or listed: it is told without an exception. */
export function getxattr(connection: Connection, request: Request): number {
  const value = connection.fs.getxattr(request.ino, request.string(request.at + GetxattrIn.SIZE))
  return value === undefined ? -E.ENODATA : reply(connection, request, value)
}

export function listxattr(connection: Connection, request: Request): number {
  return reply(connection, request, connection.fs.listxattr(request.ino))
}

/** The bytes, or only their number where no room was offered for them. */
function reply(connection: Connection, request: Request, bytes: Uint8Array): number {
  const room = GetxattrIn.size.get(request.view, request.at)
  if (room === 0) {
    connection.replyBytes.fill(0, PAYLOAD, PAYLOAD + GetxattrOut.SIZE)
    GetxattrOut.size.set(connection.reply, PAYLOAD, bytes.length)
    return GetxattrOut.SIZE
  }
  if (bytes.length > room) return -E.ERANGE
  connection.replyBytes.set(bytes, PAYLOAD)
  return bytes.length
}

/** A value may take a block: the kernel keeps the count of them, and all attributes with the write-back cache. */
export function setxattr(connection: Connection, request: Request): number {
  const { view, at, ino } = request
  const { setxattrExt } = connection
  const nameAt = at + (setxattrExt ? SetxattrInExt.SIZE : SetxattrIn.SIZE)
  const name = request.string(nameAt)
  const from = nameAt + name.length + 1
  const to = from + SetxattrIn.size.get(view, at)
  if (to > request.length) throw new FsError('EINVAL', `request of ${request.length} bytes, need ${to}`)
  let flags = SetxattrIn.flags.get(view, at) & (XATTR_CREATE | XATTR_REPLACE)
  if (setxattrExt && SetxattrInExt.setxattr_flags.get(view, at) & FUSE_SETXATTR_ACL_KILL_SGID) {
    flags |= XATTR_ACL_KILL_SGID
  }
  connection.staleAttributes = ino
  connection.fs.setxattr(ino, name, request.bytes.subarray(from, to), flags)
  return 0
}

export function removexattr(connection: Connection, request: Request): number {
  connection.staleAttributes = request.ino
  connection.fs.removexattr(request.ino, request.string(request.at))
  return 0
}

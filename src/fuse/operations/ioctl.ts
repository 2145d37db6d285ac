/** Ioctls. The kernel has checked who may ask (owner, CAP_LINUX_IMMUTABLE), and hands over the plain structures. */
import { E } from '../../../lib/errno.js'
import { withXflags, xflagsOf } from '../../guest/vfs/file-attr.js'
import { IoctlIn } from '../abi/file.js'
import {
  FITRIM,
  FS_IOC_FSGETXATTR,
  FS_IOC_FSSETXATTR,
  FS_IOC_GETFLAGS,
  FS_IOC_GETVERSION,
  FS_IOC_SETFLAGS,
  Fsxattr,
  IoctlOut,
} from '../abi/ioctl.js'
import { PAYLOAD } from '../channel.js'
import type { Connection } from '../connection.js'
import type { Request } from '../request.js'

/** Where what the ioctl returns begins. */
const OUT = PAYLOAD + IoctlOut.SIZE

export function ioctlChanges(_: Connection, request: Request): boolean {
  const command = IoctlIn.cmd.get(request.view, request.at)
  return command === FS_IOC_SETFLAGS || command === FS_IOC_FSSETXATTR
}

export function ioctl(connection: Connection, request: Request): number {
  const { view, at, ino } = request
  const { fs, reply } = connection
  switch (IoctlIn.cmd.get(view, at)) {
    case FS_IOC_GETFLAGS:
      reply.setUint32(OUT, fs.getFileAttr(ino).flags, true)
      return answer(connection, request, 4)
    case FS_IOC_SETFLAGS:
      return setFlags(connection, request)
    case FS_IOC_GETVERSION:
      reply.setUint32(OUT, fs.getattr(ino).generation, true)
      return answer(connection, request, 4)
    case FS_IOC_FSGETXATTR: {
      const { flags, projectId } = fs.getFileAttr(ino)
      connection.replyBytes.fill(0, OUT, OUT + Fsxattr.SIZE)
      Fsxattr.fsx_xflags.set(reply, OUT, xflagsOf(flags))
      Fsxattr.fsx_projid.set(reply, OUT, projectId)
      return answer(connection, request, Fsxattr.SIZE)
    }
    case FS_IOC_FSSETXATTR:
      return setXflags(connection, request)
    case FITRIM:
      // A virtio-pmem disk cannot discard.
      return -E.EOPNOTSUPP
    default:
      return -E.ENOTTY
  }
}

/** The argument of an ioctl that takes `size` bytes; -1 when they are not all there. */
function argument({ view, at, length }: Request, size: number): number {
  const from = at + IoctlIn.SIZE
  return IoctlIn.in_size.get(view, at) < size || from + size > length ? -1 : from
}

function setFlags(connection: Connection, request: Request): number {
  const from = argument(request, 4)
  if (from < 0) return -E.EINVAL
  const { projectId } = connection.fs.getFileAttr(request.ino)
  connection.staleAttributes = request.ino
  connection.fs.setFileAttr(request.ino, { flags: request.view.getUint32(from, true), projectId })
  return answer(connection, request, 0)
}

function setXflags(connection: Connection, request: Request): number {
  const from = argument(request, Fsxattr.SIZE)
  if (from < 0) return -E.EINVAL
  const old = connection.fs.getFileAttr(request.ino)
  const flags = withXflags(old.flags, Fsxattr.fsx_xflags.get(request.view, from))
  if (flags === undefined) return -E.EOPNOTSUPP
  connection.staleAttributes = request.ino
  connection.fs.setFileAttr(request.ino, { flags, projectId: Fsxattr.fsx_projid.get(request.view, from) })
  return answer(connection, request, 0)
}

/** Success with `size` bytes, as many as the caller has room for; those that it has more are zero. */
function answer(connection: Connection, request: Request, size: number): number {
  const room = IoctlIn.out_size.get(request.view, request.at)
  connection.replyBytes.fill(0, PAYLOAD, OUT)
  const most = Math.min(room, Fsxattr.SIZE)
  if (most > size) connection.replyBytes.fill(0, OUT + size, OUT + most)
  return IoctlOut.SIZE + most
}

/** Ioctls. The kernel has checked who may ask (owner, CAP_LINUX_IMMUTABLE), and hands over the plain structures. */
import { E, FsError } from '../../../lib/errno.js'
import { withXflags, xflagsOf } from '../../guest/vfs/file-attr.js'
import type { TrimRange } from '../../guest/vfs/file-system.js'
import { IoctlIn } from '../abi/file.js'
import {
  EXT4_IOC_SHUTDOWN,
  FITRIM,
  FS_IOC_FSGETXATTR,
  FS_IOC_FSSETXATTR,
  FS_IOC_GETFLAGS,
  FS_IOC_GETFSLABEL,
  FS_IOC_GETVERSION,
  FS_IOC_SETFLAGS,
  FS_IOC_SETFSLABEL,
  FSLABEL_MAX,
  FstrimRange,
  Fsxattr,
  IoctlOut,
  SHUTDOWN_MODES,
} from '../abi/ioctl.js'
import { PAYLOAD } from '../channel.js'
import type { Connection } from '../connection.js'
import type { Request } from '../request.js'

/** Where what the ioctl returns begins. */
const OUT = PAYLOAD + IoctlOut.SIZE

export function ioctlChanges(_: Connection, request: Request): boolean {
  const command = IoctlIn.cmd.get(request.view, request.at)
  return command === FS_IOC_SETFLAGS || command === FS_IOC_FSSETXATTR || command === FS_IOC_SETFSLABEL
}

export function ioctl(connection: Connection, request: Request): number | Promise<unknown> {
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
    case FS_IOC_GETFSLABEL: {
      const label = fs.getLabel()
      connection.replyBytes.fill(0, OUT, OUT + FSLABEL_MAX)
      connection.replyBytes.set(label, OUT)
      return answer(connection, request, FSLABEL_MAX)
    }
    case FS_IOC_SETFSLABEL:
      return setLabel(connection, request)
    case EXT4_IOC_SHUTDOWN:
      return shutDown(connection, request)
    case FITRIM:
      return fitrim(connection, request)
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

/** The kernel leaves it to us who may: CAP_SYS_ADMIN, which is not told, so root. */
function fitrim(connection: Connection, request: Request): number | Promise<TrimRange> {
  if (request.uid !== 0) return -E.EPERM
  const from = argument(request, FstrimRange.SIZE)
  if (from < 0) return -E.EINVAL
  return connection.fs.trim({
    start: FstrimRange.start.get(request.view, from),
    length: FstrimRange.len.get(request.view, from),
    least: FstrimRange.minlen.get(request.view, from),
  })
}

function setLabel(connection: Connection, request: Request): number {
  if (request.uid !== 0) return -E.EPERM
  const from = argument(request, FSLABEL_MAX)
  if (from < 0) return -E.EINVAL
  const bytes = request.bytes.subarray(from, from + FSLABEL_MAX)
  const end = bytes.indexOf(0)
  connection.fs.setLabel(end < 0 ? bytes : bytes.subarray(0, end))
  return answer(connection, request, 0)
}

/**
 * The direction that is coded in its number makes the kernel hand over no argument, only where it lies in the
 * caller's memory.
 */
function shutDown(connection: Connection, request: Request): number | Promise<void> {
  if (request.uid !== 0) return -E.EPERM
  const { callerMemory, fs } = connection
  if (callerMemory === undefined) return fs.shutDown('nologflush')
  const flags = callerMemory(request.pid, IoctlIn.arg.get(request.view, request.at), 4)
  return flags.then((bytes) => {
    const mode = SHUTDOWN_MODES[new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)]
    if (mode === undefined) throw new FsError('EINVAL', 'flags of EXT4_IOC_SHUTDOWN')
    return fs.shutDown(mode)
  })
}

/** Ends those that take their time: FITRIM with an answer, EXT4_IOC_SHUTDOWN without. */
export function ioctlDone(connection: Connection, _: Request, value: unknown): number {
  if (value === undefined) {
    connection.replyBytes.fill(0, PAYLOAD, OUT)
    return IoctlOut.SIZE
  }
  const { start, length, least } = value as TrimRange
  const { reply } = connection
  connection.replyBytes.fill(0, PAYLOAD, OUT)
  FstrimRange.start.set(reply, OUT, start)
  FstrimRange.len.set(reply, OUT, length)
  FstrimRange.minlen.set(reply, OUT, least)
  return IoctlOut.SIZE + FstrimRange.SIZE
}

/** Success with `size` bytes, as many as the caller has room for; those that it has more are zero. */
function answer(connection: Connection, request: Request, size: number): number {
  const room = IoctlIn.out_size.get(request.view, request.at)
  connection.replyBytes.fill(0, PAYLOAD, OUT)
  const most = Math.min(room, Math.max(size, Fsxattr.SIZE))
  if (most > size) connection.replyBytes.fill(0, OUT + size, OUT + most)
  return IoctlOut.SIZE + most
}

/** What unix sockets carry beside bytes, unix(7): file descriptors, and datagrams, for which Node has no socket. */
import { E, FsError } from './errno.js'
import { layout, le32, le64 } from './layout.js'
import {
  AF_UNIX,
  closeDescriptor,
  datagramSocket,
  mapAnonymous,
  PAGE_SIZE,
  recvmsgRaw,
  sendtoRaw,
  systemError,
} from './libc.js'

/** Bytes of sun_path in struct sockaddr_un. */
const UNIX_PATH_MAX = 108

/** struct msghdr, struct iovec and struct cmsghdr of 64-bit systems, one behind the other, and a byte of data. */
const Message = layout('descriptor_message', 112, {
  msg_iov: le64(16),
  msg_iovlen: le64(24),
  msg_control: le64(32),
  msg_controllen: le64(40),
  iov_base: le64(56),
  iov_len: le64(64),
  cmsg_len: le64(72),
  cmsg_level: le32(80),
  cmsg_type: le32(84),
  descriptor: le32(88),
  data: le64(104),
})
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
/** CMSG_SPACE and CMSG_LEN of one int. */
const CONTROL_SPACE = 24
const CONTROL_LENGTH = 20

/**
 * Waits for a file descriptor that comes over a unix socket (SCM_RIGHTS, unix(7)) with a byte of data. Undefined when
 * the other end closed instead, or sent data alone. The descriptor is the caller's; it is closed on exec.
 */
export function receiveDescriptor(socket: number): number | undefined {
  const memory = mapAnonymous(PAGE_SIZE)
  try {
    const view = new DataView(memory.view())
    Message.msg_iov.set(view, 0, memory.address + Message.iov_base.offset)
    Message.msg_iovlen.set(view, 0, 1)
    Message.msg_control.set(view, 0, memory.address + Message.cmsg_len.offset)
    Message.msg_controllen.set(view, 0, CONTROL_SPACE)
    Message.iov_base.set(view, 0, memory.address + Message.data.offset)
    Message.iov_len.set(view, 0, 1)
    let count: number
    do count = recvmsgRaw(socket, memory.address)
    while (count === -E.EINTR)
    if (count < 0) throw systemError(-count, 'recvmsg')
    const received =
      Message.msg_controllen.get(view, 0) >= CONTROL_LENGTH &&
      Message.cmsg_level.get(view, 0) === SOL_SOCKET &&
      Message.cmsg_type.get(view, 0) === SCM_RIGHTS
    return received ? Message.descriptor.get(view, 0) : undefined
  } finally {
    memory.unmap()
  }
}

/** Sends one datagram to the unix socket at `path`; `@` in front stands for the abstract namespace, unix(7). */
export function sendDatagram(path: string, text: string): void {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path)
  if (name.length >= UNIX_PATH_MAX) throw new FsError('ENAMETOOLONG', `socket '${path}'`, { path })
  // struct sockaddr_un: the family in two bytes, then the name. An abstract name ends where the address ends.
  const address = Buffer.concat([Uint8Array.of(AF_UNIX, 0), name])
  const fd = datagramSocket()
  try {
    const sent = sendtoRaw(fd, Buffer.from(text), address)
    if (sent < 0) throw systemError(-sent, 'sendto', path)
  } finally {
    closeDescriptor(fd)
  }
}

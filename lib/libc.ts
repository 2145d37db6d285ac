/**
 * The C library of Linux (x86-64 and aarch64, glibc or musl), as far as Node has no name for it: memory mappings,
 * calls on raw addresses, locks, eventfd, poll, mount, descriptors and datagrams over unix sockets. The only file that
 * makes foreign calls.
 *
 * Addresses are numbers: user addresses are below 2^47. Functions named `…Raw` and {@link poll} return `-errno`
 * and never throw; all others throw {@link FsError} with `code` and `syscall`. The module may be imported by any
 * number of worker threads; addresses and file descriptors are the process's and may be passed between them.
 */
import koffi from 'koffi'
import { type ErrorCode, errnoName, FsError } from './errno.js'

const library = koffi.load(null)

const libc = {
  mmap: library.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)'),
  munmap: library.func('int munmap(uintptr_t, size_t)'),
  madvise: library.func('int madvise(uintptr_t, size_t, int)'),
  msync: library.func('int msync(uintptr_t, size_t, int)'),
  read: library.func('long read(int, uintptr_t, size_t)'),
  writev: library.func('long writev(int, uintptr_t, int)'),
  pwrite: library.func('long pwrite(int, uintptr_t, size_t, int64_t)'),
  pread: library.func('long pread(int, uintptr_t, size_t, int64_t)'),
  lseek: library.func('int64_t lseek(int, int64_t, int)'),
  fdatasync: library.func('int fdatasync(int)'),
  dup: library.func('int dup(int)'),
  flock: library.func('int flock(int, int)'),
  fcntl: library.func('int fcntl(int, int, int)'),
  fallocate: library.func('int fallocate(int, int, int64_t, int64_t)'),
  close: library.func('int close(int)'),
  eventfd: library.func('int eventfd(unsigned int, int)'),
  eventfdWrite: library.func('int eventfd_write(int, uint64_t)'),
  eventfdRead: library.func('int eventfd_read(int, void *)'),
  sched_yield: library.func('int sched_yield()'),
  poll: library.func('int poll(void *, unsigned long, int)'),
  mount: library.func('int mount(const char *, const char *, const char *, unsigned long, const char *)'),
  umount2: library.func('int umount2(const char *, int)'),
  /** For calls that the library has no function for, as musl and older versions of glibc. */
  syscall: library.func('long syscall(long, ...)'),
  socketpair: library.func('int socketpair(int, int, int, void *)'),
  socket: library.func('int socket(int, int, int)'),
  sendto: library.func('long sendto(int, void *, size_t, int, void *, unsigned int)'),
  recvmsg: library.func('long recvmsg(int, uintptr_t, int)'),
  getpagesize: library.func('int getpagesize()'),
}

const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 0x01
const MAP_PRIVATE = 0x02
const MAP_ANONYMOUS = 0x20
const MAP_NORESERVE = 0x4000

export const MADV_DONTNEED = 4
/** Linux 5.14: takes the write faults of a whole range at once. */
export const MADV_POPULATE_WRITE = 23

const MS_SYNC = 4

const SEEK_END = 2
const SEEK_HOLE = 4

export const LOCK_SH = 1
export const LOCK_EX = 2
const LOCK_NB = 4
export const LOCK_UN = 8

const FD_CLOEXEC = 1
const F_SETFD = 2
const F_GETFL = 3
const F_SETFL = 4
const O_NONBLOCK = 0x800
const FALLOC_FL_KEEP_SIZE = 0x01
const FALLOC_FL_PUNCH_HOLE = 0x02

const EFD_NONBLOCK = 0x800
const EFD_CLOEXEC = 0x80000

export const POLLIN = 0x1
export const POLLERR = 0x8
export const POLLHUP = 0x10

/** Flags of mount(2). */
export const MS_RDONLY = 0x1
export const MS_NOSUID = 0x2
export const MS_NODEV = 0x4
export const MS_NOEXEC = 0x8
export const MS_SYNCHRONOUS = 0x10
export const MS_DIRSYNC = 0x80
export const MS_NOSYMFOLLOW = 0x100
export const MS_NOATIME = 0x400
export const MS_NODIRATIME = 0x800
export const MS_STRICTATIME = 0x1000000
export const MS_LAZYTIME = 0x2000000

export const MNT_FORCE = 1
export const MNT_DETACH = 2

export const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0x80000
const MSG_CMSG_CLOEXEC = 0x4000_0000

/** Bytes of a page of the host's memory (4096 to 65536). */
export const PAGE_SIZE: number = libc.getpagesize()

/** The error of the call that this thread made last. */
function lastError(syscall: string, path?: string): FsError {
  return systemError(koffi.errno(), syscall, path)
}

/** An FsError for a positive `errno`; EIO, with the number in its message, when the number has no name here. */
export function systemError(errno: number, syscall: string, path?: string): FsError {
  const code: ErrorCode | undefined = errnoName(errno)
  const message = `${code ?? `errno ${errno}`}, ${syscall}${path === undefined ? '' : ` '${path}'`}`
  return new FsError(code ?? 'EIO', message, path === undefined ? { syscall } : { syscall, path })
}

/**
 * Memory at an address of this process, without a copy, and without a check: the caller knows that it is mapped, and
 * for how long. At most 4 GiB (more aborts Node 20). Works for an address that another thread mapped.
 */
export function viewAddress(address: number, length: number): ArrayBuffer {
  if (!(address > 0 && length > 0 && length <= 0x1_0000_0000)) {
    throw new RangeError(`view of ${length} bytes at ${address}`)
  }
  return koffi.view(address, length)
}

/** Views that together cover `length` bytes at `address`, each but the last of {@link Mapping.SEGMENT_SIZE} bytes. */
export function viewSegments(address: number, length: number): ArrayBuffer[] {
  const segments: ArrayBuffer[] = []
  for (let offset = 0; offset < length; offset += Mapping.SEGMENT_SIZE) {
    segments.push(viewAddress(address + offset, Math.min(length - offset, Mapping.SEGMENT_SIZE)))
  }
  return segments
}

/**
 * A memory mapping. Its views stay usable until {@link unmap}; a view used after that is a segmentation fault, so
 * whoever unmaps has first dropped every reader and writer.
 */
export class Mapping {
  static readonly SEGMENT_SIZE = 0x8000_0000
  readonly address: number
  /** Bytes. */
  readonly length: number
  #mapped = true

  constructor(address: number, length: number) {
    this.address = address
    this.length = length
  }

  get mapped(): boolean {
    return this.#mapped
  }

  /** Throws RangeError past the mapping, for more than 4 GiB, and after {@link unmap}. */
  view(offset = 0, length = this.length - offset): ArrayBuffer {
    this.#check(offset, length)
    return viewAddress(this.address + offset, length)
  }

  segments(): ArrayBuffer[] {
    this.#check(0, this.length)
    return viewSegments(this.address, this.length)
  }

  /** madvise(2). `offset` is a multiple of {@link PAGE_SIZE}. */
  advise(advice: number, offset = 0, length = this.length - offset): void {
    this.#check(offset, length)
    madvise(this.address + offset, length, advice)
  }

  /** msync(2) with MS_SYNC. `offset` is a multiple of {@link PAGE_SIZE}. */
  sync(offset = 0, length = this.length - offset): void {
    this.#check(offset, length)
    if (libc.msync(this.address + offset, length, MS_SYNC) !== 0) throw lastError('msync')
  }

  /** Does nothing when already unmapped. */
  unmap(): void {
    if (!this.#mapped) return
    this.#mapped = false
    if (libc.munmap(this.address, this.length) !== 0) throw lastError('munmap')
  }

  #check(offset: number, length: number): void {
    if (!this.#mapped || !(offset >= 0 && length >= 0 && offset + length <= this.length)) {
      const state = this.#mapped ? `mapping of ${this.length} bytes` : 'mapping that was unmapped'
      throw new RangeError(`range ${offset}+${length} outside the ${state}`)
    }
  }
}

export interface FileMappingOptions {
  /** Stores reach the file (MAP_SHARED); else they stay in this mapping (MAP_PRIVATE). */
  shared: boolean
  /** Stores are allowed. A private mapping may be writable over a file opened for reading. */
  writable: boolean
  /** Bytes into the file, a multiple of {@link PAGE_SIZE}. */
  offset?: number
}

/** Maps `length` bytes of an open file. Private memory is not reserved in advance. */
export function mapFile(fd: number, length: number, options: FileMappingOptions): Mapping {
  const protection = options.writable ? PROT_READ | PROT_WRITE : PROT_READ
  const flags = options.shared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE
  return map(length, protection, flags, fd, options.offset ?? 0)
}

/** Maps `length` bytes of zeroed memory; every thread of the process sees it. */
export function mapAnonymous(length: number): Mapping {
  return map(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
}

function map(length: number, protection: number, flags: number, fd: number, offset: number): Mapping {
  const address: number | bigint = libc.mmap(0, length, protection, flags, fd, offset)
  if (typeof address === 'bigint') throw lastError('mmap')
  return new Mapping(address, length)
}

export function madvise(address: number, length: number, advice: number): void {
  if (libc.madvise(address, length, advice) !== 0) throw lastError('madvise')
}

/** read(2) into `address`: bytes read, 0 at the end, or -errno. */
export function readRaw(fd: number, address: number, length: number): number {
  const count: number = libc.read(fd, address, length)
  return count < 0 ? -koffi.errno() : count
}

/** writev(2) of `count` struct iovec (u64 base, u64 length) at `iovAddress`: bytes written, or -errno. */
export function writevRaw(fd: number, iovAddress: number, count: number): number {
  const written: number = libc.writev(fd, iovAddress, count)
  return written < 0 ? -koffi.errno() : written
}

/** pwrite(2) from `address` to `offset` of the file: bytes written (may be less than `length`), or -errno. */
export function pwriteRaw(fd: number, address: number, length: number, offset: number): number {
  const written: number = libc.pwrite(fd, address, length, offset)
  return written < 0 ? -koffi.errno() : written
}

/** sched_yield(2): lets others that wait for this processor run first. */
export function schedYield(): void {
  libc.sched_yield()
}

/** lseek(2) to the end: the length of the file in bytes, or -errno. Moves the descriptor's offset. */
export function seekEndRaw(fd: number): number {
  const end = Number(libc.lseek(fd, 0, SEEK_END))
  return end < 0 ? -koffi.errno() : end
}

/** Where the first hole at or after `offset` begins, the file's end when there is none, lseek(2); or -errno. */
export function seekHoleRaw(fd: number, offset: number): number {
  const hole = Number(libc.lseek(fd, offset, SEEK_HOLE))
  return hole < 0 ? -koffi.errno() : hole
}

/** pread(2) to `address` from `offset` of the file: bytes read, 0 at the end, or -errno. */
export function preadRaw(fd: number, address: number, length: number, offset: number): number {
  const count: number = libc.pread(fd, address, length, offset)
  return count < 0 ? -koffi.errno() : count
}

/** fdatasync(2): 0, or -errno. Blocks the thread. */
export function fdatasyncRaw(fd: number): number {
  return libc.fdatasync(fd) === 0 ? 0 : -koffi.errno()
}

/** flock(2) without waiting: `false` when another open file holds a lock that conflicts. */
export function tryFlock(fd: number, operation: number): boolean {
  if (libc.flock(fd, operation | LOCK_NB) === 0) return true
  const error = lastError('flock')
  if (error.code === 'EAGAIN') return false
  throw error
}

/** Sets FD_CLOEXEC (fcntl F_SETFD), or clears it so that a child process inherits `fd`. */
export function setCloseOnExec(fd: number, closed = true): void {
  if (libc.fcntl(fd, F_SETFD, closed ? FD_CLOEXEC : 0) !== 0) throw lastError('fcntl')
}

/** dup(2): another file descriptor, not inherited, of the same open file. */
export function duplicate(fd: number): number {
  const copy: number = libc.dup(fd)
  if (copy < 0) throw lastError('dup')
  setCloseOnExec(copy)
  return copy
}

/** dlopen(3) of a library that another one needs, found by its SONAME from then on. It stays. Throws Error. */
export function loadLibrary(path: string): void {
  koffi.load(path)
}

/** Gives the range back to the file system; it reads as zero. The file's length stays. */
export function punchHole(fd: number, offset: number, length: number): void {
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
  if (libc.fallocate(fd, mode, offset, length) !== 0) throw lastError('fallocate')
}

/** eventfd(2) starting at zero. By default it neither blocks nor is inherited. */
export function eventfd(flags = EFD_NONBLOCK | EFD_CLOEXEC): number {
  const fd: number = libc.eventfd(0, flags)
  if (fd < 0) throw lastError('eventfd')
  return fd
}

/** Adds `value` to the counter of an eventfd: 0, or -errno. */
export function eventfdWrite(fd: number, value = 1): number {
  return libc.eventfdWrite(fd, value) === 0 ? 0 : -koffi.errno()
}

const counter = new BigUint64Array(1)

/** Takes the counter of an eventfd: its value (at least 1), or -errno (-EAGAIN when it is zero). */
export function eventfdRead(fd: number): number {
  return libc.eventfdRead(fd, counter) === 0 ? Number(counter[0]) : -koffi.errno()
}

/** `count` struct pollfd for {@link poll}: two words each, the fd and `events | revents << 16`. */
export function pollTable(count: number): Int32Array {
  return new Int32Array(count * 2)
}

/**
 * poll(2) over the first `count` entries of `table`. Little-endian hosts: `revents` is the upper half of an entry's
 * second word. Waits up to `timeout` ms, for ever when negative. Returns the number of ready entries, or -errno.
 */
export function poll(table: Int32Array, count: number, timeout: number): number {
  const ready: number = libc.poll(table, count, timeout)
  return ready < 0 ? -koffi.errno() : ready
}

/** mount(2). `flags` is a union of MS_RDONLY and its kin; `data` the file system's own options. */
export function mount(source: string, target: string, type: string, flags: number, data = ''): void {
  if (libc.mount(source, target, type, flags, data) !== 0) throw lastError('mount', target)
}

/** umount2(2). `flags` is a union of MNT_*. */
export function umount2(target: string, flags = 0): void {
  if (libc.umount2(target, flags) !== 0) throw lastError('umount2', target)
}

/** close(2), for descriptors that came from here: node:fs in a worker warns of those that it has not opened. */
export function closeDescriptor(fd: number): void {
  if (libc.close(fd) !== 0) throw lastError('close')
}

/** Sets O_NONBLOCK (fcntl F_SETFL): calls that would wait return EAGAIN. */
export function setNonBlocking(fd: number): void {
  const flags: number = libc.fcntl(fd, F_GETFL, 0)
  if (flags < 0 || libc.fcntl(fd, F_SETFL, flags | O_NONBLOCK) !== 0) throw lastError('fcntl')
}

/** socketpair(2): two connected unix stream sockets, both closed in child processes that are not given them. */
export function socketPair(): [number, number] {
  const pair = new Int32Array(2)
  if (libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) throw lastError('socketpair')
  return [pair[0]!, pair[1]!]
}

/** recvmsg(2) with the struct msghdr at `address`; descriptors that come are closed on exec. Bytes received, or -errno. */
export function recvmsgRaw(socket: number, address: number): number {
  const count: number = libc.recvmsg(socket, address, MSG_CMSG_CLOEXEC)
  return count < 0 ? -koffi.errno() : count
}

/** A unix datagram socket, closed in child processes. */
export function datagramSocket(): number {
  const fd: number = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) throw lastError('socket')
  return fd
}

/** sendto(2): sends one datagram to a struct sockaddr. Bytes sent, or -errno. */
export function sendtoRaw(socket: number, bytes: Uint8Array, address: Uint8Array): number {
  const count: number = libc.sendto(socket, bytes, bytes.length, 0, address, address.length)
  return count < 0 ? -koffi.errno() : count
}

/** Numbers of system calls, the same on all architectures. */
const SYS_OPEN_TREE = 428
const SYS_MOVE_MOUNT = 429
const SYS_MOUNT_SETATTR = 442

const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const OPEN_TREE_CLONE = 1
const OPEN_TREE_CLOEXEC = 0x80000
const MOVE_MOUNT_F_EMPTY_PATH = 0x4
const MOUNT_ATTR_IDMAP = 0x100000n

/** open_tree(2): a file descriptor of another mount, seen nowhere yet, of what is mounted at `path`. */
export function cloneMount(path: string): number {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
  const fd: number = libc.syscall(SYS_OPEN_TREE, 'int', AT_FDCWD, 'const char *', path, 'unsigned int', flags)
  if (fd < 0) throw lastError('open_tree', path)
  return fd
}

/** mount_setattr(2): owners are seen through a user namespace from now on; `mount` was never mounted anywhere. */
export function setMountIdmap(mount: number, userNamespace: number): void {
  // struct mount_attr: what to set and to clear, the propagation, the user namespace.
  const attr = BigUint64Array.of(MOUNT_ATTR_IDMAP, 0n, 0n, BigInt(userNamespace))
  const rest = ['unsigned int', AT_EMPTY_PATH, 'void *', attr, 'size_t', attr.byteLength]
  if (libc.syscall(SYS_MOUNT_SETATTR, 'int', mount, 'const char *', '', ...rest) !== 0)
    throw lastError('mount_setattr')
}

/** move_mount(2): mounts what {@link cloneMount} made. */
export function moveMount(mount: number, path: string): void {
  const to = ['int', AT_FDCWD, 'const char *', path, 'unsigned int', MOVE_MOUNT_F_EMPTY_PATH]
  if (libc.syscall(SYS_MOVE_MOUNT, 'int', mount, 'const char *', '', ...to) !== 0)
    throw lastError('move_mount', path)
}

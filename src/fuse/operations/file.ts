/**
 * Open files and their data. Files are open without a handle of ours: the inode number says all, and the kernel
 * keeps the inode known while a file is open.
 */
import { E, FsError } from '../../../lib/errno.js'
import { type AttributeChange, S_ISGID, S_ISUID } from '../../guest/vfs/attributes.js'
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from '../../guest/vfs/file-attr.js'
import type { FileSystem } from '../../guest/vfs/file-system.js'
import { EntryOut } from '../abi/attr.js'
import {
  BmapIn,
  BmapOut,
  CreateIn,
  FallocateIn,
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
  FOPEN_PARALLEL_DIRECT_WRITES,
  FUSE_OPEN_KILL_SUIDGID,
  FUSE_WRITE_CACHE,
  FUSE_WRITE_KILL_SUIDGID,
  LseekIn,
  LseekOut,
  O_NOATIME,
  OpenIn,
  OpenOut,
  ReadIn,
  SEEK_DATA,
  SEEK_HOLE,
  WriteIn,
  WriteOut,
} from '../abi/file.js'
import { MAX_WRITE, PAYLOAD } from '../channel.js'
import type { Caller, Connection } from '../connection.js'
import type { Request } from '../request.js'
import { makeNode, ownerIn, replyEntry } from './entry.js'

/** As in asm-generic/fcntl.h. */
const O_ACCMODE = 0o3
const O_APPEND = 0o2000
const O_TRUNC = 0o1000
const S_IXGRP = 0o010

/**
 * Writes a struct fuse_open_out. KEEP_CACHE also under direct I/O: pages of a mapped file stay, and a direct write
 * drops those that it covers. Writes in parallel are safe because each request is served in one go.
 */
function encodeOpen(connection: Connection, at: number, ino: number): number {
  const { reply } = connection
  const flags = connection.usesDirectIo(ino)
    ? FOPEN_DIRECT_IO | FOPEN_KEEP_CACHE | FOPEN_PARALLEL_DIRECT_WRITES
    : FOPEN_KEEP_CACHE
  connection.replyBytes.fill(0, at, at + OpenOut.SIZE)
  OpenOut.open_flags.set(reply, at, flags)
  return OpenOut.SIZE
}

/** Whether OPEN changes the file: ATOMIC_O_TRUNC was taken, so truncation comes with it. */
export function openChanges(_: Connection, request: Request): boolean {
  return (OpenIn.flags.get(request.view, request.at) & O_TRUNC) !== 0
}

export function open(connection: Connection, request: Request): number | Promise<void> {
  const { view, at, ino } = request
  const flags = OpenIn.flags.get(view, at)
  if ((flags & (O_ACCMODE | O_TRUNC)) !== 0 && isProtected(connection, ino, flags)) return -E.EPERM
  if (!openChanges(connection, request)) return opened(connection, request)
  const change: AttributeChange = { size: 0 }
  if (OpenIn.open_flags.get(view, at) & FUSE_OPEN_KILL_SUIDGID) {
    change.killPrivileges = true
    knowMembership(connection, ino, request)
  }
  if (connection.writebackCache) Object.assign(change, keptTimes(connection, ino))
  return connection.fs.setattr(ino, change) ?? opened(connection, request)
}

/** Whether an inode that is immutable or append-only refuses to be opened so: the kernel does not know these flags. */
function isProtected(connection: Connection, ino: number, flags: number): boolean {
  const { flags: inodeFlags } = connection.fs.getFileAttr(ino)
  if ((inodeFlags & FS_IMMUTABLE_FL) !== 0) return true
  return (inodeFlags & FS_APPEND_FL) !== 0 && (flags & (O_APPEND | O_TRUNC)) !== O_APPEND
}

/**
 * With the write-back cache the kernel keeps the times of regular files and sends its own when they change: ours
 * would come back when its cache is gone.
 */
function keptTimes(connection: Connection, ino: number): AttributeChange {
  const { mtime, ctime } = connection.fs.getattr(ino)
  return { mtime, ctime }
}

export function opened(connection: Connection, request: Request): number {
  return encodeOpen(connection, PAYLOAD, request.ino)
}

export function create(connection: Connection, request: Request): number {
  const { view, at } = request
  const name = request.name(at + CreateIn.SIZE)
  const umask = CreateIn.umask.get(view, at)
  const ino = makeNode(connection, request, name, CreateIn.mode.get(view, at), umask, 0)
  replyEntry(connection, ino)
  return EntryOut.SIZE + encodeOpen(connection, PAYLOAD + EntryOut.SIZE, ino)
}

/** O_TMPFILE; the name that comes with it means nothing. */
export function tmpfile(connection: Connection, request: Request): number {
  const { view, at } = request
  const owner = ownerIn(connection.fs.getattr(request.ino), request, CreateIn.umask.get(view, at))
  const ino = connection.fs.tmpfile(request.ino, CreateIn.mode.get(view, at), owner)
  replyEntry(connection, ino)
  return EntryOut.SIZE + encodeOpen(connection, PAYLOAD + EntryOut.SIZE, ino)
}

export function read(connection: Connection, request: Request): number {
  const { view, at } = request
  const size = Math.min(ReadIn.size.get(view, at), MAX_WRITE)
  connection.runs = connection.fs.read(request.ino, ReadIn.offset.get(view, at), size)
  if ((ReadIn.flags.get(view, at) & O_NOATIME) === 0) connection.accessed = request.ino
  return 0
}

/** What a WRITE asks for, kept while its bytes are stored piece by piece. */
interface Store extends Caller {
  readonly ino: number
  readonly flags: number
}

export function write(connection: Connection, request: Request): number | Promise<number> {
  const { view, at, ino, uid, gid, pid } = request
  const flags = WriteIn.write_flags.get(view, at)
  const offset = WriteIn.offset.get(view, at)
  const from = at + WriteIn.SIZE
  const to = from + WriteIn.size.get(view, at)
  if (to > request.length) return -E.EINVAL
  const what = { ino, flags, uid, gid, pid }
  if (flags & FUSE_WRITE_KILL_SUIDGID && dropSetId(connection, ino, what)) {
    const wait = connection.fs.ready()
    if (wait) return storeRest(connection, what, offset, request.bytes.slice(from, to), 0, wait)
  }
  const stored = store(connection, what, offset, request.bytes, from, to)
  return typeof stored === 'number' ? written(connection, request, stored) : stored
}

/** Before set-id bits fall: S_ISGID without group execution stays for members of the group. */
export function knowMembership(connection: Connection, ino: number, caller: Caller): void {
  const { mode, gid } = connection.fs.getattr(ino)
  if ((mode & (S_ISGID | S_IXGRP)) === S_ISGID) connection.isMember(caller, gid)
}

/**
 * Lets the set-id bits fall. Asked for by every write of a caller without CAP_FSETID, so look before changing. True
 * when the inode was changed.
 */
export function dropSetId(connection: Connection, ino: number, caller: Caller): boolean {
  const { mode, gid } = connection.fs.getattr(ino)
  if ((mode & (S_ISUID | S_ISGID)) === 0) return false
  const groupFalls = (mode & S_ISGID) !== 0 && ((mode & S_IXGRP) !== 0 || !connection.isMember(caller, gid))
  if ((mode & S_ISUID) === 0 && !groupFalls) return false
  void connection.fs.setattr(ino, { killPrivileges: true })
  return true
}

/**
 * Stores `source[from..to)`. Bytes stored, less than all when an error followed: the caller of write(2) meets the
 * error with its next call. A write-back of cached pages has no next call, so there the error is told at once.
 */
function store(
  connection: Connection,
  what: Store,
  offset: number,
  source: Uint8Array,
  from: number,
  to: number,
): number | Promise<number> {
  const { fs } = connection
  const fromCache = (what.flags & FUSE_WRITE_CACHE) !== 0
  // Only with the write-back cache does the kernel keep the times; pages of a shared mapping come without.
  const keepTimes = fromCache && connection.writebackCache
  let at = from
  let stalled = false
  try {
    for (;;) {
      const stored = fs.write(what.ino, offset + (at - from), source, at, to, keepTimes)
      at += stored
      if (at >= to) return at - from
      if (stored === 0 && stalled) throw new FsError('EIO', 'write makes no progress')
      stalled = stored === 0
      const wait = fs.ready()
      if (wait) {
        const done = at - from
        return storeRest(connection, what, offset + done, source.slice(at, to), done, wait)
      }
    }
  } catch (error) {
    if (at === from || fromCache) throw error
    return at - from
  }
}

/** Goes on with `rest` when there is room in the journal; `done` bytes before it are stored. */
async function storeRest(
  connection: Connection,
  what: Store,
  offset: number,
  rest: Uint8Array,
  done: number,
  wait: Promise<void>,
): Promise<number> {
  const { fs } = connection
  try {
    for (let again: Promise<void> | undefined = wait; again !== undefined; again = fs.ready()) await again
    fs.setCaller(what.uid, what.gid)
    return done + (await store(connection, what, offset, rest, 0, rest.length))
  } catch (error) {
    if (done === 0 || what.flags & FUSE_WRITE_CACHE) throw error
    return done
  }
}

export function written(connection: Connection, request: Request, stored: unknown): number {
  // The kernel, which keeps size and times itself then, does not ask for the count of blocks again.
  if (connection.writebackCache) connection.staleAttributes = request.ino
  const size = typeof stored === 'number' ? stored : 0
  connection.statistics.written += size
  WriteOut.size.set(connection.reply, PAYLOAD, size)
  connection.reply.setUint32(PAYLOAD + 4, 0, true)
  return WriteOut.SIZE
}

export function fallocate(connection: Connection, request: Request): number | Promise<void> {
  const { view, at } = request
  const offset = FallocateIn.offset.get(view, at)
  const length = FallocateIn.length.get(view, at)
  const { fs } = connection
  const times = connection.writebackCache ? keptTimes(connection, request.ino) : undefined
  // No flag says whether the caller has CAP_FSETID.
  if (request.uid !== 0) dropSetId(connection, request.ino, request)
  const wait = fs.fallocate(request.ino, FallocateIn.mode.get(view, at), offset, length)
  if (times === undefined) return wait ?? 0
  return restoreTimes(fs, request.ino, times, wait)
}

async function restoreTimes(
  fs: FileSystem,
  ino: number,
  times: AttributeChange,
  done: void | Promise<void>,
): Promise<void> {
  await done
  for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) await wait
  await fs.setattr(ino, times)
}

export function lseek(connection: Connection, request: Request): number {
  const { view, at } = request
  const whence = LseekIn.whence.get(view, at)
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -E.EINVAL
  const what = whence === SEEK_DATA ? 'data' : 'hole'
  const found = connection.fs.seek(request.ino, LseekIn.offset.get(view, at), what)
  LseekOut.offset.set(connection.reply, PAYLOAD, found)
  return LseekOut.SIZE
}

/** FIBMAP, on fuseblk mounts: which block of the device holds a block of the file. Their size is the request's. */
export function bmap(connection: Connection, request: Request): number {
  const { view, at } = request
  const { blockSize } = connection.fs
  const unit = BmapIn.blocksize.get(view, at)
  if (unit === 0) return -E.EINVAL
  const offset = BmapIn.block.get(view, at) * unit
  const found = connection.fs.bmap(request.ino, Math.floor(offset / blockSize))
  BmapOut.block.set(
    connection.reply,
    PAYLOAD,
    found === 0 ? 0 : Math.floor((found * blockSize + (offset % blockSize)) / unit),
  )
  return BmapOut.SIZE
}

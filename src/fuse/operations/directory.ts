/** Reading directories. */
import { E } from '../../../lib/errno.js'
import type { EntrySink } from '../../guest/vfs/file-system.js'
import { EntryOut } from '../abi/attr.js'
import { Dirent, ReaddirIn } from '../abi/entry.js'
import { FOPEN_CACHE_DIR, FOPEN_KEEP_CACHE, O_NOATIME, OpenOut } from '../abi/file.js'
import { encodeEntry } from '../attributes.js'
import { MAX_WRITE, PAYLOAD } from '../channel.js'
import { type Connection, log } from '../connection.js'
import type { Request } from '../request.js'

const DOT = 0x2e

/** ENOSYS once, and the kernel opens directories by itself, with their entries cached. */
export function opendir(connection: Connection): number {
  if (connection.noOpendir) return -E.ENOSYS
  connection.replyBytes.fill(0, PAYLOAD, PAYLOAD + OpenOut.SIZE)
  const flags = connection.strictatime ? 0 : FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR
  OpenOut.open_flags.set(connection.reply, PAYLOAD, flags)
  return OpenOut.SIZE
}

/** The walk under way: there is one at a time, so its state needs no closure of its own. */
const walk: Walk = {
  bytes: new Uint8Array(0),
  view: new DataView(new ArrayBuffer(0)),
  at: 0,
  end: 0,
  before: 0,
}

interface Walk {
  bytes: Uint8Array
  view: DataView
  /** Where the next record goes. */
  at: number
  end: number
  /** Bytes kept free before each dirent. */
  before: number
}

const takeEntry: EntrySink = (name, ino, type, next) => {
  const at = walk.at + walk.before
  const end = at + direntSize(name.length)
  if (end > walk.end) return false
  Dirent.ino.set(walk.view, at, ino)
  Dirent.off.set(walk.view, at, next)
  Dirent.namelen.set(walk.view, at, name.length)
  Dirent.type.set(walk.view, at, type)
  walk.bytes.set(name, at + Dirent.SIZE)
  walk.bytes.fill(0, at + Dirent.SIZE + name.length, end)
  walk.at = end
  return true
}

/** FUSE_DIRENT_SIZE: records are padded to 8 bytes. */
function direntSize(nameLength: number): number {
  return (Dirent.SIZE + nameLength + 7) & ~7
}

/** Writes dirents, each with `before` bytes free before it; returns the payload's length. */
function fill(connection: Connection, request: Request, before: number): number {
  const { view, at } = request
  walk.bytes = connection.replyBytes
  walk.view = connection.reply
  walk.at = PAYLOAD
  walk.end = PAYLOAD + Math.min(ReaddirIn.size.get(view, at), MAX_WRITE)
  walk.before = before
  connection.fs.readdir(request.ino, ReaddirIn.offset.get(view, at), takeEntry)
  if ((ReaddirIn.flags.get(view, at) & O_NOATIME) === 0) connection.accessed = request.ino
  return walk.at - PAYLOAD
}

export function readdir(connection: Connection, request: Request): number {
  return fill(connection, request, 0)
}

/** Entries first, their attributes after the walk: no operation of the file system runs inside another. */
export function readdirplus(connection: Connection, request: Request): number {
  const length = fill(connection, request, EntryOut.SIZE)
  const { reply, replyBytes } = connection
  let at = PAYLOAD
  while (at < PAYLOAD + length) {
    const dirent = at + EntryOut.SIZE
    const nameLength = Dirent.namelen.get(reply, dirent)
    const name = dirent + Dirent.SIZE
    const isDots =
      replyBytes[name] === DOT && (nameLength === 1 || (nameLength === 2 && replyBytes[name + 1] === DOT))
    // The kernel knows `.` and `..` already and counts no lookup for them.
    if (isDots) replyBytes.fill(0, at, dirent)
    else encodeListed(connection, at, Dirent.ino.get(reply, dirent))
    at = dirent + direntSize(nameLength)
  }
  return length
}

/** An inode that cannot be read is listed without attributes (nodeid 0): its own LOOKUP will tell the error. */
function encodeListed(connection: Connection, at: number, ino: number): void {
  const { fs, nodes, reply } = connection
  try {
    encodeEntry(reply, at, fs.getattr(ino), fs.root)
    nodes.add(ino)
  } catch (error) {
    log('attributes of inode %d: %o', ino, error)
    connection.replyBytes.fill(0, at, at + EntryOut.SIZE)
  }
}

/** Names in directories, and what the kernel remembers of their inodes. */
import { E, FsError } from '../../../lib/errno.js'
import { type Attributes, type Owner, S_IFMT, S_IFREG, S_ISGID } from '../../guest/vfs/attributes.js'
import { LinkIn, MkdirIn, MknodIn, Rename2In, RenameIn } from '../abi/entry.js'
import { BatchForgetIn, ForgetIn, ForgetOne, FUSE_ROOT_ID } from '../abi/header.js'
import { encodeEntry, encodeNegativeEntry } from '../attributes.js'
import { PAYLOAD } from '../channel.js'
import type { Connection } from '../connection.js'
import type { Request } from '../request.js'

const NAME_MAX = 255
const DOT = 0x2e

/** Replies with the inode, which the kernel then knows once more. */
export function replyEntry(connection: Connection, ino: number): number {
  const { fs, nodes, reply } = connection
  const length = encodeEntry(reply, PAYLOAD, fs.getattr(ino), fs.root)
  nodes.add(ino)
  return length
}

export function lookup(connection: Connection, request: Request): number {
  const name = request.string(request.at)
  if (name.length > NAME_MAX) return -E.ENAMETOOLONG
  if (name.length === 1 && name[0] === DOT) return lookupHandle(connection, request.ino)
  const ino = connection.fs.lookup(request.ino, name)
  if (ino === undefined) return encodeNegativeEntry(connection.replyBytes, connection.reply, PAYLOAD)
  return replyEntry(connection, ino)
}

/**
 * LOOKUP of `.`: open_by_handle_at(2) asks whether the inode of an old handle is there (EXPORT_SUPPORT); it may be a
 * file, or have been freed. The kernel compares the generation.
 */
function lookupHandle(connection: Connection, ino: number): number {
  const { fs } = connection
  if (ino === fs.root) return replyEntry(connection, ino)
  try {
    // Also when its FORGET is still to come: of an inode that it holds the kernel does not ask.
    const { nlink, mode } = fs.getattr(ino)
    if (nlink === 0 || mode === 0) return -E.ESTALE
  } catch (error) {
    if (error instanceof FsError) return -E.ESTALE
    throw error
  }
  return replyEntry(connection, ino)
}

function forgetOne(connection: Connection, nodeid: number, lookups: number): void {
  const ino = nodeid === FUSE_ROOT_ID ? connection.fs.root : nodeid
  if (connection.nodes.subtract(ino, lookups)) connection.release(ino)
}

export function forget(connection: Connection, request: Request): number {
  const lookups = ForgetIn.nlookup.get(request.view, request.at)
  if (connection.nodes.subtract(request.ino, lookups)) connection.release(request.ino)
  return 0
}

export function batchForget(connection: Connection, request: Request): number {
  const { view } = request
  const first = request.at + BatchForgetIn.SIZE
  const count = BatchForgetIn.count.get(view, request.at)
  const end = Math.min(first + count * ForgetOne.SIZE, request.length)
  for (let at = first; at + ForgetOne.SIZE <= end; at += ForgetOne.SIZE) {
    forgetOne(connection, ForgetOne.nodeid.get(view, at), ForgetOne.nlookup.get(view, at))
  }
  return 0
}

/** As inode_init_owner() of Linux: in a set-group-id directory everything new belongs to the directory's group. */
export function ownerIn(directory: Attributes, request: Request, umask: number): Owner {
  return { uid: request.uid, gid: directory.mode & S_ISGID ? directory.gid : request.gid, umask }
}

/** Makes a node that is no directory. DONT_MASK was taken: the file system applies the umask, or a default ACL. */
export function makeNode(
  connection: Connection,
  request: Request,
  name: Uint8Array,
  mode: number,
  umask: number,
  rdev: number,
): number {
  const directory = connection.fs.getattr(request.ino)
  const typed = (mode & S_IFMT) === 0 ? mode | S_IFREG : mode
  return connection.fs.mknod(request.ino, name, typed, rdev, ownerIn(directory, request, umask))
}

export function mknod(connection: Connection, request: Request): number {
  const { view, at } = request
  const name = request.name(at + MknodIn.SIZE)
  const mode = MknodIn.mode.get(view, at)
  const umask = MknodIn.umask.get(view, at)
  return replyEntry(connection, makeNode(connection, request, name, mode, umask, MknodIn.rdev.get(view, at)))
}

/** A directory in a set-group-id directory is one too. */
export function mkdir(connection: Connection, request: Request): number {
  const { view, at } = request
  const name = request.name(at + MkdirIn.SIZE)
  const directory = connection.fs.getattr(request.ino)
  const permissions = MkdirIn.mode.get(view, at) & 0o7777
  const owner = ownerIn(directory, request, MkdirIn.umask.get(view, at))
  const mode = permissions | (directory.mode & S_ISGID)
  return replyEntry(connection, connection.fs.mkdir(request.ino, name, mode, owner))
}

export function symlink(connection: Connection, request: Request): number {
  const name = request.name(request.at)
  const target = request.string(request.at + name.length + 1)
  const owner = ownerIn(connection.fs.getattr(request.ino), request, 0)
  return replyEntry(connection, connection.fs.symlink(request.ino, name, target, owner))
}

export function link(connection: Connection, request: Request): number {
  const nodeid = LinkIn.oldnodeid.get(request.view, request.at)
  connection.fs.link(nodeid, request.ino, request.name(request.at + LinkIn.SIZE))
  return replyEntry(connection, nodeid)
}

export function unlink(connection: Connection, request: Request): number {
  connection.fs.unlink(request.ino, request.name(request.at))
  return 0
}

export function rmdir(connection: Connection, request: Request): number {
  connection.fs.rmdir(request.ino, request.name(request.at))
  return 0
}

function renameTo(connection: Connection, request: Request, nodeid: number, names: number, flags: number): 0 {
  const newDir = nodeid === FUSE_ROOT_ID ? connection.fs.root : nodeid
  const name = request.name(names)
  connection.fs.rename(request.ino, name, newDir, request.name(names + name.length + 1), flags)
  return 0
}

export function rename(connection: Connection, request: Request): number {
  const { view, at } = request
  return renameTo(connection, request, RenameIn.newdir.get(view, at), at + RenameIn.SIZE, 0)
}

export function rename2(connection: Connection, request: Request): number {
  const { view, at } = request
  const flags = Rename2In.flags.get(view, at)
  return renameTo(connection, request, Rename2In.newdir.get(view, at), at + Rename2In.SIZE, flags)
}

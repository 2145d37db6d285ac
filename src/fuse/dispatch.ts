/** One row per opcode: all that the session knows of it. */
import { E } from '../../lib/errno.js'
import { AccessIn, GetattrIn, SetattrIn } from './abi/attr.js'
import { LinkIn, MkdirIn, MknodIn, ReaddirIn, Rename2In, RenameIn } from './abi/entry.js'
import {
  BmapIn,
  CopyFileRangeIn,
  CreateIn,
  FallocateIn,
  FlushIn,
  FsyncIn,
  IoctlIn,
  LseekIn,
  OpenIn,
  ReadIn,
  ReleaseIn,
  SyncfsIn,
  WriteIn,
} from './abi/file.js'
import { BatchForgetIn, ForgetIn, InHeader, InterruptIn } from './abi/header.js'
import { InitIn } from './abi/init.js'
import { OPCODE_COUNT, Opcode } from './abi/opcode.js'
import { StatxIn } from './abi/statx.js'
import { GetxattrIn, SetxattrIn } from './abi/xattr.js'
import type { Connection, Finish, Handler } from './connection.js'
import {
  copyDemand,
  type Demand,
  entriesDemand,
  inodeDemand,
  renameDemand,
  writeDemand,
} from './durability.js'
import { getattr, readlink, setattr, statfs, statx } from './operations/attr.js'
import { destroy, init } from './operations/connection.js'
import { copied, copied64, copyFileRange } from './operations/copy.js'
import { opendir, readdir, readdirplus } from './operations/directory.js'
import {
  batchForget,
  forget,
  link,
  lookup,
  mkdir,
  mknod,
  rename,
  rename2,
  rmdir,
  symlink,
  unlink,
} from './operations/entry.js'
import {
  bmap,
  create,
  fallocate,
  lseek,
  open,
  openChanges,
  opened,
  read,
  tmpfile,
  write,
  written,
} from './operations/file.js'
import { ioctl, ioctlChanges, ioctlDone } from './operations/ioctl.js'
import { fsync, syncfs } from './operations/sync.js'
import { getxattr, listxattr, removexattr, setxattr } from './operations/xattr.js'
import type { Request } from './request.js'

export interface Row {
  /** The least length of the whole request, bytes. */
  readonly size: number
  readonly handle: Handler
  /** The payload of a request that waited; absent when it has none. */
  readonly finish: Finish | undefined
  /** Whether the request changes the file system, which then must be ready. */
  readonly changes: (connection: Connection, request: Request) => boolean
  /** The payload is the connection's `runs`. */
  readonly data: boolean
  /** What must be durable before the reply; absent where nothing changes that could be. */
  readonly demand: Demand | undefined
  readonly noReply: boolean
}

const table: (Row | undefined)[] = new Array(OPCODE_COUNT).fill(undefined)

/** The row of an opcode; undefined when it is unknown. */
export function rowOf(opcode: number): Row | undefined {
  return table[opcode]
}

const always = () => true
const never = () => false
const succeed: Handler = () => 0
const notImplemented: Handler = () => -E.ENOSYS
const NOTHING = { SIZE: 0 }
const truncateDemand: Demand = (connection, request) =>
  openChanges(connection, request) ? inodeDemand(connection, request) : undefined
const flagsDemand: Demand = (connection, request) =>
  ioctlChanges(connection, request) ? inodeDemand(connection, request) : undefined

function row(opcode: number, request: { SIZE: number }, handle: Handler, more: Partial<Row> = {}): void {
  table[opcode] = {
    size: InHeader.SIZE + request.SIZE,
    handle,
    finish: more.finish,
    changes: more.changes ?? never,
    data: more.data ?? false,
    demand: more.demand,
    noReply: more.noReply ?? false,
  }
}

/** A row of what changes the file system. */
function change(
  opcode: number,
  request: { SIZE: number },
  handle: Handler,
  demand: Demand | undefined,
  finish?: Finish,
): void {
  row(opcode, request, handle, { changes: always, demand, finish })
}

row(Opcode.INIT, InitIn, init)
row(Opcode.DESTROY, NOTHING, destroy)
row(Opcode.INTERRUPT, InterruptIn, succeed, { noReply: true })

row(Opcode.LOOKUP, NOTHING, lookup)
row(Opcode.FORGET, ForgetIn, forget, { noReply: true })
row(Opcode.BATCH_FORGET, BatchForgetIn, batchForget, { noReply: true })
change(Opcode.MKNOD, MknodIn, mknod, entriesDemand)
change(Opcode.MKDIR, MkdirIn, mkdir, entriesDemand)
change(Opcode.SYMLINK, NOTHING, symlink, entriesDemand)
change(Opcode.LINK, LinkIn, link, entriesDemand)
change(Opcode.UNLINK, NOTHING, unlink, entriesDemand)
change(Opcode.RMDIR, NOTHING, rmdir, entriesDemand)
change(Opcode.RENAME, RenameIn, rename, renameDemand)
change(Opcode.RENAME2, Rename2In, rename2, renameDemand)

row(Opcode.GETATTR, GetattrIn, getattr)
row(Opcode.STATX, StatxIn, statx)
change(Opcode.SETATTR, SetattrIn, setattr, inodeDemand, getattr)
row(Opcode.READLINK, NOTHING, readlink)
row(Opcode.STATFS, NOTHING, statfs)
row(Opcode.ACCESS, AccessIn, succeed)

row(Opcode.OPEN, OpenIn, open, { changes: openChanges, demand: truncateDemand, finish: opened })
change(Opcode.CREATE, CreateIn, create, entriesDemand)
change(Opcode.TMPFILE, CreateIn, tmpfile, undefined)
row(Opcode.READ, ReadIn, read, { data: true })
change(Opcode.WRITE, WriteIn, write, writeDemand, written)
row(Opcode.RELEASE, ReleaseIn, succeed)
change(Opcode.FALLOCATE, FallocateIn, fallocate, inodeDemand)
change(Opcode.COPY_FILE_RANGE, CopyFileRangeIn, copyFileRange, copyDemand, copied)
change(Opcode.COPY_FILE_RANGE_64, CopyFileRangeIn, copyFileRange, copyDemand, copied64)
row(Opcode.LSEEK, LseekIn, lseek)
row(Opcode.BMAP, BmapIn, bmap)
row(Opcode.FSYNC, FsyncIn, fsync)
row(Opcode.FSYNCDIR, FsyncIn, fsync)
row(Opcode.SYNCFS, SyncfsIn, syncfs)

row(Opcode.GETXATTR, GetxattrIn, getxattr)
row(Opcode.LISTXATTR, GetxattrIn, listxattr)
change(Opcode.SETXATTR, SetxattrIn, setxattr, inodeDemand)
change(Opcode.REMOVEXATTR, NOTHING, removexattr, inodeDemand)

row(Opcode.OPENDIR, OpenIn, opendir)
row(Opcode.READDIR, ReaddirIn, readdir)
row(Opcode.READDIRPLUS, ReaddirIn, readdirplus)
row(Opcode.RELEASEDIR, ReleaseIn, succeed)

row(Opcode.IOCTL, IoctlIn, ioctl, { changes: ioctlChanges, demand: flagsDemand, finish: ioctlDone })

// The kernel remembers ENOSYS for the life of the connection and from then on answers by itself: FLUSH (sent at each
// close(2), which promises nothing) succeeds, POLL says ready. EOPNOTSUPP would come to the same, with a request each time.
row(Opcode.FLUSH, FlushIn, notImplemented)
row(Opcode.POLL, NOTHING, notImplemented)

/**
 * What has to be durable before a change is answered: because of how the file was opened or the call made (O_SYNC,
 * O_DSYNC, RWF_SYNC, RWF_DSYNC), of the mount options sync and dirsync, or of the inode's flags. With direct I/O the
 * kernel leaves all of it to the server.
 */
import { RenameIn } from './abi/entry.js'
import { CopyFileRangeIn, O_DSYNC, O_SYNC, WriteIn } from './abi/file.js'
import { FUSE_ROOT_ID } from './abi/header.js'
import type { Connection } from './connection.js'
import type { Request } from './request.js'

/** Makes it durable; undefined when it is. Throws as FileSystem.fsync. */
export type Sync = () => Promise<void> | undefined

/** What a request's change has to wait for; undefined: nothing. To be asked before the request is handled. */
export type Demand = (connection: Connection, request: Request) => Sync | undefined

/** Of a change of the inode. */
export const inodeDemand: Demand = ({ fs }, { ino }) =>
  fs.isSynchronous(ino, false) ? () => fs.fsync(ino, false) : undefined

/** Of a change of the directory's entries. */
export const entriesDemand: Demand = ({ fs }, { ino }) =>
  fs.isSynchronous(ino, true) ? () => fs.commit() : undefined

/** RENAME and RENAME2: `newdir` comes first in both. */
export const renameDemand: Demand = ({ fs }, { ino, view, at }) => {
  const nodeid = RenameIn.newdir.get(view, at)
  const newDir = nodeid === FUSE_ROOT_ID ? fs.root : nodeid
  return fs.isSynchronous(ino, true) || fs.isSynchronous(newDir, true) ? () => fs.commit() : undefined
}

export const writeDemand: Demand = ({ fs }, { ino, view, at }) => {
  const flags = WriteIn.flags.get(view, at)
  if ((flags & O_SYNC) === O_SYNC) return () => fs.fsync(ino, false)
  return (flags & O_DSYNC) !== 0 || fs.isSynchronous(ino, false) ? () => fs.fsync(ino, true) : undefined
}

export const copyDemand: Demand = ({ fs }, { view, at }) => {
  const ino = CopyFileRangeIn.nodeid_out.get(view, at)
  return fs.isSynchronous(ino, false) ? () => fs.fsync(ino, true) : undefined
}

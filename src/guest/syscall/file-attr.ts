/** FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and their extended forms. */
import { FsError } from '../../../lib/errno.js'
import { isOwner, isPrivileged } from '../vfs/credentials.js'
import { type FileAttr, FS_APPEND_FL, FS_IMMUTABLE_FL } from '../vfs/file-attr.js'
import { find, type Target } from './attributes.js'
import { type Call, ready, settleInode } from './call.js'
import { type Process, requireWritable } from './process.js'

export function getFileAttr(process: Process, target: Target): FileAttr {
  return process.fs.getFileAttr(find(process, target, true).ino)
}

/** Only the owner may, and only root the append-only and immutable flags: ioctl_iflags(2). */
export function* setFileAttr(process: Process, target: Target, attr: FileAttr): Call<void> {
  yield* ready(process)
  const { ino, uid } = find(process, target, true)
  requireWritable(process)
  const { credentials, fs } = process
  if (!isOwner(credentials, uid)) throw new FsError('EPERM', `inode ${ino}`)
  const changed = attr.flags ^ fs.getFileAttr(ino).flags
  if ((changed & (FS_APPEND_FL | FS_IMMUTABLE_FL)) !== 0 && !isPrivileged(credentials))
    throw new FsError('EPERM', 'append-only and immutable are for root')
  fs.setFileAttr(ino, attr)
  yield* settleInode(process, ino)
}

import type { Handle } from '../jbd2/handle.js'
import { type Owner, S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG, S_ISGID } from '../vfs/attributes.js'
import { inheritFrom, storeInherited } from './acl.js'
import { blankInode } from './blank-inode.js'
import { initialiseMap } from './file-map.js'
import type { Inode } from './inode.js'
import { inheritedFlags, inheritsProject } from './inode-flags.js'
import { RawInode } from './raw-inode.js'
import type { Volume } from './volume.js'

/**
 * A new inode, linked once (a directory twice) though no entry names it yet; empty, and with an empty extent tree
 * when it is a file or a directory. In a set-group-id directory it gets the directory's group, and a directory also
 * that bit; with grpid the group in any case, and never the bit. The directory's default ACL is inherited; without one the owner's umask counts. `rdev` counts for device
 * nodes only. Throws ENOSPC, EDQUOT or CorruptError.
 */
export function createInode(
  volume: Volume,
  handle: Handle,
  parent: Inode,
  mode: number,
  owner: Owner,
  rdev: number,
): Inode {
  const type = mode & S_IFMT
  const isDirectory = type === S_IFDIR
  const inherited = inheritFrom(parent, mode, owner.umask ?? 0, isDirectory)
  const inode = blankInode(volume, handle, parent, mode)
  const { grpid } = volume.behaviour
  const ofGroup = grpid || (parent.mode & S_ISGID) !== 0
  inode.mode = isDirectory ? directoryMode(inherited.mode, parent.mode, grpid) : inherited.mode
  inode.uid = owner.uid
  inode.gid = ofGroup ? parent.gid : owner.gid
  inode.linksCount = isDirectory ? 2 : 1
  inode.flags = inheritedFlags(parent.flags, mode)
  if (inheritsProject(parent) && inode.hasProjectId) inode.projectId = parent.projectId
  volume.quotas?.charge(handle, inode, 0, 1)
  if (isDirectory || type === S_IFREG) initialiseMap(inode)
  if (type === S_IFCHR || type === S_IFBLK) setDevice(inode, rdev)
  storeInherited(handle, inode, inherited)
  return inode
}

function directoryMode(mode: number, parentMode: number, grpid: boolean): number {
  return grpid ? mode & ~S_ISGID : mode | (parentMode & S_ISGID)
}

/** The device number in i_block[0] when it fits the old 8:8 encoding, else in i_block[1], encoded as `rdev` is. */
function setDevice(inode: Inode, rdev: number): void {
  const { head } = inode
  const at = head.at + inode.offset + RawInode.i_block.offset
  head.view.setUint32(at + (rdev <= 0xffff ? 0 : 4), rdev, true)
}

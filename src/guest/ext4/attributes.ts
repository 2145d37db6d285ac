import type { Handle } from '../jbd2/handle.js'
import {
  type AttributeChange,
  type Attributes,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFMT,
  S_ISGID,
  S_ISUID,
} from '../vfs/attributes.js'
import { followMode } from './acl.js'
import { dropCapability } from './capability.js'
import { isInline } from './inline-data.js'
import type { Inode } from './inode.js'
import { RawInode } from './raw-inode.js'
import { touchChanged } from './timestamps.js'
import { quotaInodes } from './xattr.js'

export function attributesOf(inode: Inode): Attributes {
  const mode = inode.mode
  return {
    ino: inode.ino,
    generation: inode.generation,
    mode,
    nlink: inode.linksCount,
    uid: inode.uid,
    gid: inode.gid,
    rdev: deviceOf(inode, mode & S_IFMT),
    size: inode.size,
    blocks: inode.blocks + inlineSectors(inode),
    blockSize: inode.volume.blockSize,
    atime: inode.time('atime'),
    mtime: inode.time('mtime'),
    ctime: inode.time('ctime'),
    btime: inode.crtime,
  }
}

/** What Linux adds to st_blocks, so that tar and rsync do not take a file whose content is in its inode for a hole. */
function inlineSectors(inode: Inode): number {
  return isInline(inode) && inode.isRegular ? Math.ceil(inode.size / 512) : 0
}

/** The device number in i_block: the old 16-bit form in the first word, or else the new 32-bit form in the second. */
function deviceOf(inode: Inode, type: number): number {
  if (type !== S_IFCHR && type !== S_IFBLK) return 0
  const head = inode.head
  const at = head.at + inode.offset + RawInode.i_block.offset
  return head.view.getUint32(at, true) || head.view.getUint32(at + 4, true)
}

/** Whether the change brings only times that the kernel's page cache kept: ctime is told then. */
export function isWriteBack({ mode, uid, gid, size, atime, mtime, ctime }: AttributeChange): boolean {
  if (mode !== undefined || uid !== undefined || gid !== undefined || size !== undefined) return false
  return atime === undefined && mtime !== undefined && ctime !== undefined
}

/**
 * Whether an append-only inode refuses the change, as notify_change() of Linux has it: all but times that become now,
 * and the fall of set-id bits.
 */
export function isRefusedAppendOnly({ mode, uid, gid, size, atime, mtime, ctime }: AttributeChange): boolean {
  if (mode !== undefined || uid !== undefined || gid !== undefined || size !== undefined) return true
  // A kernel that keeps the times tells its own "now" as a number, and ctime with it.
  const isNow = atime === 'now' && ctime !== undefined
  return typeof atime === 'object' || (typeof mtime === 'object' && !isNow)
}

/** Everything but the size. */
export function changeAttributes(handle: Handle, inode: Inode, change: AttributeChange): void {
  inode.modify(handle)
  const mode = inode.mode
  const dropped = change.killPrivileges === true ? privilegesToDrop(inode) : 0
  if (change.mode !== undefined) inode.mode = (mode & S_IFMT) | (change.mode & 0o7777)
  const { volume } = inode
  const uid = change.uid === undefined ? undefined : volume.storedId(change.uid)
  const gid = change.gid === undefined ? undefined : volume.storedId(change.gid)
  volume.quotas?.transfer(handle, inode, { uid, gid }, quotaInodes(inode))
  if (change.uid !== undefined) inode.uid = change.uid
  if (change.gid !== undefined) inode.gid = change.gid
  if (dropped !== 0) inode.mode &= ~dropped
  if (change.mode !== undefined) followMode(handle, inode)
  if (
    change.uid !== undefined ||
    change.gid !== undefined ||
    change.size !== undefined ||
    change.killPrivileges
  ) {
    if (!inode.isDirectory) dropCapability(handle, inode)
  }
  const now = inode.volume.now()
  if (change.atime !== undefined) inode.setTime('atime', change.atime === 'now' ? now : change.atime)
  if (change.mtime !== undefined) inode.setTime('mtime', change.mtime === 'now' ? now : change.mtime)
  if (change.ctime !== undefined) inode.setTime('ctime', change.ctime)
  else touchChanged(handle, inode)
}

/**
 * The set-id bits that fall. Set-group-id without execution by the group stays for root and for members of the group,
 * as setattr_should_drop_sgid() of Linux has it.
 */
function privilegesToDrop({ mode, gid, volume }: Inode): number {
  if ((mode & S_IFMT) === S_IFDIR) return 0
  const { caller } = volume
  const outside = caller.uid !== 0 && caller.gid !== gid && !caller.groups.includes(gid)
  return (mode & 0o010) !== 0 || outside ? S_ISUID | S_ISGID : S_ISUID
}

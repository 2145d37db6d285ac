import { S_IFREG } from '../../vfs/attributes.js'
import { fileType } from '../dir-entry.js'
import { EA_INODE_FL, RawInode } from '../raw-inode.js'
import type { FsckContext } from './context.js'
import type { Place } from './problem.js'

/** An attribute whose value has an inode of its own (feature ea_inode). Kernel docs: ext4, "Extended Attributes". */
export interface LargeValue {
  /** e_value_inum. */
  readonly ino: number
  /** e_value_size, bytes. */
  readonly size: number
  /** e_hash. */
  readonly hash: number
  /** What e_hash is over the name alone: its characters unsigned, and signed as some kernels had it. */
  readonly nameHashes: readonly number[]
  /** Where the entry stands. */
  readonly place: Place
}

/**
 * The inodes of values, when all attributes and inodes are known: each is one, says by whom it is used, and counts as
 * linked once. The references are counted in i_ctime and l_i_version, the hash of the value stands in i_atime.
 */
export function checkEaInodes(ctx: FsckContext): void {
  const users = new Map<number, number>()
  for (const value of ctx.largeValues) {
    const fault = valueFault(ctx, value)
    if (fault !== undefined)
      ctx.error('bad-xattr', 'ext4_xattr_entry', `a value in inode ${value.ino}, ${fault}`, value.place)
    else users.set(value.ino, (users.get(value.ino) ?? 0) + 1)
  }
  for (const [ino, count] of users) {
    ctx.linksFound[ctx.indexOf(ino)]!++
    if (!ctx.openInode(ino)) continue
    const { view, at } = ctx.medium
    const stated = RawInode.i_ctime.get(view, at) * 0x1_0000_0000 + RawInode.l_i_version.get(view, at)
    if (stated === count) continue
    ctx.error('bad-xattr', 'ext4_inode', `of a value has ${stated} references, found ${count}`, { ino })
  }
}

function valueFault(ctx: FsckContext, { ino, hash, nameHashes }: LargeValue): string | undefined {
  if (ino < ctx.geometry.firstIno || ino > ctx.geometry.inodesCount || !ctx.openInode(ino))
    return 'which cannot be one'
  const { view, at } = ctx.medium
  if (ctx.fileType[ctx.indexOf(ino)] !== fileType(S_IFREG)) return 'which is no file in use'
  if ((RawInode.i_flags.get(view, at) & EA_INODE_FL) === 0) return 'which is not marked EXT4_EA_INODE_FL'
  const valueHash = RawInode.i_atime.get(view, at)
  const isRight = nameHashes.some((name) => ((name << 16) ^ (name >>> 16) ^ valueHash) >>> 0 === hash)
  return isRight ? undefined : `whose hash ${valueHash} is not in e_hash`
}

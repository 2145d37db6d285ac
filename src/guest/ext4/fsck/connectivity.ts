import { FT_DIR } from '../dir-entry.js'
import { RO_COMPAT } from '../features.js'
import { ROOT_INO } from '../superblock.js'
import type { FsckContext } from './context.js'
import type { QuotaCheck } from './quotas.js'

/** A directory with more subdirectories has a link count of 1 (feature dir_nlink). */
const LINK_MAX = 65000

/** Every directory can be reached from the root, and its `..` leads back the same way. */
export function checkConnectivity(ctx: FsckContext): void {
  const { directories } = ctx.dirBlocks
  const reached = new Uint8Array(ctx.fileType.length)
  const root = ctx.indexOf(ROOT_INO)
  if (root >= 0) reached[root] = 1
  for (const { ino } of directories) {
    const index = ctx.indexOf(ino)
    if (ctx.orphans.has(ino)) {
      reached[index] = 1
      continue
    }
    const parent = ino === ROOT_INO ? ROOT_INO : ctx.parent[index]!
    const dotDot = ctx.dotDot[index]!
    if (parent !== 0 && dotDot !== 0 && dotDot !== parent) {
      ctx.error('bad-dotdot', 'ext4_dir_entry_2', `.. leads to inode ${dotDot}, expected ${parent}`, { ino })
    }
  }
  for (const { ino } of directories) {
    if (isReached(ctx, ino, reached)) continue
    ctx.error('unconnected', 'ext4_inode', 'the directory cannot be reached from the root', { ino })
  }
}

/** Climbs to a directory that is known to be reached; marks the way. Bounded: a way with a circle ends where it was. */
function isReached(ctx: FsckContext, ino: number, reached: Uint8Array): boolean {
  const way: number[] = []
  let index = ctx.indexOf(ino)
  // 2: on this way, or known not to be reached.
  while (reached[index] === 0) {
    reached[index] = 2
    way.push(index)
    const parent = ctx.parent[index]!
    if (parent === 0) return false
    index = ctx.indexOf(parent)
  }
  if (reached[index] !== 1) return false
  for (const passed of way) reached[passed] = 1
  return true
}

/** i_links_count of every inode in use against the entries found. */
export function checkLinks(ctx: FsckContext, quotas: QuotaCheck): void {
  const { geometry, groups } = ctx
  const many = (geometry.roCompat & RO_COMPAT.dir_nlink) !== 0
  for (let group = 0; group < geometry.groupCount; group++) {
    const first = group * geometry.inodesPerGroup + 1
    const inodes = groups.initialised(group)
    const base = inodes === 0 ? 0 : ctx.indexOf(first)
    for (let slot = 0; slot < inodes; slot++) {
      const index = base + slot
      const type = ctx.fileType[index]!
      if (type === 0) continue
      const stated = ctx.linksStated[index]!
      const found = ctx.linksFound[index]!
      if (stated === found) continue
      if (quotas.isFile(first + slot)) continue
      checkDifferent(ctx, first + slot, { isDirectory: type === FT_DIR, stated, found, many })
    }
  }
}

function checkDifferent(
  ctx: FsckContext,
  ino: number,
  links: { isDirectory: boolean; stated: number; found: number; many: boolean },
): void {
  const { isDirectory, stated, found, many } = links
  if (ctx.orphans.has(ino) || isHidden(ctx, ino)) return
  if (isDirectory && many && stated === 1 && found > LINK_MAX) return
  if (found === 0) ctx.error('unconnected', 'ext4_inode', 'no entry leads to the inode', { ino })
  else ctx.error('bad-link-count', 'ext4_inode', `i_links_count is ${stated}, found ${found}`, { ino })
}

/** Inodes without a name: the reserved ones but the root, and the orphan file. */
function isHidden(ctx: FsckContext, ino: number): boolean {
  return (ino < ctx.geometry.firstIno && ino !== ROOT_INO) || ino === ctx.orphanFile
}

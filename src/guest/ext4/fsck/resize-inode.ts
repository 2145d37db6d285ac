import { hasSuper, superblockBlock } from '../group-layout.js'
import { EXTENTS_FL, RawInode } from '../raw-inode.js'
import { RESIZE_INO } from '../superblock.js'
import type { FsckContext } from './context.js'
import { blocksInGroup } from './fs-geometry.js'

/**
 * The resize inode maps the blocks reserved for descriptors, which are claimed with the superblocks already: its
 * double-indirect block names those of group 0, and each of these its counterparts in the groups with backups.
 * Returns the blocks that it holds.
 */
export function checkResizeInode(ctx: FsckContext, view: DataView, at: number): number {
  const { geometry, medium } = ctx
  const refuse = (message: string, block?: number) =>
    ctx.error(
      'bad-block-number',
      'resize inode',
      message,
      block === undefined ? { ino: RESIZE_INO } : { ino: RESIZE_INO, block },
    )
  const map = at + RawInode.i_block.offset
  const dind = view.getUint32(map + 13 * 4, true)
  const others = Array.from({ length: 15 }, (_, index) => view.getUint32(map + index * 4, true))
  if (
    (RawInode.i_flags.get(view, at) & EXTENTS_FL) !== 0 ||
    others.some((pointer, index) => pointer !== 0 && index !== 13)
  ) {
    refuse('has more than a double-indirect block')
    return 0
  }
  if (!ctx.isFileBlock(dind)) {
    refuse(`double-indirect block ${dind} is outside of the file system`)
    return 0
  }
  const taken = ctx.claims.claim(dind, 1)
  if (taken >= 0) {
    ctx.error('multiply-claimed', 'resize inode', `block ${dind} is in use by metadata or another file`, {
      ino: RESIZE_INO,
      block: dind,
    })
    return 1
  }
  const backups: number[] = []
  for (let group = 1; group < geometry.groupCount; group++) {
    if (hasSuper(geometry, group) && blocksInGroup(geometry, group) > 0) backups.push(group)
  }
  const pointers = geometry.blockSize / 4
  const from = geometry.descBlocks % pointers
  medium.open(dind)
  const { view: dindView, at: dindAt } = medium
  for (let pointer = 0; pointer < pointers; pointer++) {
    const index = (pointer - from + pointers) % pointers
    const isUsed = index < geometry.reservedGdtBlocks
    const expected = isUsed ? superblockBlock(geometry) + 1 + geometry.descBlocks + index : 0
    const found = dindView.getUint32(dindAt + pointer * 4, true)
    if (found !== expected) refuse(`names block ${found}, expected ${expected}`, dind)
    else if (isUsed) checkCounterparts(ctx, expected, backups, refuse)
  }
  return 1 + geometry.reservedGdtBlocks * (1 + backups.length)
}

function checkCounterparts(
  ctx: FsckContext,
  reserved: number,
  backups: readonly number[],
  refuse: (message: string, block: number) => void,
): void {
  ctx.medium.open(reserved)
  const { view, at } = ctx.medium
  for (let entry = 0; entry < ctx.geometry.blockSize / 4; entry++) {
    const group = backups[entry]
    const expected = group === undefined ? 0 : reserved + group * ctx.geometry.blocksPerGroup
    const found = view.getUint32(at + entry * 4, true)
    if (found === expected) continue
    refuse(`entry ${entry} names block ${found}, expected ${expected}`, reserved)
    return
  }
}

import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import { MAX_LOGICAL_BLOCK } from './extent.js'
import { freeRange } from './file-blocks.js'
import { hasMap } from './file-map.js'
import type { Inode } from './inode.js'
import { STEP_CREDITS } from './truncate.js'
import { quotaInodes, releaseXattrs } from './xattr.js'

/** Frees an inode that has neither links nor users: its blocks, its attributes, itself. Returns whether all is done. */
export function evict(handle: Handle, inode: Inode): boolean {
  const { volume } = inode
  const isDirectory = inode.isDirectory
  const inodes = quotaInodes(inode)
  if (hasMap(inode) && !freeRange(handle, inode, 0, MAX_LOGICAL_BLOCK + 1, isDirectory)) return false
  releaseXattrs(handle, inode)
  volume.orphans.remove(handle, inode)
  inode.modify(handle)
  volume.quotas?.charge(handle, inode, -inode.blocks * 512, -inodes)
  inode.size = 0
  inode.dtime = Math.max(1, volume.now().sec)
  volume.inodeAllocator.free(handle, inode.ino, isDirectory)
  const cache = volume.inodeCache
  cache.forget(inode.ino)
  handle.onRevert(() => cache.restore(inode))
  return true
}

/** Frees the inode in as many transactions as it takes, waiting for room between them. */
export async function continueEvict(journal: Journal, inode: Inode): Promise<void> {
  for (let done = false; !done; ) {
    for (let wait = journal.ready(STEP_CREDITS); wait !== undefined; wait = journal.ready(STEP_CREDITS))
      await wait
    const handle = journal.start()
    try {
      done = evict(handle, inode)
      handle.stop()
    } catch (error) {
      handle.revert()
      throw error
    }
  }
}

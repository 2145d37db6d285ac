import type { Handle } from '../jbd2/handle.js'
import type { Inode } from './inode.js'
import { getXattr, hasNoXattrs, removeXattr } from './xattr.js'
import { INDEX_SECURITY } from './xattr-namespace.js'

const CAPABILITY = { index: INDEX_SECURITY, name: new TextEncoder().encode('capability') }

/**
 * Whether a change of the content or the owner must {@link dropCapability} first: capabilities(7), "File
 * capabilities". Cheap when asked again.
 */
export function hasCapability(inode: Inode): boolean {
  if (inode.noCapability) return false
  if (!hasNoXattrs(inode) && getXattr(inode, CAPABILITY) !== undefined) return true
  inode.noCapability = true
  return false
}

export function dropCapability(handle: Handle, inode: Inode): void {
  if (hasCapability(inode)) removeXattr(handle, inode, CAPABILITY)
}

import type { Handle } from '../jbd2/handle.js'
import { convertInlineDirectory } from './inline-dir.js'
import { convertInlineFile } from './inline-file.js'
import type { Inode } from './inode.js'

/** Moves what stands in the inode, of a file, a symlink or a directory, to a block. Throws ENOSPC. */
export function convertInline(handle: Handle, inode: Inode): void {
  if (inode.isDirectory) convertInlineDirectory(handle, inode)
  else convertInlineFile(handle, inode)
}

import type { FileSystem } from '../guest/vfs/file-system.js'
import { readContent, type Tree } from './tree.js'

const OWNER = { uid: 0, gid: 0 }
const NAME = new TextEncoder().encode('probe')

/** Throws unless what was recovered can be used: files made, written, read, removed, and grown. */
export async function probe(fs: FileSystem, tree: Tree): Promise<void> {
  await probeNames(fs)
  for (const [ino, { content }] of tree.inodes) {
    if (content !== undefined && content.length % fs.blockSize !== 0) await probeTail(fs, ino, content.length)
  }
}

async function probeNames(fs: FileSystem): Promise<void> {
  await ready(fs)
  const directory = fs.mkdir(fs.root, NAME, 0o755, OWNER)
  const file = fs.mknod(directory, NAME, 0o100644, 0, OWNER)
  const bytes = new Uint8Array(fs.blockSize + 1).fill(0xa5)
  fs.write(file, 0, bytes, 0, bytes.length, false)
  await fs.fsync(file, false)
  if (Buffer.compare(readContent(fs, file, bytes.length), bytes) !== 0)
    throw new Error('a new file does not hold what was written')
  await ready(fs)
  fs.unlink(directory, NAME)
  await ready(fs)
  fs.rmdir(fs.root, NAME)
}

/** A file that grows reads as zeroes where nothing was written, whatever a lost write left behind its end. */
async function probeTail(fs: FileSystem, ino: number, size: number): Promise<void> {
  await ready(fs)
  await fs.setattr(ino, { size: size + fs.blockSize })
  const grown = readContent(fs, ino, size + fs.blockSize)
  const stale = grown.subarray(size).findIndex((byte) => byte !== 0)
  if (stale >= 0)
    throw new Error(
      `stale bytes: inode ${ino} of ${size} bytes grew and shows ${grown[size + stale]} at ${size + stale}`,
    )
}

async function ready(fs: FileSystem): Promise<void> {
  for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) await wait
}

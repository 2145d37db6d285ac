import { crc32c } from '../../lib/crc32c.js'
import {
  type Attributes,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Timespec,
} from '../guest/vfs/attributes.js'
import type { DataRun, FileSystem } from '../guest/vfs/file-system.js'

/** One inode as the file system shows it. */
export interface TreeInode {
  /** All attributes, the target of a symlink, the entries of a directory: as text. */
  readonly attributes: string
  /** Of a regular file. */
  readonly content: Uint8Array | undefined
  /** Generation and inode number: which inode `content` belongs to. */
  readonly identity: string
  /** Type and size: all that fdatasync promises besides the content. */
  readonly shape: string
}

/** All that can be seen of a file system. */
export interface Tree {
  /** All names and attributes, as text: two trees that differ only in content have the same. */
  readonly names: string
  readonly inodes: ReadonlyMap<number, TreeInode>
}

const time = ({ sec, nsec }: Timespec): string => `${sec}.${nsec}`

/** Reads the tree, and the inodes of `held`, which may have no name. What is as in `before` shares its memory. */
export function readTree(fs: FileSystem, held: Iterable<number> = [], before?: Tree): Tree {
  const inodes = new Map<number, TreeInode>()
  const lines: string[] = []
  const pending: { ino: number; path: string }[] = [{ ino: fs.root, path: '' }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { ino, path } = next
    let inode = inodes.get(ino)
    if (inode === undefined) {
      const { entries, inode: read } = readInode(fs, ino, before)
      inode = read
      inodes.set(ino, read)
      for (const [name, child] of entries) pending.push({ ino: child, path: `${path}/${name}` })
    }
    lines.push(`${path} ${inode.attributes}`)
  }
  for (const ino of held) {
    if (!inodes.has(ino)) inodes.set(ino, readInode(fs, ino, before).inode)
  }
  return { names: lines.sort().join('\n'), inodes }
}

function readInode(
  fs: FileSystem,
  ino: number,
  before: Tree | undefined,
): { inode: TreeInode; entries: [string, number][] } {
  const attributes = fs.getattr(ino)
  const type = attributes.mode & S_IFMT
  const entries = type === S_IFDIR ? readEntries(fs, ino) : []
  const known = before?.inodes.get(ino)
  const content = type === S_IFREG ? readContent(fs, ino, attributes.size, known?.content) : undefined
  const own = describe(attributes) + describeXattrs(fs, ino)
  const more = type === S_IFLNK ? ` -> ${Buffer.from(fs.readlink(ino)).toString('latin1')}` : ''
  const names = entries.map(([name, child]) => `${name}=${child}`).join(',')
  const text = own + more + (type === S_IFDIR ? ` [${names}]` : '')
  if (known?.attributes === text && known.content === content) return { inode: known, entries }
  const inode = {
    attributes: text,
    content,
    identity: `${ino}/${attributes.generation}`,
    shape: `${attributes.size} ${type}`,
  }
  return { inode, entries }
}

function describe(attributes: Attributes): string {
  const { ino, generation, mode, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime, btime } =
    attributes
  const device = [S_IFBLK, S_IFCHR].includes(mode & S_IFMT) ? ` ${rdev}` : ''
  const times = `${time(atime)} ${time(mtime)} ${time(ctime)} ${btime === undefined ? '-' : time(btime)}`
  return `${ino}/${generation} ${mode.toString(8)} ${nlink} ${uid}:${gid} ${size} ${blocks} ${times}${device}`
}

/** The extended attributes: each name with the checksum of its value. */
export function describeXattrs(fs: FileSystem, ino: number): string {
  const list = fs.listxattr(ino)
  if (list.length === 0) return ''
  const names = Buffer.from(list).toString('latin1').split('\0').slice(0, -1).sort()
  return names
    .map(
      (name) => ` ${name}=${crc32c(0, fs.getxattr(ino, Buffer.from(name, 'latin1')) ?? new Uint8Array(0))}`,
    )
    .join('')
}

/** Sorted by name, without `.` and `..`. Throws when a name comes twice. */
function readEntries(fs: FileSystem, ino: number): [string, number][] {
  const entries: [string, number][] = []
  fs.readdir(ino, 0n, (name, child) => {
    const text = Buffer.from(name).toString('latin1')
    if (text !== '.' && text !== '..') entries.push([text, child])
    return true
  })
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  for (let index = 1; index < entries.length; index++) {
    if (entries[index]?.[0] === entries[index - 1]?.[0])
      throw new Error(`inode ${ino} has "${entries[index]?.[0]}" twice`)
  }
  return entries
}

/** A copy of all that the file holds; `known` itself when that is the same. */
export function readContent(fs: FileSystem, ino: number, size: number, known?: Uint8Array): Uint8Array {
  const runs = fs.read(ino, 0, size)
  const total = runs.reduce((sum, { length }) => sum + length, 0)
  if (total !== size) throw new Error(`inode ${ino}: ${total} bytes of ${size} could be read`)
  if (known?.length === size && isSame(runs, known)) return known
  const content = new Uint8Array(size)
  let at = 0
  for (const run of runs) {
    if (run.bytes !== undefined) content.set(run.bytes.subarray(run.at, run.at + run.length), at)
    at += run.length
  }
  return content
}

function isSame(runs: readonly DataRun[], known: Uint8Array): boolean {
  let at = 0
  for (const { bytes, at: from, length } of runs) {
    const part = known.subarray(at, at + length)
    if (
      bytes === undefined
        ? part.some((byte) => byte !== 0)
        : Buffer.compare(bytes.subarray(from, from + length), part) !== 0
    )
      return false
    at += length
  }
  return true
}

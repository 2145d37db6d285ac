import { Completion } from '../../lib/completion.js'
import { FsError } from '../../lib/errno.js'
import {
  type AttributeChange,
  type Attributes,
  type Owner,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISUID,
  type StatFs,
  type Timespec,
} from '../../src/guest/vfs/attributes.js'
import type { FileAttr } from '../../src/guest/vfs/file-attr.js'
import type {
  DataRun,
  EntrySink,
  FileSystem,
  ShutdownMode,
  TrimRange,
} from '../../src/guest/vfs/file-system.js'

interface Node {
  attributes: Attributes
  entries: Map<string, number>
  data: Uint8Array
  users: number
  xattrs: Map<string, Uint8Array>
  fileAttr: FileAttr
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

/** A file system in memory, whose waits and failures a test decides. */
export class TinyFileSystem implements FileSystem {
  readonly root = 2
  readOnly = false
  readonly blockSize = 4096
  readonly canDax = true
  readonly maxFileSize = 2 ** 44
  readonly deadline = undefined
  readonly nodes = new Map<number, Node>()
  /** What {@link ready} returns next, first to last. */
  readonly waits: (Promise<void> | undefined)[] = []
  /** When set, syncs wait: one completion each. */
  syncs: Completion[] | undefined
  /** When set, setattr of a size and fallocate wait for it. */
  slow: Completion | undefined
  /** Bytes that one write() takes, and what the next ones throw. */
  writeLimit = Number.POSITIVE_INFINITY
  readonly writeErrors: (FsError | undefined)[] = []
  readonly calls: string[] = []
  unmounted = 0
  /** Inodes whose access time was touched. */
  readonly accessed: number[] = []
  /** Inodes whose changes are synchronous, and directories whose entries are. */
  readonly synchronous = new Set<number>()
  readonly synchronousEntries = new Set<number>()
  #next = 11
  #clock = 1000

  constructor() {
    this.#make(S_IFDIR | 0o755, { uid: 0, gid: 0 }, 2)
  }

  #now(): Timespec {
    return { sec: this.#clock++, nsec: 5 }
  }

  #make(mode: number, { uid, gid, umask = 0 }: Owner, ino = this.#next++): number {
    const now = this.#now()
    const isDir = (mode & S_IFMT) === S_IFDIR
    const times = { atime: now, mtime: now, ctime: now, btime: now }
    const attributes = {
      ...times,
      ...{
        ino,
        generation: ino * 7,
        mode: mode & ~umask,
        nlink: isDir ? 2 : 1,
        rdev: 0,
        size: 0,
        blocks: 0,
        blockSize: 4096,
      },
      uid,
      gid,
    }
    this.nodes.set(ino, {
      attributes,
      entries: new Map(),
      data: new Uint8Array(0),
      users: 0,
      xattrs: new Map(),
      fileAttr: { flags: 0, projectId: 0 },
    })
    return ino
  }

  node(ino: number): Node {
    const node = this.nodes.get(ino)
    if (node === undefined) throw new FsError('ENOENT', `inode ${ino}`)
    return node
  }

  #enter(dir: number, name: Uint8Array, ino: number): number {
    const { entries } = this.node(dir)
    if (entries.has(text(name))) throw new FsError('EEXIST')
    entries.set(text(name), ino)
    return ino
  }

  #leave(dir: number, name: Uint8Array): Node {
    const { entries } = this.node(dir)
    const ino = entries.get(text(name))
    if (ino === undefined) throw new FsError('ENOENT')
    entries.delete(text(name))
    const node = this.node(ino)
    node.attributes.nlink--
    return node
  }

  #reap(node: Node): void {
    const { attributes, users } = node
    if (attributes.nlink === 0 && users === 0) this.nodes.delete(attributes.ino)
  }

  ready(): Promise<void> | undefined {
    if (this.readOnly) throw new FsError('EROFS')
    return this.waits.shift()
  }

  caller: readonly unknown[] = []

  setCaller(...caller: unknown[]): void {
    this.caller = caller
  }

  statfs(): StatFs {
    const counts = { blocks: 5e9, blocksFree: 4e9, blocksAvailable: 3e9, files: 100, filesFree: 90 }
    return { ...counts, blockSize: 4096, nameMax: 255 }
  }

  lookup(dir: number, name: Uint8Array): number | undefined {
    return this.node(dir).entries.get(text(name))
  }

  getattr(ino: number): Attributes {
    return this.node(ino).attributes
  }

  setattr(ino: number, change: AttributeChange): void | Promise<void> {
    const node = this.node(ino)
    const now = this.#now()
    const { attributes } = node
    this.calls.push(`setattr ${ino} ${JSON.stringify(change)}`)
    if (change.mode !== undefined) attributes.mode = (attributes.mode & S_IFMT) | change.mode
    if (change.killPrivileges) attributes.mode &= ~(S_ISUID | S_ISGID)
    attributes.uid = change.uid ?? attributes.uid
    attributes.gid = change.gid ?? attributes.gid
    if (change.atime) attributes.atime = change.atime === 'now' ? now : change.atime
    if (change.mtime) attributes.mtime = change.mtime === 'now' ? now : change.mtime
    attributes.ctime = change.ctime ?? now
    const { size } = change
    if (size === undefined) return
    const resize = () => {
      const data = new Uint8Array(size)
      data.set(node.data.subarray(0, size))
      node.data = data
      attributes.size = size
    }
    if (this.slow) return this.slow.promise.then(resize)
    resize()
  }

  readlink(ino: number): Uint8Array {
    return this.node(ino).data
  }

  mknod(dir: number, name: Uint8Array, mode: number, rdev: number, owner: Owner): number {
    if (this.lookup(dir, name) !== undefined) throw new FsError('EEXIST')
    const ino = this.#enter(dir, name, this.#make(mode, owner))
    this.node(ino).attributes.rdev = rdev
    return ino
  }

  tmpfile(_dir: number, mode: number, owner: Owner): number {
    const ino = this.#make(S_IFREG | mode, owner)
    this.node(ino).attributes.nlink = 0
    return ino
  }

  mkdir(dir: number, name: Uint8Array, mode: number, owner: Owner): number {
    if (this.lookup(dir, name) !== undefined) throw new FsError('EEXIST')
    this.node(dir).attributes.nlink++
    return this.#enter(dir, name, this.#make(S_IFDIR | mode, owner))
  }

  symlink(dir: number, name: Uint8Array, target: Uint8Array, owner: Owner): number {
    const ino = this.#enter(dir, name, this.#make(S_IFLNK | 0o777, owner))
    this.node(ino).data = target.slice()
    this.node(ino).attributes.size = target.length
    return ino
  }

  link(ino: number, dir: number, name: Uint8Array): void {
    this.#enter(dir, name, ino)
    this.node(ino).attributes.nlink++
  }

  unlink(dir: number, name: Uint8Array): void {
    this.#reap(this.#leave(dir, name))
  }

  rmdir(dir: number, name: Uint8Array): void {
    const ino = this.lookup(dir, name)
    if (ino !== undefined && this.node(ino).entries.size > 0) throw new FsError('ENOTEMPTY')
    const removed = this.#leave(dir, name)
    removed.attributes.nlink = 0
    this.node(dir).attributes.nlink--
    this.#reap(removed)
  }

  rename(dir: number, name: Uint8Array, newDir: number, newName: Uint8Array, flags: number): void {
    this.calls.push(`rename ${dir} ${text(name)} ${newDir} ${text(newName)} ${flags}`)
    const ino = this.lookup(dir, name)
    if (ino === undefined) throw new FsError('ENOENT')
    if (this.lookup(newDir, newName) !== undefined) this.unlink(newDir, newName)
    this.node(dir).entries.delete(text(name))
    this.#enter(newDir, newName, ino)
  }

  readdir(dir: number, cookie: bigint, sink: EntrySink): void {
    const { entries } = this.node(dir)
    const all: [string, number][] = [['.', dir], ['..', this.root], ...entries]
    for (let index = Number(cookie & 0xffffn); index < all.length; index++) {
      const [name, ino] = all[index]!
      const next = 0x7fff_ffff_ffff_0000n | BigInt(index + 1)
      if (!sink(Buffer.from(name, 'latin1'), ino, this.node(ino).attributes.mode >>> 12, next)) return
    }
  }

  read(ino: number, offset: number, length: number): DataRun[] {
    const { data } = this.node(ino)
    const end = Math.min(data.length, offset + length)
    return offset >= end ? [] : [{ bytes: data, at: offset, length: end - offset, address: 0 }]
  }

  write(
    ino: number,
    offset: number,
    source: Uint8Array,
    from: number,
    to: number,
    keepTimes: boolean,
  ): number {
    const error = this.writeErrors.shift()
    if (error) throw error
    const node = this.node(ino)
    const count = Math.min(to - from, this.writeLimit)
    this.calls.push(`write ${ino} ${offset} ${count} ${keepTimes}`)
    if (node.data.length < offset + count) {
      const grown = new Uint8Array(offset + count)
      grown.set(node.data)
      node.data = grown
      node.attributes.size = grown.length
    }
    node.data.set(source.subarray(from, from + count), offset)
    if (!keepTimes) node.attributes.mtime = this.#now()
    return count
  }

  fallocate(ino: number, mode: number, offset: number, length: number): void | Promise<void> {
    this.calls.push(`fallocate ${ino} ${mode} ${offset} ${length}`)
    if (this.slow) return this.slow.promise
  }

  seek(ino: number, offset: number, what: 'data' | 'hole'): number {
    const { size } = this.node(ino).attributes
    if (offset >= size) throw new FsError('ENXIO')
    return what === 'data' ? offset : size
  }

  getxattr(ino: number, name: Uint8Array): Uint8Array | undefined {
    return this.node(ino).xattrs.get(text(name))
  }

  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    this.calls.push(`setxattr ${ino} ${text(name)} ${text(value)} ${flags}`)
    this.node(ino).xattrs.set(text(name), value.slice())
  }

  listxattr(ino: number): Uint8Array {
    return Buffer.from([...this.node(ino).xattrs.keys()].map((name) => `${name}\0`).join(''), 'latin1')
  }

  removexattr(ino: number, name: Uint8Array): void {
    if (!this.node(ino).xattrs.delete(text(name))) throw new FsError('ENODATA')
  }

  getFileAttr(ino: number): FileAttr {
    return this.node(ino).fileAttr
  }

  setFileAttr(ino: number, attr: FileAttr): void {
    this.node(ino).fileAttr = attr
  }

  #sync(): Promise<void> | undefined {
    if (this.syncs === undefined) return undefined
    const completion = new Completion()
    this.syncs.push(completion)
    return completion.promise
  }

  async trim({ start, length, least }: TrimRange): Promise<TrimRange> {
    this.calls.push(`trim ${start} ${length} ${least}`)
    return { start, length: 12288, least: Math.max(least, 4096) }
  }

  fiemap(): [] {
    return []
  }

  bmap(ino: number, block: number): number {
    return block < 3 ? ino * 100 + block : 0
  }

  label: Uint8Array = Buffer.from('tiny')

  getLabel(): Uint8Array {
    return this.label
  }

  setLabel(label: Uint8Array): void {
    this.label = label.slice()
  }

  async shutDown(mode: ShutdownMode): Promise<void> {
    this.calls.push(`shutDown ${mode}`)
  }

  fsync(ino: number, dataOnly: boolean): Promise<void> | undefined {
    this.calls.push(`fsync ${ino} ${dataOnly}`)
    return this.#sync()
  }

  touchAtime(ino: number): boolean {
    this.accessed.push(ino)
    return true
  }

  isSynchronous(ino: number, entries: boolean): boolean {
    return this.synchronous.has(ino) || (entries && this.synchronousEntries.has(ino))
  }

  commit(): Promise<void> | undefined {
    this.calls.push('commit')
    return this.#sync()
  }

  syncfs(): Promise<void> | undefined {
    this.calls.push('syncfs')
    return this.#sync()
  }

  retain(ino: number): void {
    this.node(ino).users++
  }

  release(ino: number, count: number): void {
    const node = this.node(ino)
    node.users -= count
    this.#reap(node)
  }

  tick(): void {}

  async unmount(): Promise<void> {
    this.unmounted++
  }

  /** A regular file in the root directory. */
  addFile(name: string, content = '', mode = 0o644): number {
    const ino = this.mknod(this.root, Buffer.from(name), S_IFREG | mode, 0, { uid: 0, gid: 0 })
    this.node(ino).data = Buffer.from(content)
    this.node(ino).attributes.size = content.length
    return ino
  }
}

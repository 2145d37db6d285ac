import debug from 'debug'
import type { DataRun, FileSystem } from '../guest/vfs/file-system.js'
import { FUSE_NOTIFY_INVAL_INODE, FUSE_ROOT_ID, NotifyInvalInodeOut } from './abi/header.js'
import { type Channel, PAYLOAD } from './channel.js'
import { NodeTable } from './node-table.js'
import type { Request } from './request.js'
import { Statistics } from './statistics.js'

export const log = debug('fakedax:fuse')

/**
 * How file data travels. `always`: direct I/O on every regular file, each write(2) is in pmem when it returns.
 * `never`: the kernel's page cache with write-back. `inode`: direct I/O where {@link ConnectionOptions.isDax} says
 * so, the page cache with write-through elsewhere (write-back is the whole connection's, and with it the kernel
 * would keep stale times for files under direct I/O).
 */
export type DaxMode = 'always' | 'never' | 'inode'

/** Reads `length` bytes at `address` of the process that waits for a request. Rejects with FsError EFAULT. */
export type CallerMemory = (pid: number, address: number, length: number) => Promise<Uint8Array>

export interface ConnectionOptions {
  dax?: DaxMode
  /** For `inode`: whether the file has the DAX flag. */
  isDax?: (ino: number) => boolean
  /** Whether POSIX ACLs count; true when absent. */
  acl?: boolean
  /** Every access is to be seen: targets of symlinks and entries of directories are not cached. */
  strictatime?: boolean
  /** There may be idmapped mounts, for which the kernel tells who asks only where something is created. */
  idmapped?: boolean
  /** What DESTROY does, after all inodes were given back; FileSystem.unmount when absent. */
  unmount?: () => Promise<void>
  callerMemory?: CallerMemory
  /** Supplementary groups of a thread; none when it is gone, or absent. */
  groupsOf?: (pid: number) => readonly number[]
}

/** Who asks, as a request's header tells. */
export type Caller = Pick<Request, 'uid' | 'gid' | 'pid'>

/** What the handlers of one connection share. */
export class Connection {
  readonly fs: FileSystem
  readonly dax: DaxMode
  readonly acl: boolean
  readonly strictatime: boolean
  readonly idmapped: boolean
  readonly nodes: NodeTable
  readonly statistics = new Statistics()
  /** The reply buffer; payloads begin at PAYLOAD. */
  readonly reply: DataView
  readonly replyBytes: Uint8Array
  /** What the READ handled last returned. */
  runs: readonly DataRun[] = []
  /** Negotiated by INIT; 0 before. */
  minor = 0
  writebackCache = false
  /** SETXATTR has the long form of its structure. */
  setxattrExt = false
  /** The kernel opens directories without asking once it was told ENOSYS. */
  noOpendir = false
  /** Inode whose cached attributes the kernel has to drop once it has the reply; 0: none. */
  staleAttributes = 0
  /** The kernel has to drop what it knows of that inode's entries too. */
  staleEntries = false
  /** Inode that the request read; 0: none. */
  accessed = 0
  /** DESTROY was handled. */
  destroyed = false
  /** Absent: what is in the memory of callers cannot be known. */
  readonly callerMemory: CallerMemory | undefined
  readonly #groupsOf: (pid: number) => readonly number[]
  readonly #channel: Channel
  readonly #isDax: (ino: number) => boolean
  readonly #unmount: () => Promise<void>

  constructor(fs: FileSystem, channel: Channel, options: ConnectionOptions = {}) {
    this.fs = fs
    this.#channel = channel
    this.nodes = new NodeTable(fs)
    this.reply = channel.reply
    this.replyBytes = channel.replyBytes
    this.dax = options.dax ?? 'always'
    this.acl = options.acl ?? true
    this.#groupsOf = options.groupsOf ?? (() => [])
    this.callerMemory = options.callerMemory
    this.strictatime = options.strictatime ?? false
    this.idmapped = options.idmapped ?? false
    this.#isDax = options.isDax ?? (() => false)
    this.#unmount = options.unmount ?? (() => fs.unmount())
  }

  /**
   * Whether the caller is of the group; when it is not the main one, the system is asked, and the file system told of
   * all, since it will ask the same.
   */
  isMember({ uid, gid, pid }: Caller, group: number): boolean {
    if (gid === group) return true
    const groups = this.#groupsOf(pid)
    this.fs.setCaller(uid, gid, groups)
    return groups.includes(group)
  }

  /** The kernel is to ask for the entries of a directory again. */
  dropEntries(ino: number): void {
    this.staleAttributes = ino
    this.staleEntries = true
  }

  /**
   * Tells the kernel to forget attributes of an inode, and with `entries` what it knows of a directory's entries. Without
   * them it waits for nothing. Uses the payload of the reply buffer.
   */
  invalidate(ino: number, entries = false): void {
    const { reply } = this
    NotifyInvalInodeOut.ino.set(reply, PAYLOAD, ino === this.fs.root ? FUSE_ROOT_ID : ino)
    // From -1 on: the attributes alone.
    reply.setBigInt64(PAYLOAD + NotifyInvalInodeOut.off.offset, entries ? 0n : -1n, true)
    NotifyInvalInodeOut.len.set(reply, PAYLOAD, 0)
    // ENOENT: the kernel does not know the inode any more.
    this.#channel.send(0, 0, FUSE_NOTIFY_INVAL_INODE, NotifyInvalInodeOut.SIZE)
  }

  usesDirectIo(ino: number): boolean {
    return this.dax === 'always' || (this.dax === 'inode' && this.#isDax(ino))
  }

  /**
   * Releases an inode that has no lookups left. Freeing it may need room in the journal; errors are nobody's: the
   * inode then stays on the orphan list.
   */
  release(ino: number): void {
    const wait = this.#ready()
    if (wait === undefined) this.#release(ino)
    else
      void wait.then(
        () => this.release(ino),
        () => this.#release(ino),
      )
  }

  /** Takes back all lookups. */
  async releaseAll(): Promise<void> {
    for (const ino of this.nodes.clear()) {
      await this.#ready()?.catch(() => {})
      this.#release(ino)
    }
  }

  async destroy(): Promise<void> {
    await this.releaseAll()
    await this.#unmount()
    this.destroyed = true
  }

  /** As FileSystem.ready; a file system that may not change gives its users back all the same. */
  #ready(): Promise<void> | undefined {
    try {
      return this.fs.ready()
    } catch {
      return undefined
    }
  }

  #release(ino: number): void {
    try {
      this.nodes.release(ino)
    } catch (error) {
      log('release of inode %d: %o', ino, error)
    }
  }
}

/**
 * Serves one request: writes the payload at PAYLOAD of the reply buffer and returns its length, or a negative errno
 * (a cheap FsError). A promise when the answer must wait; the request's bytes are gone when it resolves.
 */
export type Handler = (connection: Connection, request: Request) => number | Promise<unknown>

/** Writes the payload of a request that waited; `value` is what its promise resolved to. */
export type Finish = (connection: Connection, request: Request, value: unknown) => number

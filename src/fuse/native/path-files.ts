/** The operations by path, on a file system by inodes. */
import { FsError } from '../../../lib/errno.js'
import {
  type AttributeChange,
  type Attributes,
  type Owner,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  type StatFs,
  type Timespec,
} from '../../guest/vfs/attributes.js'
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from '../../guest/vfs/file-attr.js'
import type { FileSystem } from '../../guest/vfs/file-system.js'
import { O_DSYNC, O_NOATIME, O_SYNC } from '../abi/file.js'
import { copyRuns } from '../channel.js'
import { HeldInodes } from './held-inodes.js'
import { OpenFiles } from './open-files.js'
import type { Listing, PathCall, PathOperations } from './path-operations.js'
import { encodeUtf8, PathWalk, type Place } from './path-walk.js'
import { UnlinkedNames } from './unlinked-names.js'

/** As in asm-generic/fcntl.h. */
const O_ACCMODE = 0o3
const O_APPEND = 0o2000

/** chown(2): this one stays. */
const UNCHANGED = 0xffff_ffff

const decoder = new TextDecoder()

export class PathFiles implements PathOperations {
  readonly inodes: HeldInodes
  readonly #fs: FileSystem
  readonly #caller: Owner
  readonly #unlinked: UnlinkedNames
  readonly #files: OpenFiles
  readonly #walk: PathWalk
  #leaving: Place | undefined

  /** `caller`: the one user who may use the mount, since libfuse's callbacks do not say who calls. */
  constructor(fs: FileSystem, caller: { uid: number; gid: number }) {
    this.#fs = fs
    this.#caller = caller
    this.inodes = new HeldInodes(fs)
    this.#unlinked = new UnlinkedNames()
    this.#files = new OpenFiles(this.inodes)
    this.#walk = new PathWalk(fs, this.#unlinked)
  }

  getattr(path: string): Attributes {
    return this.#fs.getattr(this.#walk.inode(path))
  }

  fgetattr(fd: number): Attributes {
    return this.#fs.getattr(this.#files.inode(fd))
  }

  statfs(): StatFs {
    return this.#fs.statfs()
  }

  readlink(path: string): string {
    const ino = this.#walk.inode(path)
    const target = decoder.decode(this.#fs.readlink(ino))
    this.#fs.touchAtime(ino)
    return target
  }

  readdir(path: string): Listing {
    const listing: Listing = { names: [], inodes: [], types: [] }
    const dir = this.#walk.inode(path)
    this.#fs.readdir(dir, 0n, (name, ino, type) => {
      listing.names.push(decoder.decode(name))
      listing.inodes.push(ino)
      listing.types.push(type)
      return true
    })
    this.#fs.touchAtime(dir)
    return listing
  }

  mknod(path: string, mode: number, rdev: number): void | Promise<void> {
    const place = this.#walk.place(path)
    this.#make(place, mode, rdev)
    return this.#changed(place.dir)
  }

  mkdir(path: string, mode: number): void | Promise<void> {
    const { dir, name } = this.#walk.place(path)
    const directory = this.#fs.getattr(dir)
    // A directory in a set-group-id directory is one too.
    this.#fs.mkdir(dir, name, (mode & 0o7777) | (directory.mode & S_ISGID), this.#ownerIn(directory))
    return this.#changed(dir)
  }

  symlink(target: string, path: string): void | Promise<void> {
    const { dir, name } = this.#walk.place(path)
    this.#fs.symlink(dir, name, encodeUtf8(target), this.#ownerIn(this.#fs.getattr(dir)))
    return this.#changed(dir)
  }

  link(from: string, to: string): void | Promise<void> {
    const { dir, name } = this.#walk.place(to)
    this.#fs.link(this.#walk.inode(from), dir, name)
    return this.#changed(dir)
  }

  unlink(path: string): void | Promise<void> {
    const { dir, name } = this.#walk.place(path)
    // libfuse unlinks what it has hidden after it was closed: that is done already.
    if (UnlinkedNames.isHidden(name) && this.#fs.lookup(dir, name) === undefined) return
    this.#fs.unlink(dir, name)
    return this.#changed(dir)
  }

  rmdir(path: string): void | Promise<void> {
    const { dir, name } = this.#walk.place(path)
    this.#fs.rmdir(dir, name)
    return this.#changed(dir)
  }

  rename(from: string, to: string): void | Promise<void> {
    const source = this.#walk.place(from)
    const target = this.#walk.place(to)
    const isHidden = UnlinkedNames.isHidden(target.name) && source.dir === target.dir
    if (isHidden && this.#hide(source, target)) return this.#changed(source.dir)
    this.#leaving = undefined
    this.#fs.rename(source.dir, source.name, target.dir, target.name, 0)
    return this.#changed(source.dir, target.dir)
  }

  /**
   * False when the file is not open: then it was not libfuse that chose the name. libfuse does this before unlink(2) and
   * before a rename over an open file, and does not say which: the entry stays until the next call shows it, so that
   * the rename replaces it in one transaction.
   */
  #hide(place: Place, hidden: Place): boolean {
    const { dir, name } = place
    const ino = this.#fs.lookup(dir, name)
    if (ino === undefined || !this.#files.isOpen(ino)) return false
    this.#unlinked.add(hidden, ino)
    if (this.#fs.isSynchronous(dir, true)) this.#fs.unlink(dir, name)
    else this.#leaving = place
    return true
  }

  /** An entry is there that is gone for whoever uses the mount: see {@link meetsLeaving}. */
  get isLeaving(): boolean {
    return this.#leaving !== undefined
  }

  /**
   * Whether a call would find the entry that is to go, or change something after it, so that {@link leave} must come
   * first. Syncs, reads and writes of open files go on as they are: one between libfuse's two steps of a rename would
   * else make the first one durable by itself.
   */
  meetsLeaving(call: PathCall): boolean {
    const leaving = this.#leaving
    if (leaving === undefined) return false
    switch (call.operation) {
      case 'statfs':
      case 'read':
      case 'write':
      case 'ftruncate':
      case 'fsync':
      case 'release':
        return false
      case 'fgetattr':
        return this.#files.inode(call.parameters[0]) === this.#fs.lookup(leaving.dir, leaving.name)
      case 'readdir':
      case 'fsyncdir':
        return this.#walk.inode(call.parameters[0]) === leaving.dir
      case 'getattr':
      case 'open':
      case 'readlink':
      case 'getxattr':
      case 'listxattr':
        return call.parameters[0] !== '/' && isSame(this.#walk.place(call.parameters[0]), leaving)
      case 'rename':
        return !isSame(this.#walk.place(call.parameters[1]), leaving)
      default:
        return true
    }
  }

  /** The entry goes, as unlink(2) had it. Changes the file system, which must be ready. */
  leave(): void {
    const place = this.#leaving
    this.#leaving = undefined
    if (place !== undefined) this.#fs.unlink(place.dir, place.name)
  }

  chmod(path: string, mode: number): void | Promise<void> {
    return this.#change(this.#walk.inode(path), { mode: mode & 0o7777 })
  }

  chown(path: string, uid: number, gid: number): void | Promise<void> {
    const change: AttributeChange = {}
    if (uid !== UNCHANGED) change.uid = uid
    if (gid !== UNCHANGED) change.gid = gid
    return this.#change(this.#walk.inode(path), change)
  }

  truncate(path: string, size: number): void | Promise<void> {
    return this.#change(this.#walk.inode(path), { size })
  }

  ftruncate(fd: number, size: number): void | Promise<void> {
    return this.#change(this.#files.inode(fd), { size })
  }

  /** EOVERFLOW before 1970: fuse-native could not tell such a time again. */
  utimens(path: string, atime: number, mtime: number): void | Promise<void> {
    if (atime < 0 || mtime < 0) throw new FsError('EOVERFLOW', 'times before 1970')
    return this.#change(this.#walk.inode(path), { atime: timespecOf(atime), mtime: timespecOf(mtime) })
  }

  open(path: string, flags: number): number {
    const ino = this.#walk.inode(path)
    if ((flags & O_ACCMODE) !== 0) this.#requireWritable(ino, flags)
    return this.#files.open(ino)
  }

  create(path: string, mode: number): number | Promise<number> {
    const place = this.#walk.place(path)
    const fd = this.#files.open(this.#make(place, (mode & 0o7777) | S_IFREG, 0))
    return this.#changed(place.dir)?.then(() => fd) ?? fd
  }

  release(fd: number): void {
    const ino = this.#files.inode(fd)
    this.#files.close(fd)
    if (!this.#files.isOpen(ino)) this.#unlinked.forget(ino)
  }

  read(fd: number, offset: number, length: number, flags: number): Uint8Array {
    const ino = this.#files.inode(fd)
    const runs = this.#fs.read(ino, offset, length)
    const bytes = new Uint8Array(runs.reduce((sum, run) => sum + run.length, 0))
    copyRuns(bytes, 0, runs)
    if ((flags & O_NOATIME) === 0) this.#fs.touchAtime(ino)
    return bytes
  }

  /** Fewer bytes than given when an error followed: the caller of write(2) meets the error with its next call. */
  async write(fd: number, offset: number, bytes: Uint8Array, flags: number): Promise<number> {
    const ino = this.#files.inode(fd)
    const done = await this.#store(ino, offset, bytes)
    if ((flags & O_SYNC) === O_SYNC) await this.#fs.fsync(ino, false)
    else if ((flags & O_DSYNC) !== 0 || this.#fs.isSynchronous(ino, false)) await this.#fs.fsync(ino, true)
    return done
  }

  async #store(ino: number, offset: number, bytes: Uint8Array): Promise<number> {
    let done = 0
    let stalled = false
    try {
      while (done < bytes.length) {
        const stored = this.#fs.write(ino, offset + done, bytes, done, bytes.length, false)
        if (stored === 0 && stalled) throw new FsError('EIO', 'write makes no progress')
        stalled = stored === 0
        done += stored
        if (done === bytes.length) break
        for (let wait = this.#fs.ready(); wait !== undefined; wait = this.#fs.ready()) await wait
        this.#fs.setCaller(this.#caller.uid, this.#caller.gid)
      }
    } catch (error) {
      if (done === 0) throw error
    }
    return done
  }

  fsync(fd: number, dataOnly: boolean): void | Promise<void> {
    return this.#fs.fsync(this.#files.inode(fd), dataOnly)
  }

  fsyncdir(path: string, dataOnly: boolean): void | Promise<void> {
    const ino = this.#walk.inode(path)
    const wait = this.#fs.fsync(ino, dataOnly)
    return wait && this.inodes.during(ino, wait)
  }

  getxattr(path: string, name: string, room: number): Uint8Array {
    const value = this.#fs.getxattr(this.#walk.inode(path), attributeName(name))
    if (value === undefined) throw new FsError('ENODATA', `no attribute '${name}'`)
    return fitting(value, room)
  }

  listxattr(path: string, room: number): Uint8Array {
    return fitting(this.#fs.listxattr(this.#walk.inode(path)), room)
  }

  setxattr(path: string, name: string, value: Uint8Array, flags: number): void | Promise<void> {
    const ino = this.#walk.inode(path)
    this.#fs.setxattr(ino, attributeName(name), value, flags)
    return this.#syncIfAsked(ino)
  }

  removexattr(path: string, name: string): void | Promise<void> {
    const ino = this.#walk.inode(path)
    this.#fs.removexattr(ino, attributeName(name))
    return this.#syncIfAsked(ino)
  }

  #make({ dir, name }: Place, mode: number, rdev: number): number {
    const typed = (mode & S_IFMT) === 0 ? mode | S_IFREG : mode
    return this.#fs.mknod(dir, name, typed, rdev, this.#ownerIn(this.#fs.getattr(dir)))
  }

  /** As inode_init_owner() of Linux. The kernel has applied the umask. */
  #ownerIn(directory: Attributes): Owner {
    const { uid, gid } = this.#caller
    return { uid, gid: directory.mode & S_ISGID ? directory.gid : gid }
  }

  #change(ino: number, change: AttributeChange): void | Promise<void> {
    const wait = this.#fs.setattr(ino, change)
    if (wait === undefined) return this.#syncIfAsked(ino)
    return this.inodes.during(
      ino,
      wait.then(() => this.#syncIfAsked(ino)),
    )
  }

  /** The inode was changed: with the mount option sync, or its flag, that is durable before it is answered. */
  #syncIfAsked(ino: number): Promise<void> | undefined {
    if (!this.#fs.isSynchronous(ino, false)) return undefined
    const wait = this.#fs.fsync(ino, false)
    return wait && this.inodes.during(ino, wait)
  }

  /** The same of entries of directories, with dirsync. */
  #changed(...dirs: number[]): Promise<void> | undefined {
    return dirs.some((dir) => this.#fs.isSynchronous(dir, true)) ? this.#fs.commit() : undefined
  }

  /** EPERM for what is immutable, or append-only and not opened so: the kernel does not know these flags. */
  #requireWritable(ino: number, flags: number): void {
    const protectedBy = this.#fs.getFileAttr(ino).flags
    const refused =
      (protectedBy & FS_IMMUTABLE_FL) !== 0 ||
      ((protectedBy & FS_APPEND_FL) !== 0 && (flags & O_APPEND) === 0)
    if (refused) throw new FsError('EPERM', `inode ${ino} is immutable or append-only`)
  }
}

function isSame(one: Place, other: Place): boolean {
  return one.dir === other.dir && Buffer.compare(one.name, other.name) === 0
}

function timespecOf(milliseconds: number): Timespec {
  const sec = Math.floor(milliseconds / 1000)
  return { sec, nsec: (milliseconds - sec * 1000) * 1_000_000 }
}

/** A copy: the file system's view lives until its next operation. ERANGE when it is longer than `room`. */
function fitting(bytes: Uint8Array, room: number): Uint8Array {
  if (room !== 0 && bytes.length > room)
    throw new FsError('ERANGE', `${bytes.length} bytes, room for ${room}`)
  return bytes.slice()
}

/**
 * ACLs are refused: with protocol 7.19 the kernel would not check them. EOPNOTSUPP, as on a mount with noacl.
 */
function attributeName(name: string): Uint8Array {
  if (name.startsWith('system.posix_acl_')) throw new FsError('EOPNOTSUPP', 'ACLs need a later FUSE protocol')
  return encodeUtf8(name)
}

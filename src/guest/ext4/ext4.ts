import createDebug from 'debug'
import { CorruptError, FsError } from '../../../lib/errno.js'
import type { BlockDevice } from '../block/block-device.js'
import type { Handle } from '../jbd2/handle.js'
import type { Journal } from '../jbd2/journal.js'
import type { JournalCounters } from '../jbd2/journal-log.js'
import type { AttributeChange, Attributes, Owner, StatFs } from '../vfs/attributes.js'
import type { FiemapExtent } from '../vfs/fiemap.js'
import type { FileAttr } from '../vfs/file-attr.js'
import type { DataRun, EntrySink, FileSystem, ShutdownMode, TrimRange } from '../vfs/file-system.js'
import { attributesOf, changeAttributes, isRefusedAppendOnly, isWriteBack } from './attributes.js'
import { dropCapability, hasCapability } from './capability.js'
import { Evictions } from './evictions.js'
import { FALLOC_FL_KEEP_SIZE } from './fallocate.js'
import { bmap, fiemap } from './fiemap.js'
import { maxFileSize, readFile, seekFile, writeFile } from './file.js'
import { getFileAttr, setFileAttr } from './file-attr.js'
import { commit, type Durability, fsync, isSynchronous, syncfs } from './fsync.js'
import { Inconsistencies } from './inconsistencies.js'
import { hasInlineData, isInline } from './inline-data.js'
import type { Inode } from './inode.js'
import { refuseImmutable } from './inode-flags.js'
import { getLabel, setLabel } from './label.js'
import { type Mounted, type MountReport, mountVolume } from './mount.js'
import type { MountOptions } from './mount-options.js'
import { markUnmounted } from './mount-state.js'
import * as namei from './namei.js'
import { RangeOperations } from './range-operations.js'
import { DAX_FL, GOOD_OLD_INODE_SIZE } from './raw-inode.js'
import { readdir } from './readdir.js'
import { overheadBlocks, statfs } from './statfs.js'
import { ROOT_INO } from './superblock.js'
import { readlink } from './symlink.js'
import { trim } from './trim.js'
import { continueTruncate, truncate } from './truncate.js'
import type { Volume } from './volume.js'
import { getAttribute, listAttributes, removeAttribute, setAttribute } from './xattr-handler.js'

const log = createDebug('fakedax:ext4')

/** Only blocks of this size can be mapped, bytes. */
const PAGE_SIZE = 4096
const NO_GROUPS: readonly number[] = []
const SHUT_DOWN = 'the file system was shut down'

/** Metadata blocks that one operation may touch: two directories that split to the root, inodes, bitmaps. */
const OPERATION_CREDITS = 96
/** With fewer blocks at hand, freed ones are waited for before an operation begins. */
const SCARCE_BLOCKS = 2048

/** A mounted ext4 file system. The algorithms are elsewhere; here operations become transactions. */
export class Ext4 implements FileSystem {
  readonly root = ROOT_INO
  readonly blockSize: number
  readonly canDax: boolean
  readonly report: MountReport
  readonly #volume: Volume
  readonly #journal: Journal | undefined
  readonly #inconsistencies: Inconsistencies
  /** Undefined when mounted read-only. */
  readonly #durability: Durability | undefined
  readonly #overhead: number
  readonly #ranges = new RangeOperations()
  /** Undefined when mounted read-only. */
  readonly #evictions: Evictions | undefined
  #shutDown = false

  /** Recovers the journal if need be and mounts. Throws UnsupportedError, CorruptError or FsError. */
  static async mount(device: BlockDevice, options: MountOptions): Promise<Ext4> {
    return new Ext4(await mountVolume(device, options))
  }

  private constructor({ volume, journal, errors, barrier, report }: Mounted) {
    this.#volume = volume
    this.#journal = journal
    this.#inconsistencies = new Inconsistencies(volume, journal, errors)
    this.#durability = journal && { volume, journal, barrier }
    this.#overhead = volume.behaviour.minixdf ? 0 : overheadBlocks(volume)
    this.report = report
    this.blockSize = volume.blockSize
    // As Linux, which refuses the mount option dax for a file system that may have data in inodes.
    this.canDax = volume.blockSize === PAGE_SIZE && !hasInlineData(volume)
    if (journal === undefined) return
    const credits = Math.min(OPERATION_CREDITS, journal.maxCredits)
    this.#evictions = new Evictions(volume, journal, credits, (operation) => this.#change(operation))
    journal.onAbort = (error) => log('journal aborted, the file system is read-only now: %s', error.message)
  }

  get maxFileSize(): number {
    return maxFileSize(this.#volume)
  }

  /** Inodes of 128 bytes have no room for the fraction of a second. */
  get timeGranularity(): number {
    return this.#volume.inodeSize > GOOD_OLD_INODE_SIZE ? 1 : 1_000_000_000
  }

  get readOnly(): boolean {
    return this.#journal === undefined || this.#journal.aborted !== undefined
  }

  /** Called when `errors=panic` and an inconsistency was found. */
  set onPanic(callback: (error: Error) => void) {
    this.#inconsistencies.onPanic = callback
  }

  /** The journal's counters; undefined when mounted read-only. */
  get journalCounters(): Readonly<JournalCounters> | undefined {
    return this.#journal?.counters
  }

  /** Why the file system became read-only, when it did. */
  get failure(): FsError | undefined {
    return this.#journal?.aborted
  }

  ready(): Promise<void> | undefined {
    const journal = this.#writable()
    if (this.#ranges.shift !== undefined) return this.#ranges.shift
    this.#volume.cache.trim()
    this.#volume.inodeCache.trim()
    const { blockAllocator } = this.#volume
    if (blockAllocator.hasPending && blockAllocator.available < SCARCE_BLOCKS) {
      const committed = journal.commit()
      if (blockAllocator.hasPending || journal.aborted !== undefined) return committed
    }
    return journal.ready(Math.min(OPERATION_CREDITS, journal.maxCredits))
  }

  setCaller(uid: number, gid: number, groups: readonly number[] = NO_GROUPS): void {
    const { caller } = this.#volume
    caller.uid = uid
    caller.gid = gid
    caller.groups = groups
  }

  statfs(ino: number = ROOT_INO): StatFs {
    return statfs(this.#inode(ino), this.#overhead)
  }

  lookup(dir: number, name: Uint8Array): number | undefined {
    this.#volume.inodeCache.trim()
    return this.#read(() => namei.lookup(this.#volume, this.#inode(dir), name))
  }

  getattr(ino: number): Attributes {
    if (ino === this.root) return attributesOf(this.#inode(ino))
    return this.#read(() => attributesOf(this.#inode(ino)))
  }

  setattr(ino: number, change: AttributeChange): void | Promise<void> {
    const inode = this.#inode(ino)
    if (!isWriteBack(change)) refuseImmutable(inode, isRefusedAppendOnly(change))
    if (change.size !== undefined) inode.requireRegular()
    const done = this.#change((handle) => {
      const truncated = change.size === undefined || truncate(handle, inode, change.size)
      changeAttributes(handle, inode, change)
      return truncated
    })
    if (!done) return continueTruncate(this.#writable(), inode)
  }

  readlink(ino: number): Uint8Array {
    return this.#read(() => readlink(this.#inode(ino)))
  }

  mknod(dir: number, name: Uint8Array, mode: number, rdev: number, owner: Owner): number {
    return this.#change(
      (handle) => namei.mknod(this.#volume, handle, this.#inode(dir), name, mode, rdev, owner).ino,
    )
  }

  tmpfile(dir: number, mode: number, owner: Owner): number {
    return this.#change((handle) => namei.tmpfile(this.#volume, handle, this.#inode(dir), mode, owner).ino)
  }

  mkdir(dir: number, name: Uint8Array, mode: number, owner: Owner): number {
    return this.#change(
      (handle) => namei.mkdir(this.#volume, handle, this.#inode(dir), name, mode, owner).ino,
    )
  }

  symlink(dir: number, name: Uint8Array, target: Uint8Array, owner: Owner): number {
    return this.#change(
      (handle) => namei.symlink(this.#volume, handle, this.#inode(dir), name, target, owner).ino,
    )
  }

  link(ino: number, dir: number, name: Uint8Array): void {
    this.#change((handle) => namei.link(this.#volume, handle, this.#inode(ino), this.#inode(dir), name))
  }

  unlink(dir: number, name: Uint8Array): void {
    const gone = this.#change((handle) => namei.unlink(this.#volume, handle, this.#inode(dir), name))
    this.#evictions?.evictIfUnused(gone)
  }

  rmdir(dir: number, name: Uint8Array): void {
    const gone = this.#change((handle) => namei.rmdir(this.#volume, handle, this.#inode(dir), name))
    this.#evictions?.evictIfUnused(gone)
  }

  rename(dir: number, name: Uint8Array, newDir: number, newName: Uint8Array, flags: number): void {
    const replaced = this.#change((handle) =>
      namei.rename(this.#volume, handle, this.#inode(dir), name, this.#inode(newDir), newName, flags),
    )
    if (replaced !== undefined) this.#evictions?.evictIfUnused(replaced)
  }

  readdir(dir: number, cookie: bigint, sink: EntrySink): void {
    this.#read(() => readdir(this.#volume, this.#inode(dir), cookie, sink))
  }

  read(ino: number, offset: number, length: number): DataRun[] {
    return this.#read(() => readFile(this.#inode(ino), offset, length))
  }

  write(
    ino: number,
    offset: number,
    source: Uint8Array,
    from: number,
    to: number,
    keepTimes: boolean,
  ): number {
    const inode = this.#inode(ino)
    inode.requireRegular()
    // A write-back of the page cache was written before the inode became immutable.
    if (!keepTimes) refuseImmutable(inode, false)
    if (hasCapability(inode)) this.#change((handle) => dropCapability(handle, inode))
    return this.#read(() => writeFile(this.#writable(), inode, { offset, source, from, to, keepTimes }))
  }

  fallocate(ino: number, mode: number, offset: number, length: number): void | Promise<void> {
    const inode = this.#inode(ino)
    refuseImmutable(inode, (mode & ~FALLOC_FL_KEEP_SIZE) !== 0)
    if (hasCapability(inode)) this.#change((handle) => dropCapability(handle, inode))
    return this.#read(() => this.#ranges.start(this.#writable(), inode, mode, offset, length))
  }

  seek(ino: number, offset: number, what: 'data' | 'hole'): number {
    return this.#read(() => seekFile(this.#inode(ino), offset, what))
  }

  getxattr(ino: number, name: Uint8Array): Uint8Array | undefined {
    return this.#read(() => getAttribute(this.#inode(ino), name))
  }

  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    const inode = this.#inode(ino)
    refuseImmutable(inode, true)
    this.#change((handle) => setAttribute(handle, inode, name, value, flags))
  }

  listxattr(ino: number): Uint8Array {
    return this.#read(() => listAttributes(this.#inode(ino), this.#volume.caller.uid === 0))
  }

  removexattr(ino: number, name: Uint8Array): void {
    const inode = this.#inode(ino)
    refuseImmutable(inode, true)
    this.#change((handle) => removeAttribute(handle, inode, name))
  }

  bmap(ino: number, block: number): number {
    return this.#read(() => bmap(this.#inode(ino), block))
  }

  fiemap(ino: number, offset = 0, length = Number.MAX_SAFE_INTEGER): FiemapExtent[] {
    return this.#read(() => fiemap(this.#inode(ino), offset, length))
  }

  getLabel(): Uint8Array {
    return this.#read(() => getLabel(this.#volume))
  }

  setLabel(label: Uint8Array): void {
    this.#change((handle) => setLabel(this.#volume, handle, label))
  }

  getFileAttr(ino: number): FileAttr {
    return this.#read(() => getFileAttr(this.#inode(ino)))
  }

  setFileAttr(ino: number, attr: FileAttr): void {
    this.#change((handle) => setFileAttr(handle, this.#inode(ino), attr))
  }

  async trim(range: TrimRange): Promise<TrimRange> {
    return trim(this.#volume, this.#writable(), range).catch((error) => {
      throw this.#noted(error)
    })
  }

  /** Once the journal is aborted it fails for ever. */
  fsync(ino: number, dataOnly: boolean): Promise<void> | undefined {
    return this.#durability && fsync(this.#durability, this.#inode(ino), dataOnly)
  }

  syncfs(): Promise<void> | undefined {
    return this.#durability && syncfs(this.#durability)
  }

  commit(): Promise<void> | undefined {
    return this.#durability && commit(this.#durability)
  }

  isSynchronous(ino: number, entries: boolean): boolean {
    return isSynchronous(this.#inode(ino), entries)
  }

  touchAtime(ino: number): boolean {
    return this.#volume.lazyTimes?.touch(this.#inode(ino)) ?? false
  }

  /** Whether the inode asks for DAX under `dax=inode`, EXT4_DAX_FL, and can have it. */
  isDax(ino: number): boolean {
    const inode = this.#inode(ino)
    return (inode.flags & DAX_FL) !== 0 && this.blockSize === PAGE_SIZE && !isInline(inode)
  }

  retain(ino: number): void {
    this.#inode(ino).users++
  }

  release(ino: number, count: number): void {
    const inode = this.#volume.inodeCache.peek(ino)
    if (inode === undefined) return
    inode.users = Math.max(0, inode.users - count)
    if (inode.users === 0) this.#volume.lazyTimes?.released(inode)
    this.#evictions?.evictIfUnused(inode)
  }

  get deadline(): number | undefined {
    return this.#volume.lazyTimes?.deadline
  }

  tick(now: number): void {
    this.#volume.lazyTimes?.tick(now)
  }

  async shutDown(mode: ShutdownMode): Promise<void> {
    if (this.#shutDown) return
    const journal = this.#writable()
    if (mode === 'default') await this.syncfs()
    this.#shutDown = true
    try {
      if (mode === 'logflush') await journal.commit()
    } finally {
      journal.shutDown()
    }
  }

  /** Rejects with EIO when the journal is aborted: what was not committed is lost then, the image is left to recovery. */
  async unmount(): Promise<void> {
    const journal = this.#journal
    if (journal === undefined || this.#shutDown) return
    await this.#evictions?.finish()
    await this.#volume.lazyTimes?.settle()
    await markUnmounted(this.#volume, journal)
  }

  #inode(ino: number): Inode {
    return this.#volume.inodeCache.get(ino)
  }

  #writable(): Journal {
    const journal = this.#journal
    if (this.#shutDown) throw new FsError('EIO', SHUT_DOWN)
    if (journal === undefined || journal.aborted !== undefined)
      throw new FsError('EROFS', 'the file system is read-only')
    return journal
  }

  #read<T>(operation: () => T): T {
    if (this.#shutDown) throw new FsError('EIO', SHUT_DOWN)
    try {
      return operation()
    } catch (error) {
      throw this.#noted(error)
    }
  }

  /** Runs an operation as part of the running transaction; when it fails, nothing of it remains. */
  #change<T>(operation: (handle: Handle) => T): T {
    const handle = this.#writable().start()
    let result: T
    try {
      result = operation(handle)
      handle.stop()
    } catch (error) {
      handle.revert()
      throw this.#noted(error)
    }
    if (this.#volume.unusedInodes.size > 0) this.#evictions?.evictValues()
    return result
  }

  #noted(error: unknown): unknown {
    if (error instanceof CorruptError) this.#inconsistencies.note(error)
    return error
  }
}

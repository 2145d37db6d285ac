/** What stat tells, in the shapes of node:fs. */
import {
  type Attributes,
  type StatFs as FileSystemStatistics,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type Timespec,
} from '../guest/vfs/attributes.js'

const EXT4_SUPER_MAGIC = 0xef53

/** Tells what kind of file a mode, or a directory entry, is. */
export abstract class FileKind {
  /** S_IFMT part of the mode. */
  protected abstract readonly kind: number

  isFile(): boolean {
    return this.kind === S_IFREG
  }

  isDirectory(): boolean {
    return this.kind === S_IFDIR
  }

  isSymbolicLink(): boolean {
    return this.kind === S_IFLNK
  }

  isBlockDevice(): boolean {
    return this.kind === S_IFBLK
  }

  isCharacterDevice(): boolean {
    return this.kind === S_IFCHR
  }

  isFIFO(): boolean {
    return this.kind === S_IFIFO
  }

  isSocket(): boolean {
    return this.kind === S_IFSOCK
  }
}

const milliseconds = ({ sec, nsec }: Timespec): number => sec * 1000 + nsec / 1e6
const nanoseconds = ({ sec, nsec }: Timespec): bigint => BigInt(sec) * 1_000_000_000n + BigInt(nsec)

/** As fs.Stats. */
export class Stats extends FileKind {
  readonly dev: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly blksize: number
  readonly ino: number
  readonly size: number
  readonly blocks: number
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number
  readonly atime: Date
  readonly mtime: Date
  readonly ctime: Date
  readonly birthtime: Date

  constructor(from: Attributes, dev: number) {
    super()
    this.dev = dev
    this.mode = from.mode
    this.nlink = from.nlink
    this.uid = from.uid
    this.gid = from.gid
    this.rdev = from.rdev
    this.blksize = from.blockSize
    this.ino = from.ino
    this.size = from.size
    this.blocks = from.blocks
    this.atimeMs = milliseconds(from.atime)
    this.mtimeMs = milliseconds(from.mtime)
    this.ctimeMs = milliseconds(from.ctime)
    this.birthtimeMs = milliseconds(from.btime ?? { sec: 0, nsec: 0 })
    this.atime = new Date(Math.round(this.atimeMs))
    this.mtime = new Date(Math.round(this.mtimeMs))
    this.ctime = new Date(Math.round(this.ctimeMs))
    this.birthtime = new Date(Math.round(this.birthtimeMs))
  }

  protected get kind(): number {
    return this.mode & S_IFMT
  }
}

/** As fs.BigIntStats. */
export class BigIntStats extends FileKind {
  readonly dev: bigint
  readonly mode: bigint
  readonly nlink: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly rdev: bigint
  readonly blksize: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly blocks: bigint
  readonly atimeMs: bigint
  readonly mtimeMs: bigint
  readonly ctimeMs: bigint
  readonly birthtimeMs: bigint
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint
  readonly atime: Date
  readonly mtime: Date
  readonly ctime: Date
  readonly birthtime: Date

  constructor(from: Attributes, dev: number) {
    super()
    const plain = new Stats(from, dev)
    this.dev = BigInt(dev)
    this.mode = BigInt(from.mode)
    this.nlink = BigInt(from.nlink)
    this.uid = BigInt(from.uid)
    this.gid = BigInt(from.gid)
    this.rdev = BigInt(from.rdev)
    this.blksize = BigInt(from.blockSize)
    this.ino = BigInt(from.ino)
    this.size = BigInt(from.size)
    this.blocks = BigInt(from.blocks)
    this.atimeNs = nanoseconds(from.atime)
    this.mtimeNs = nanoseconds(from.mtime)
    this.ctimeNs = nanoseconds(from.ctime)
    this.birthtimeNs = nanoseconds(from.btime ?? { sec: 0, nsec: 0 })
    this.atimeMs = this.atimeNs / 1_000_000n
    this.mtimeMs = this.mtimeNs / 1_000_000n
    this.ctimeMs = this.ctimeNs / 1_000_000n
    this.birthtimeMs = this.birthtimeNs / 1_000_000n
    this.atime = plain.atime
    this.mtime = plain.mtime
    this.ctime = plain.ctime
    this.birthtime = plain.birthtime
  }

  protected get kind(): number {
    return Number(this.mode) & S_IFMT
  }
}

export interface StatOptions {
  bigint?: boolean | undefined
}

export function statsOf(from: Attributes, dev: number, options?: StatOptions): Stats | BigIntStats {
  return options?.bigint === true ? new BigIntStats(from, dev) : new Stats(from, dev)
}

/** As fs.StatFs; numbers, or bigints where asked for. */
export interface StatsFs<T extends number | bigint> {
  type: T
  bsize: T
  blocks: T
  bfree: T
  bavail: T
  files: T
  ffree: T
}

export function statsFsOf(from: FileSystemStatistics): StatsFs<number> {
  return {
    type: EXT4_SUPER_MAGIC,
    bsize: from.blockSize,
    blocks: from.blocks,
    bfree: from.blocksFree,
    bavail: from.blocksAvailable,
    files: from.files,
    ffree: from.filesFree,
  }
}

export function bigStatsFs(from: StatsFs<number>): StatsFs<bigint> {
  const entries = Object.entries(from).map(([name, value]) => [name, BigInt(value as number)])
  return Object.fromEntries(entries) as StatsFs<bigint>
}

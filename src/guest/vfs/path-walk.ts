/** Path resolution, as path_resolution(7) has it and fs/namei.c of Linux does it. */
import { FsError } from '../../../lib/errno.js'
import { type Attributes, S_IFDIR, S_IFLNK, S_IFMT } from './attributes.js'
import { type Actor, MAY_EXEC, requirePermission } from './permission.js'

/** The longest path, with the NUL that ends it; bytes. */
export const PATH_MAX = 4096
/** MAXSYMLINKS: symbolic links followed in one walk. */
const MAX_SYMLINKS = 40

const SLASH = 0x2f
const DOT = 0x2e
const DOT_DOT = Uint8Array.of(DOT, DOT)

/** Who walks, and where relative paths begin. */
export interface Walker extends Actor {
  /** Inode of the current directory. */
  readonly cwd: number
}

/** What the last component of a path is: LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT (no component at all) of Linux. */
export type LastType = 'name' | 'dot' | 'dotdot' | 'root'

/** Where the last component of a path stands. */
export interface LastComponent {
  /** Inode of the directory. */
  dir: number
  name: Uint8Array
  type: LastType
  /** Slashes follow it. */
  slash: boolean
}

export const isDirectory = ({ mode }: Attributes): boolean => (mode & S_IFMT) === S_IFDIR
export const isSymlink = ({ mode }: Attributes): boolean => (mode & S_IFMT) === S_IFLNK

/**
 * One walk along a path. Throws ENOENT for an empty path, ENAMETOOLONG, ELOOP after 40 links, ENOTDIR and EACCES for
 * what is on the way.
 */
export class PathWalk {
  readonly #walker: Walker
  #path: Uint8Array
  #at = 0
  #dir: number
  #links = 0

  /** Relative paths begin at the directory `start`. */
  constructor(walker: Walker, path: Uint8Array, start = walker.cwd) {
    if (path.length === 0) throw new FsError('ENOENT', 'empty path')
    if (path.length >= PATH_MAX) throw new FsError('ENAMETOOLONG', `path of ${path.length} bytes`)
    this.#walker = walker
    this.#path = path
    this.#dir = path[0] === SLASH ? walker.fs.root : start
  }

  /** Goes on up to the directory of the last component. Links before it are followed. */
  toLast(): LastComponent {
    const { fs } = this.#walker
    const path = this.#path
    this.#skipSlashes()
    if (this.#at === path.length)
      return { dir: this.#dir, name: path.subarray(0, 0), type: 'root', slash: false }
    for (;;) {
      const directory = fs.getattr(this.#dir)
      if (!isDirectory(directory)) throw new FsError('ENOTDIR', `inode ${this.#dir}`)
      requirePermission(this.#walker, directory, MAY_EXEC)
      const name = this.#component()
      const behind = this.#at
      this.#skipSlashes()
      const type = typeOf(name)
      if (this.#at === this.#path.length) return { dir: this.#dir, name, type, slash: behind < this.#at }
      if (type === 'dot') continue
      const ino = fs.lookup(this.#dir, name)
      if (ino === undefined) throw new FsError('ENOENT', 'no such directory on the way')
      const found = fs.getattr(ino)
      if (isSymlink(found)) this.#follow(ino, behind)
      else if (isDirectory(found)) this.#dir = ino
      else throw new FsError('ENOTDIR', `inode ${ino}`)
    }
  }

  /** The last component is the link `ino`: goes on along its target, to that one's last component. */
  followLast(ino: number, { slash }: LastComponent): LastComponent {
    this.#follow(ino, slash ? this.#path.length - 1 : this.#path.length)
    return this.toLast()
  }

  /** What follows `behind` in the path is to be walked from where the link leads. */
  #follow(ino: number, behind: number): void {
    if (++this.#links > MAX_SYMLINKS) throw new FsError('ELOOP', 'too many symbolic links')
    const { fs } = this.#walker
    const target = fs.readlink(ino)
    fs.touchAtime(ino)
    if (target.length === 0) throw new FsError('ENOENT', `symbolic link ${ino} is empty`)
    const rest = this.#path.subarray(behind)
    const path = new Uint8Array(target.length + rest.length)
    path.set(target)
    path.set(rest, target.length)
    this.#path = path
    this.#at = 0
    if (path[0] === SLASH) this.#dir = fs.root
    this.#skipSlashes()
  }

  #component(): Uint8Array {
    const end = this.#path.indexOf(SLASH, this.#at)
    const from = this.#at
    this.#at = end < 0 ? this.#path.length : end
    return this.#path.subarray(from, this.#at)
  }

  #skipSlashes(): void {
    while (this.#path[this.#at] === SLASH) this.#at++
  }
}

function typeOf(name: Uint8Array): LastType {
  if (name[0] !== DOT || name.length > 2) return 'name'
  if (name.length === 1) return 'dot'
  return name[1] === DOT ? 'dotdot' : 'name'
}

/** The inode of a component's directory entry; undefined when there is none. */
export function lookupLast({ fs }: Walker, { dir, name, type }: LastComponent): number | undefined {
  if (type === 'root' || type === 'dot') return dir
  return fs.lookup(dir, type === 'dotdot' ? DOT_DOT : name)
}

export function walkToLast(walker: Walker, path: Uint8Array, start?: number): LastComponent {
  return new PathWalk(walker, path, start).toLast()
}

/** The attributes of what a path names; a link at its end is followed if `follow`, or when slashes stand behind it. */
export function resolve(walker: Walker, path: Uint8Array, follow: boolean, start?: number): Attributes {
  const walk = new PathWalk(walker, path, start)
  for (let last = walk.toLast(); ; ) {
    const ino = lookupLast(walker, last)
    if (ino === undefined) throw new FsError('ENOENT', 'no such file or directory')
    const found = walker.fs.getattr(ino)
    if (isSymlink(found) && (follow || last.slash)) last = walk.followLast(ino, last)
    else if (last.slash && !isDirectory(found)) throw new FsError('ENOTDIR', `inode ${ino}`)
    else return found
  }
}

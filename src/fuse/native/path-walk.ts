/**
 * From paths to inodes. The kernel has resolved links, `.` and `..` and checked permissions; libfuse has put the names
 * together again, and fuse-native has made a JavaScript string of them.
 */
import { FsError } from '../../../lib/errno.js'
import type { FileSystem } from '../../guest/vfs/file-system.js'
import type { UnlinkedNames } from './unlinked-names.js'

const encoder = new TextEncoder()

/** What a decoder leaves where bytes are no UTF-8. */
const REPLACEMENT = '\ufffd'

/** A directory entry: there or not. */
export interface Place {
  /** Inode of the directory. */
  dir: number
  name: Uint8Array
}

/** The bytes of a name or a link's target. Throws EILSEQ for one that was not UTF-8: its bytes are not known here. */
export function encodeUtf8(text: string): Uint8Array {
  if (text.includes(REPLACEMENT)) throw new FsError('EILSEQ', `'${text}' is not UTF-8`)
  return encoder.encode(text)
}

export class PathWalk {
  readonly #fs: FileSystem
  readonly #unlinked: UnlinkedNames

  constructor(fs: FileSystem, unlinked: UnlinkedNames) {
    this.#fs = fs
    this.#unlinked = unlinked
  }

  /** The inode that a path names. Throws ENOENT, ENOTDIR, ENAMETOOLONG, EILSEQ. */
  inode(path: string): number {
    const names = namesOf(path)
    const last = names.pop()
    if (last === undefined) return this.#fs.root
    return this.#child({ dir: this.#directory(names), name: encodeUtf8(last) })
  }

  /** The entry that a path names, whether or not it is there. Throws EBUSY for the root, else as {@link inode}. */
  place(path: string): Place {
    const names = namesOf(path)
    const last = names.pop()
    if (last === undefined) throw new FsError('EBUSY', 'the root of the mount')
    return { dir: this.#directory(names), name: encodeUtf8(last) }
  }

  /** The inode of an entry; throws ENOENT when there is none. */
  #child(place: Place): number {
    const ino = this.#fs.lookup(place.dir, place.name) ?? this.#unlinked.find(place)
    if (ino === undefined) throw new FsError('ENOENT', 'no such file or directory')
    return ino
  }

  #directory(names: readonly string[]): number {
    return names.reduce((dir, name) => this.#child({ dir, name: encodeUtf8(name) }), this.#fs.root)
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '')
}

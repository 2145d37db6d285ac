import type { Place } from './path-walk.js'

const decoder = new TextDecoder('latin1')

/** What libfuse 2 renames a file to that is unlinked, or replaced by a rename, while it is open (hidden_name()). */
const HIDDEN = /^\.fuse_hidden[0-9a-f]{16}$/

/**
 * libfuse 2 knows an open file by its path only, so it hides a file that loses its name while it is open: it renames
 * it, and unlinks the new name when the file is closed. Here such a file really loses its name, and is freed when it
 * is closed, as ext4 has it: after a power failure nothing is left over, its directory may be removed, and its link
 * count is right. The new names exist in this table only, for as long as the files are open.
 */
export class UnlinkedNames {
  /** Inodes by directory and name. */
  readonly #names = new Map<string, number>()

  static isHidden(name: Uint8Array): boolean {
    return HIDDEN.test(decoder.decode(name))
  }

  find(place: Place): number | undefined {
    return this.#names.size === 0 ? undefined : this.#names.get(keyOf(place))
  }

  add(place: Place, ino: number): void {
    this.#names.set(keyOf(place), ino)
  }

  /** The inode is open no more. */
  forget(ino: number): void {
    for (const [key, each] of this.#names) if (each === ino) this.#names.delete(key)
  }
}

function keyOf({ dir, name }: Place): string {
  return `${dir}/${decoder.decode(name)}`
}

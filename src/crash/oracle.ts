import type { Tree } from './tree.js'

/** What an acknowledgement stands for. Trees are counted from 0, the one before the first operation. */
export interface DurabilityPromise {
  /** The tree that was seen when the promise was asked for. */
  readonly tree: number
  /** All inodes when absent. */
  readonly ino?: number
  /** fdatasync: the content and what it takes to read it. */
  readonly dataOnly?: boolean
}

interface Bounds {
  /** The oldest tree that may be found. */
  readonly tree: number
  /** For an inode's identity the oldest content that may be found; for all others that of `content`. */
  readonly contents: ReadonlyMap<string, number>
  readonly content: number
}

/**
 * Knows every tree that the file system showed, and what was promised. After a power failure ext4 shows the names and
 * attributes of one of them, not older than what was promised; and of the content, which is stored in place, for each
 * byte what it was in that tree, or in a later one.
 */
export class Oracle {
  readonly #trees: Tree[]
  readonly #byNames = new Map<string, number[]>()
  readonly #bounds: Bounds[] = [{ tree: 0, contents: new Map(), content: 0 }]

  constructor(first: Tree) {
    this.#trees = []
    this.ended(first)
  }

  /** The latest tree. */
  get last(): number {
    return this.#trees.length - 1
  }

  /** Acknowledgements so far. */
  get promises(): number {
    return this.#bounds.length - 1
  }

  tree(index: number): Tree {
    return this.#trees[index] as Tree
  }

  /** An operation ended and left `tree`. */
  ended(tree: Tree): void {
    const known = this.#byNames.get(tree.names)
    if (known === undefined) this.#byNames.set(tree.names, [this.#trees.length])
    else known.push(this.#trees.length)
    this.#trees.push(tree)
  }

  acknowledged(promise: DurabilityPromise): void {
    const before = this.#bounds[this.#bounds.length - 1] as Bounds
    const { ino, tree, dataOnly } = promise
    if (ino === undefined) {
      this.#bounds.push({
        tree: Math.max(before.tree, tree),
        contents: before.contents,
        content: Math.max(before.content, tree),
      })
      return
    }
    const inode = this.tree(tree).inodes.get(ino)
    const contents = new Map(before.contents)
    if (inode !== undefined) contents.set(inode.identity, Math.max(tree, contents.get(inode.identity) ?? 0))
    const changed = this.#lastChange(ino, tree, dataOnly === true)
    this.#bounds.push({ tree: Math.max(before.tree, changed), contents, content: before.content })
  }

  /**
   * What is wrong with the tree found after a power failure, when `acknowledged` promises were given and the last of
   * the `begun` operations was under way or over; undefined: it is as it has to be.
   */
  judge(found: Tree, acknowledged: number, begun: number): string | undefined {
    const bounds = this.#bounds[acknowledged] as Bounds
    const upper = Math.min(begun, this.last)
    const candidates = (this.#byNames.get(found.names) ?? []).filter(
      (tree) => tree >= bounds.tree && tree <= upper,
    )
    if (candidates.length === 0) return this.#describeNames(found, bounds.tree, upper)
    let wrong = ''
    for (const tree of candidates.reverse()) {
      wrong = this.#judgeContent(found, tree, bounds, upper)
      if (wrong === '') return undefined
    }
    return wrong
  }

  /** The first tree in which the inode looks as it does in `tree`. */
  #lastChange(ino: number, tree: number, dataOnly: boolean): number {
    const look = (index: number): string | undefined => {
      const inode = this.tree(index).inodes.get(ino)
      return dataOnly && inode !== undefined ? inode.identity + inode.shape : inode?.attributes
    }
    const now = look(tree)
    let first = tree
    while (first > 0 && look(first - 1) === now) first--
    return first
  }

  #judgeContent(found: Tree, tree: number, bounds: Bounds, upper: number): string {
    for (const [ino, { content, identity }] of found.inodes) {
      if (content === undefined || content.length === 0) continue
      const least = Math.max(tree, bounds.contents.get(identity) ?? bounds.content)
      const versions = this.#versions(ino, identity, least, upper)
      if (versions.length === 0) versions.push(this.tree(tree).inodes.get(ino)?.content as Uint8Array)
      const at = firstStranger(content, versions)
      if (at >= 0)
        return `content of inode ${ino} at ${at} is ${content[at]}, in trees ${least}..${upper}: ${versions.map((version) => version[at] ?? 0)}`
    }
    return ''
  }

  /** The contents that the inode had from tree `least` to `upper`, each once. */
  #versions(ino: number, identity: string, least: number, upper: number): Uint8Array[] {
    const versions: Uint8Array[] = []
    for (let index = least; index <= upper; index++) {
      const inode = this.tree(index).inodes.get(ino)
      if (inode?.identity !== identity || inode.content === undefined) continue
      versions.push(inode.content)
    }
    return versions
  }

  #describeNames(found: Tree, least: number, upper: number): string {
    const older = this.#byNames.get(found.names)
    if (older !== undefined)
      return `names and attributes are of tree ${older}, promised is ${least}..${upper}`
    const wanted = new Set<string>()
    for (let index = least; index <= upper; index++)
      for (const line of this.tree(index).names.split('\n')) wanted.add(line)
    const lines = found.names.split('\n')
    const strange = lines.filter((line) => !wanted.has(line))
    return `names and attributes were never such (${least}..${upper}): ${strange.length > 0 ? strange.join(' | ') : lines.map((line) => line.split(' ')[0]).join(' ')}`
  }
}

/** Index of the first byte that no version has, -1 when there is none. Behind its end a version is zero. */
function firstStranger(content: Uint8Array, versions: readonly Uint8Array[]): number {
  for (const version of versions) {
    if (version.length === content.length && Buffer.compare(version, content) === 0) return -1
  }
  for (let at = 0; at < content.length; at++) {
    const byte = content[at]
    if (!versions.some((version) => (version[at] ?? 0) === byte)) return at
  }
  return -1
}

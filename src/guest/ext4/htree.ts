import type { BufferHead } from '../block/buffer-head.js'
import { dirBlocks, readLeaf, searchLeaf } from './dir-block.js'
import { type DxHash, dxHash } from './dx-hash.js'
import { DxNode } from './htree-node.js'
import type { Inode } from './inode.js'
import { INDEX_FL } from './raw-inode.js'

/** The way through an htree from its root to the index block above a leaf, and the leaf that each step takes. */
export class DxPath {
  readonly dir: Inode
  /** Root first. Each `position` is the entry taken. */
  readonly nodes: DxNode[]

  /** The way to the first leaf where names of `hash` may stand. */
  constructor(dir: Inode, root: DxNode, hash: number) {
    this.dir = dir
    this.nodes = [root]
    root.position = root.search(hash)
    for (let level = root.indirectLevels; level > 0; level--) {
      const node = DxNode.inner(dir, this.bottom.block(this.bottom.position))
      node.position = node.search(hash)
      this.nodes.push(node)
    }
  }

  get bottom(): DxNode {
    return this.nodes[this.nodes.length - 1] as DxNode
  }

  /** Logical block of the leaf. */
  get leaf(): number {
    return this.bottom.block(this.bottom.position)
  }

  /** The hash where the next leaf begins (bit 0: it continues this one); undefined when this is the last leaf. */
  get nextHash(): number | undefined {
    for (let level = this.nodes.length - 1; level >= 0; level--) {
      const node = this.nodes[level] as DxNode
      if (node.position + 1 < node.count) return node.hash(node.position + 1)
    }
    return undefined
  }

  /** Goes on to the next leaf; there must be one. */
  advance(): void {
    let level = this.nodes.length - 1
    while (level > 0 && this.#node(level).position + 1 >= this.#node(level).count) level--
    this.#node(level).position++
    for (level++; level < this.nodes.length; level++) {
      const above = this.#node(level - 1)
      this.nodes[level] = DxNode.inner(this.dir, above.block(above.position))
    }
  }

  #node(level: number): DxNode {
    return this.nodes[level] as DxNode
  }
}

/** Whether the directory is to be used as an htree. */
export function isIndexed(dir: Inode): boolean {
  return dir.volume.hasDirIndex && (dir.flags & INDEX_FL) !== 0
}

/** The hash that an htree with this root is ordered by. */
export function hashOf(root: DxNode): DxHash {
  return dxHash(root.dir.volume, root.hashVersion)
}

/** Finds `name` in an htree. Offset -1: there is no such entry. */
export function searchIndexed(
  dir: Inode,
  name: Uint8Array,
): { head: BufferHead; offset: number } | undefined {
  const root = DxNode.root(dir)
  const hash = hashOf(root).compute(name, 0, name.length)
  const path = new DxPath(dir, root, hash)
  // A leaf is entered once at most, else the tree has a loop.
  for (let bound = dirBlocks(dir); bound > 0; bound--) {
    const head = readLeaf(dir, path.leaf)
    const offset = searchLeaf(dir, head, name)
    if (offset >= 0) return { head, offset }
    if (path.nextHash !== hash + 1) return undefined
    path.advance()
  }
  dir.corrupt('leaves', 'a loop', `at most ${dirBlocks(dir)}`, 'htree')
}

import { crc32c } from '../../lib/crc32c.js'
import type { Operation } from '../../src/crash/operation.js'
import { fillOf } from '../../src/crash/workload-runner.js'

interface Attributed {
  /** Name and checksum of the value. */
  readonly xattrs: Map<string, number>
}

interface File extends Attributed {
  readonly kind: 'file'
  content: Uint8Array
  mode: number
  links: number
}

interface Symlink extends Attributed {
  readonly kind: 'symlink'
  readonly length: number
  mode: number
  links: number
}

interface Directory extends Attributed {
  readonly kind: 'directory'
  readonly entries: Map<string, Node>
  parent: Directory
  mode: number
}

type Node = File | Symlink | Directory

/** Thrown where Linux refuses a call. */
class Refusal extends Error {}

/** What a file system is, without blocks, transactions and media: names, links, modes, content. */
export class ReferenceModel {
  readonly #root: Directory

  constructor() {
    const root = {
      kind: 'directory' as const,
      entries: new Map<string, Node>(),
      mode: 0o755,
      xattrs: new Map(),
    }
    this.#root = Object.assign(root, { parent: root as unknown as Directory })
    this.#root.entries.set('lost+found', this.#directory(this.#root, 0o700))
  }

  /**
   * Does what operation `number` did. `refused`: the code it was refused with; `written`: the bytes that a write stored;
   * `found`: a file's content as the file system shows it, for calls that may end halfway. Returns what is wrong.
   */
  apply(
    operation: Operation,
    number: number,
    {
      refused,
      written,
      found,
    }: { refused: string | undefined; written: number; found: (path: string) => Uint8Array },
  ): string | undefined {
    if (refused === 'ENOSPC') return this.#halfway(operation, number, written, found)
    try {
      this.#do(operation, number)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      // Which of several reasons to refuse comes first is the caller's affair, see FileSystem.
      const either = refused !== undefined && ['rename', 'exchange', 'link'].includes(operation.name)
      return error.message === refused || either
        ? undefined
        : `refused with ${refused ?? 'nothing'}, expected ${error.message}`
    }
    return refused === undefined ? undefined : `refused with ${refused}, expected success`
  }

  /** One line a name, sorted: path, type, mode, links, size or target, and the content where `withContent` asks. */
  *lines(): Generator<{ path: string; text: string; content: Uint8Array | undefined }> {
    yield* this.#walk('', this.#root)
  }

  *#walk(
    path: string,
    node: Node,
  ): Generator<{ path: string; text: string; content: Uint8Array | undefined }> {
    const attributes = [...node.xattrs]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, sum]) => ` ${name}=${sum}`)
      .join('')
    if (node.kind === 'directory') {
      const subdirectories = [...node.entries.values()].filter(({ kind }) => kind === 'directory').length
      yield {
        path,
        text: `${(0o40000 | node.mode).toString(8)} ${2 + subdirectories}${attributes}`,
        content: undefined,
      }
      for (const [name, child] of node.entries) yield* this.#walk(`${path}/${name}`, child)
    } else if (node.kind === 'symlink') {
      yield {
        path,
        text: `${(0o120000 | node.mode).toString(8)} ${node.links} ${'t'.repeat(node.length)}${attributes}`,
        content: undefined,
      }
    } else {
      yield {
        path,
        text: `${(0o100000 | node.mode).toString(8)} ${node.links} ${node.content.length}${attributes}`,
        content: node.content,
      }
    }
  }

  #do(operation: Operation, number: number): void {
    const { name, words } = operation
    const [path = '', second = ''] = words
    if (name === 'creat' || name === 'mkdir' || name === 'symlink') this.#create(name, path, second)
    else if (name === 'link') this.#link(path, second)
    else if (name === 'unlink' || name === 'rmdir') this.#remove(path, name === 'rmdir')
    else if (name === 'rename') this.#rename(path, second)
    else if (name === 'exchange') this.#exchange(path, second)
    else if (!['sync', 'sync&', 'tick'].includes(name)) this.#change(operation, number)
  }

  #create(name: 'creat' | 'mkdir' | 'symlink', first: string, second: string): void {
    if (name === 'mkdir') this.#make(first, (parent) => this.#directory(parent, 0o755))
    else if (name === 'creat')
      this.#make(first, () => ({
        kind: 'file',
        content: new Uint8Array(0),
        mode: 0o644,
        links: 1,
        xattrs: new Map(),
      }))
    else
      this.#make(second, () => ({
        kind: 'symlink',
        length: Number(first),
        mode: 0o777,
        links: 1,
        xattrs: new Map(),
      }))
  }

  #change({ name, words }: Operation, number: number): void {
    const [path = '', second = ''] = words
    const [value = 0, third = 0, fourth = 0] = words.slice(1).map(Number)
    if (name === 'write') this.#write(path, value, third, number)
    else if (name === 'append') this.#write(path, undefined, value, number)
    else if (name === 'falloc') this.#allocate(path, Number.parseInt(second, 16), third, fourth)
    else if (name === 'truncate') this.#truncate(path, value)
    else if (name === 'chmod') this.#node(path).mode = Number.parseInt(second, 8)
    else if (name === 'setxattr') this.#node(path).xattrs.set(second, crc32c(0, fillOf(number, 0, third)))
    else if (name === 'removexattr') {
      if (!this.#node(path).xattrs.delete(second)) throw new Refusal('ENODATA')
    } else this.#node(path)
  }

  #truncate(path: string, size: number): void {
    const node = this.#node(path)
    if (node.kind === 'directory') throw new Refusal('EISDIR')
    if (node.kind === 'symlink') throw new Refusal('EINVAL')
    node.content = resized(node.content, size)
  }

  /** No room: a write may have stored a part, an allocation may have grown the file or zeroed a part of its range. */
  #halfway(
    { name, words }: Operation,
    number: number,
    written: number,
    found: (path: string) => Uint8Array,
  ): string | undefined {
    const [path = ''] = words
    if (name === 'write') this.#write(path, Number(words[1]), written, number)
    else if (name === 'append') this.#write(path, undefined, written, number)
    else if (name === 'falloc') {
      const node = this.#node(path) as File
      const now = found(path)
      const [offset, length] = words.slice(2).map(Number) as [number, number]
      if (now.length < node.content.length) return 'an allocation that was refused has cut the file'
      const strange = now.findIndex(
        (byte, at) =>
          byte !== (node.content[at] ?? 0) && !(byte === 0 && at >= offset && at < offset + length),
      )
      if (strange >= 0) return `an allocation that was refused has changed byte ${strange}`
      node.content = now
    }
    return undefined
  }

  #directory(parent: Directory, mode: number): Directory {
    return { kind: 'directory', entries: new Map(), parent, mode, xattrs: new Map() }
  }

  #node(path: string): Node {
    let node: Node = this.#root
    for (const name of path.split('/').filter((part) => part !== '' && part !== '.')) {
      if (node.kind !== 'directory') throw new Refusal('ENOTDIR')
      const next = node.entries.get(name)
      if (next === undefined) throw new Refusal('ENOENT')
      node = next
    }
    return node
  }

  #place(path: string): { parent: Directory; name: string } {
    const slash = path.lastIndexOf('/')
    const parent = this.#node(slash < 0 ? '' : path.slice(0, slash))
    if (parent.kind !== 'directory') throw new Refusal('ENOTDIR')
    return { parent, name: path.slice(slash + 1) }
  }

  #make(path: string, node: (parent: Directory) => Node): void {
    const { parent, name } = this.#place(path)
    if (parent.entries.has(name)) throw new Refusal('EEXIST')
    parent.entries.set(name, node(parent))
  }

  #link(from: string, to: string): void {
    const node = this.#node(from)
    const { parent, name } = this.#place(to)
    if (parent.entries.has(name)) throw new Refusal('EEXIST')
    if (node.kind === 'directory') throw new Refusal('EPERM')
    parent.entries.set(name, node)
    node.links++
  }

  #remove(path: string, directory: boolean): void {
    const { parent, name } = this.#place(path)
    const node = parent.entries.get(name)
    if (node === undefined) throw new Refusal('ENOENT')
    if (directory && node.kind !== 'directory') throw new Refusal('ENOTDIR')
    if (!directory && node.kind === 'directory') throw new Refusal('EISDIR')
    if (node.kind === 'directory' && node.entries.size > 0) throw new Refusal('ENOTEMPTY')
    parent.entries.delete(name)
    if (node.kind !== 'directory') node.links--
  }

  #rename(from: string, to: string): void {
    const source = this.#place(from)
    const target = this.#place(to)
    const node = source.parent.entries.get(source.name)
    if (node === undefined) throw new Refusal('ENOENT')
    const old = target.parent.entries.get(target.name)
    if (old === node) return
    if (node.kind === 'directory' && isWithin(target.parent, node)) throw new Refusal('EINVAL')
    if (old !== undefined && old.kind === 'directory' && isWithin(source.parent, old))
      throw new Refusal('ENOTEMPTY')
    if (node.kind === 'directory' && old !== undefined && old.kind !== 'directory')
      throw new Refusal('ENOTDIR')
    if (node.kind !== 'directory' && old?.kind === 'directory') throw new Refusal('EISDIR')
    if (old?.kind === 'directory' && old.entries.size > 0) throw new Refusal('ENOTEMPTY')
    source.parent.entries.delete(source.name)
    target.parent.entries.set(target.name, node)
    if (node.kind === 'directory') node.parent = target.parent
    if (old !== undefined && old.kind !== 'directory') old.links--
  }

  #exchange(from: string, to: string): void {
    const a = this.#place(from)
    const b = this.#place(to)
    const left = a.parent.entries.get(a.name)
    const right = b.parent.entries.get(b.name)
    if (left === undefined || right === undefined) throw new Refusal('ENOENT')
    if (left === right) return
    if (left.kind === 'directory' && isWithin(b.parent, left)) throw new Refusal('EINVAL')
    if (right.kind === 'directory' && isWithin(a.parent, right)) throw new Refusal('EINVAL')
    a.parent.entries.set(a.name, right)
    b.parent.entries.set(b.name, left)
    if (left.kind === 'directory') left.parent = b.parent
    if (right.kind === 'directory') right.parent = a.parent
  }

  #write(path: string, offset: number | undefined, length: number, number: number): void {
    const node = this.#node(path)
    if (node.kind !== 'file') throw new Refusal('EISDIR')
    const at = offset ?? node.content.length
    if (length === 0) return
    node.content = resized(node.content, Math.max(node.content.length, at + length))
    node.content.set(fillOf(number, at, length), at)
  }

  #allocate(path: string, mode: number, offset: number, length: number): void {
    const node = this.#node(path)
    if (node.kind !== 'file') throw new Refusal(node.kind === 'directory' ? 'EISDIR' : 'ENODEV')
    const size = (mode & 1) !== 0 ? node.content.length : Math.max(node.content.length, offset + length)
    node.content = resized(node.content, size)
    if ((mode & ~1) !== 0) node.content.fill(0, Math.min(offset, size), Math.min(offset + length, size))
  }
}

function isWithin(directory: Directory, ancestor: Directory): boolean {
  for (let at = directory; ; at = at.parent) {
    if (at === ancestor) return true
    if (at.parent === at) return false
  }
}

/** Always a copy: content is never shared with what was returned. */
function resized(content: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size)
  result.set(content.subarray(0, size))
  return result
}

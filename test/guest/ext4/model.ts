import fc from 'fast-check'
import t from 'tap'
import { FsError } from '../../../lib/errno.js'
import type { Ext4 } from '../../../src/guest/ext4/ext4.js'
import { RamDisk } from '../../ram-disk.js'
import { mkfsExt4 } from './image.js'
import { faultsOf } from './judges.js'
import { bytesOf, list, mountExt4, ROOT_USER, readAll, ready, TestClock, writeAll } from './mounted.js'

/** What one file or directory is to hold. Links share the node. */
type Node =
  | { kind: 'file'; bytes: Uint8Array }
  | { kind: 'directory'; entries: Map<string, Node> }
  | { kind: 'symlink'; target: string }

type Step = { operation: string; a: number; b: number; size: number; offset: number }

const OPERATIONS = [
  'create',
  'create',
  'create',
  'mkdir',
  'symlink',
  'link',
  'unlink',
  'unlink',
  'rmdir',
  'rename',
  'rename',
  'write',
  'write',
  'write',
  'append',
  'truncate',
  'punch',
  'zero',
  'allocate',
  'collapse',
  'insert',
  'remount',
  'fsync',
] as const

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'a name of some length that fills a directory block sooner', 'ü']

const step: fc.Arbitrary<Step> = fc.record({
  operation: fc.constantFrom(...OPERATIONS),
  a: fc.nat(1000),
  b: fc.nat(1000),
  size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 40_000 })),
  offset: fc.oneof(fc.constant(0), fc.nat(60_000), fc.nat(2_000_000)),
})

/** The file system and its model, changed alike. */
class Pair {
  readonly root: Node & { kind: 'directory' } = { kind: 'directory', entries: new Map() }
  readonly clock = new TestClock()
  fs!: Ext4
  constructor(readonly disk: RamDisk) {}

  async mount(): Promise<void> {
    this.fs = await mountExt4(this.disk, this.clock)
  }

  /** The directory that `n` picks: the root or one below it. */
  directory(n: number): { node: Node & { kind: 'directory' }; ino: number } {
    const below = [...this.root.entries].filter(([, node]) => node.kind === 'directory')
    const picked = below[n % (below.length + 1)]
    if (picked === undefined) return { node: this.root, ino: this.fs.root }
    const ino = this.fs.lookup(this.fs.root, bytesOf(picked[0])) as number
    return { node: picked[1] as Node & { kind: 'directory' }, ino }
  }

  async apply({ operation, a, b, size, offset }: Step): Promise<void> {
    const { fs } = this
    this.clock.ms += 3
    const from = this.directory(a)
    const to = this.directory(b)
    const name = NAMES[a % NAMES.length] as string
    const newName = NAMES[b % NAMES.length] as string
    const node = from.node.entries.get(name)
    const other = to.node.entries.get(newName)
    const ino = fs.lookup(from.ino, bytesOf(name))
    if ((ino === undefined) !== (node === undefined)) throw new Error(`lookup of ${name} is ${ino}`)
    await ready(fs)
    switch (operation) {
      case 'create':
        if (node !== undefined) return
        fs.mknod(from.ino, bytesOf(name), 0o100644, 0, ROOT_USER)
        from.node.entries.set(name, { kind: 'file', bytes: new Uint8Array(0) })
        return
      case 'mkdir':
        if (from.node !== this.root || node !== undefined) return
        fs.mkdir(from.ino, bytesOf(name), 0o755, ROOT_USER)
        from.node.entries.set(name, { kind: 'directory', entries: new Map() })
        return
      case 'symlink': {
        if (node !== undefined) return
        const target = 't'.repeat(1 + (size % 300))
        fs.symlink(from.ino, bytesOf(name), bytesOf(target), ROOT_USER)
        from.node.entries.set(name, { kind: 'symlink', target })
        return
      }
      case 'link':
        if (node?.kind !== 'file' || other !== undefined) return
        fs.link(ino as number, to.ino, bytesOf(newName))
        to.node.entries.set(newName, node)
        return
      case 'unlink':
        if (node === undefined || node.kind === 'directory') return
        fs.unlink(from.ino, bytesOf(name))
        from.node.entries.delete(name)
        return
      case 'rmdir':
        if (node?.kind !== 'directory' || node.entries.size > 0) return
        fs.rmdir(from.ino, bytesOf(name))
        from.node.entries.delete(name)
        return
      case 'rename':
        if (node === undefined || node === other || node === to.node) return
        if (
          node.kind === 'directory' &&
          (to.node !== this.root ||
            (other !== undefined && (other.kind !== 'directory' || other.entries.size > 0)))
        )
          return
        if (node.kind !== 'directory' && other?.kind === 'directory') return
        fs.rename(from.ino, bytesOf(name), to.ino, bytesOf(newName), 0)
        from.node.entries.delete(name)
        to.node.entries.set(newName, node)
        return
      case 'remount':
        await fs.unmount()
        await this.mount()
        return
      case 'fsync':
        await fs.fsync(ino ?? from.ino, a % 2 === 0)
        return
      default:
        if (node?.kind === 'file')
          await this.change(operation, ino as number, node, { size, offset, fill: 1 + (b % 255) })
    }
  }

  async change(
    operation: string,
    ino: number,
    node: { bytes: Uint8Array },
    { size, offset, fill }: { size: number; offset: number; fill: number },
  ): Promise<void> {
    const { fs } = this
    const old = node.bytes
    const at =
      operation === 'append'
        ? old.length
        : operation === 'write' || operation === 'allocate'
          ? offset
          : offset % (old.length + 1)
    if (operation === 'truncate') {
      const length = (offset % 3 === 0 ? offset : size) % 200_000
      await fs.setattr(ino, { size: length })
      node.bytes = resized(old, length)
      return
    }
    if (operation === 'write' || operation === 'append') {
      await writeAll(fs, ino, at, new Uint8Array(size).fill(fill))
      node.bytes = resized(old, Math.max(old.length, at + size))
      node.bytes.fill(fill, at, at + size)
      return
    }
    if (operation === 'collapse' || operation === 'insert') {
      await this.#shift(node, ino, operation, at, size)
      return
    }
    const modes: Record<string, number> = { punch: 0x3, zero: 0x11, allocate: fill % 2 }
    await fs.fallocate(ino, modes[operation] as number, at, size)
    const grows = operation === 'allocate' && fill % 2 === 0
    node.bytes = resized(old, grows ? Math.max(old.length, at + size) : old.length)
    if (operation !== 'allocate') node.bytes.fill(0, at, at + size)
  }

  /** By whole blocks; where these are not to be had (clusters, maps of indirect blocks) nothing may happen. */
  async #shift(
    node: { bytes: Uint8Array },
    ino: number,
    operation: 'collapse' | 'insert',
    at: number,
    size: number,
  ): Promise<void> {
    const { fs } = this
    const { bytes } = node
    const from = Math.floor((at % (bytes.length + 1)) / fs.blockSize) * fs.blockSize
    const length = Math.ceil(size / fs.blockSize) * fs.blockSize
    try {
      await fs.fallocate(ino, operation === 'collapse' ? 0x8 : 0x20, from, length)
    } catch (error) {
      if (error instanceof FsError && (error.code === 'EINVAL' || error.code === 'EOPNOTSUPP')) return
      throw error
    }
    const middle = operation === 'collapse' ? new Uint8Array(0) : new Uint8Array(length)
    const rest = bytes.subarray(operation === 'collapse' ? from + length : from)
    node.bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, from), middle, rest]))
  }

  /** Throws where the file system differs from the model. */
  compare(node: Node & { kind: 'directory' } = this.root, ino = this.fs.root): void {
    const { fs } = this
    const names = list(fs, ino)
    names.delete('lost+found')
    const wanted = [...node.entries.keys()].map((name) => Buffer.from(bytesOf(name)).toString('latin1'))
    if (JSON.stringify([...names.keys()].sort()) !== JSON.stringify(wanted.sort())) {
      throw new Error(`names of directory ${ino}: ${[...names.keys()]}, wanted ${wanted}`)
    }
    for (const [name, child] of node.entries) {
      const found = fs.lookup(ino, bytesOf(name)) as number
      if (child.kind === 'directory') this.compare(child, found)
      else if (child.kind === 'symlink') {
        if (Buffer.from(fs.readlink(found)).toString() !== child.target) throw new Error(`target of ${name}`)
      } else if (Buffer.compare(readAll(fs, found), child.bytes) !== 0) throw new Error(`content of ${name}`)
    }
  }
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length)
  result.set(bytes.subarray(0, length))
  return result
}

/** Any operations on an image of mkfs.ext4 with `options`, against the model; SEED gives other ones. `refusals`: errors that change nothing. */
export function testAgainstModel(
  name: string,
  options: readonly string[],
  refusals: readonly string[] = ['ENOSPC'],
): void {
  const image = mkfsExt4(12 << 20, options)
  t.test(`any operations, ${name} -> as the model has it, and e2fsck finds nothing`, async (t) => {
    let last: RamDisk | undefined
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 250 }), async (steps) => {
        const pair = new Pair(new RamDisk(image))
        await pair.mount()
        for (const one of steps) {
          try {
            await pair.apply(one)
          } catch (error) {
            if (!(error instanceof FsError && refusals.includes(error.code))) throw error
          }
        }
        pair.compare()
        await pair.fs.unmount()
        await pair.mount()
        pair.compare()
        await pair.fs.unmount()
        last = pair.disk
      }),
      { numRuns: 25, ...(process.env['SEED'] ? { seed: Number(process.env['SEED']) } : {}) },
    )
    t.same(faultsOf((last as RamDisk).bytes), [])
  })
}

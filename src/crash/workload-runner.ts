import { FsError } from '../../lib/errno.js'
import type { Ext4 } from '../guest/ext4/ext4.js'
import { type AttributeChange, S_IFMT, S_IFREG } from '../guest/vfs/attributes.js'
import { RENAME_EXCHANGE } from '../guest/vfs/file-system.js'
import type { Operation } from './operation.js'
import { Oracle } from './oracle.js'
import type { SimulatedMachine } from './simulated-machine.js'
import { readTree } from './tree.js'

const OWNER = { uid: 1000, gid: 1000 }
/** Milliseconds between two operations. */
const PACE = 7
/** What is wrong with the file system, not with the call. */
const FATAL = new Set(['EIO', 'EROFS', 'EUCLEAN', 'EBADMSG', 'ESTALE'])

/** Runs operations on the file system of a machine and tells its log and an oracle of each. */
export class WorkloadRunner {
  readonly oracle: Oracle
  /** Codes of the calls that failed, as calls may. */
  readonly refusals = new Map<string, number>()
  /** Bytes that the latest operation stored. */
  written = 0
  readonly #machine: SimulatedMachine
  readonly #held: number[] = []
  readonly #background = new Set<Promise<void>>()
  #count = 0
  #error: unknown

  readonly #observed: boolean

  /** The machine is mounted. Its state now is the one that is durable. Without `observed` the oracle learns nothing. */
  constructor(machine: SimulatedMachine, observed = true) {
    this.#machine = machine
    this.#observed = observed
    this.oracle = new Oracle(readTree(machine.fs))
  }

  async run(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) await this.step(operation)
  }

  /** One operation. Returns the code that it was refused with. Throws what shows that the file system is broken. */
  async step(operation: Operation): Promise<string | undefined> {
    const { clock, log } = this.#machine
    const number = this.#count++
    clock.advance(PACE)
    log.operation(number)
    this.written = 0
    let code: string | undefined
    try {
      await this.#apply(operation, number)
    } catch (error) {
      if (!(error instanceof FsError) || FATAL.has(error.code)) throw error
      code = error.code
      this.refusals.set(error.code, (this.refusals.get(error.code) ?? 0) + 1)
    }
    log.ended(number)
    this.#observe()
    return code
  }

  /** After an operation that failed for good: the tree as it is belongs to it. */
  catchUp(): void {
    while (this.oracle.last < this.#count) this.#observe()
  }

  /** Waits for what runs in the background, lets go of held inodes and unmounts. */
  async finish(): Promise<void> {
    const { fs, log } = this.#machine
    await this.#settle()
    const number = this.#count++
    log.operation(number)
    this.#letGo()
    this.#observe()
    await fs.unmount()
    log.ended(number)
    this.oracle.acknowledged({ tree: this.oracle.last })
    log.acknowledged(number)
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#background)
    if (this.#error !== undefined) throw this.#error
  }

  #letGo(): void {
    for (const ino of this.#held.splice(0)) this.#machine.fs.release(ino, 1)
  }

  /** What is unmounted is durable, also while it is mounted again. */
  async #remount(number: number): Promise<void> {
    await this.#settle()
    this.#letGo()
    await this.#machine.fs.unmount()
    this.oracle.acknowledged({ tree: this.oracle.last })
    this.#machine.log.acknowledged(number)
    await this.#machine.mount()
  }

  /** Of something in the background; {@link finish} tells. */
  #failed(error: unknown): void {
    this.#error ??= error
  }

  #observe(): void {
    if (!this.#observed) return
    this.oracle.ended(readTree(this.#machine.fs, this.#held, this.oracle.tree(this.oracle.last)))
  }

  async #apply({ name, words }: Operation, number: number): Promise<void> {
    const { fs } = this.#machine
    const [path = '', second = ''] = words
    switch (name) {
      case 'sync':
      case 'sync&':
        return this.#sync(number, () => fs.syncfs(), {}, name === 'sync&')
      case 'fsync':
      case 'fsync&':
      case 'fdatasync': {
        const ino = this.#ino(path)
        const dataOnly = name === 'fdatasync'
        return this.#sync(number, () => fs.fsync(ino, dataOnly), { ino, dataOnly }, name === 'fsync&')
      }
      case 'tick':
        this.#machine.tick(Number(path))
        for (let turn = 0; turn < 100; turn++) await undefined
        return
      case 'remount':
        return this.#remount(number)
      case 'hold': {
        const ino = this.#ino(path)
        fs.retain(ino)
        this.#held.push(ino)
        return
      }
      case 'write':
        return this.#write(this.#file(path), Number(second), Number(words[2]), number)
      case 'append': {
        const ino = this.#file(path)
        return this.#write(ino, fs.getattr(ino).size, Number(second), number)
      }
      default:
        await this.#ready()
        return this.#change({ name, words }, number)
    }
  }

  async #change({ name, words }: Operation, number: number): Promise<void> {
    const { fs } = this.#machine
    const [path = '', second = ''] = words
    const numbers = words.slice(1).map(Number)
    const [value = 0] = numbers
    if (name === 'truncate' || name === 'chmod' || name === 'utimes') {
      const change: AttributeChange =
        name === 'truncate'
          ? { size: value, mtime: 'now' }
          : name === 'chmod'
            ? { mode: Number.parseInt(second, 8) }
            : { mtime: { sec: value, nsec: 5 } }
      await fs.setattr(this.#ino(path), change)
    } else if (name === 'falloc') {
      await fs.fallocate(
        this.#ino(path),
        Number.parseInt(second, 16),
        numbers[1] as number,
        numbers[2] as number,
      )
    } else if (name === 'setxattr') {
      fs.setxattr(this.#ino(path), bytesOf(second), fillOf(number, 0, Number(words[2])), 0)
    } else if (name === 'removexattr') {
      fs.removexattr(this.#ino(path), bytesOf(second))
    } else if (name === 'link') {
      const ino = this.#ino(path)
      fs.link(ino, ...this.#place(second))
    } else if (name === 'symlink') {
      fs.symlink(...this.#place(second), new Uint8Array(Number(path)).fill(0x74), OWNER)
    } else if (name === 'rename' || name === 'exchange') {
      fs.rename(...this.#place(path), ...this.#place(second), name === 'exchange' ? RENAME_EXCHANGE : 0)
    } else if (name === 'read') {
      fs.touchAtime(this.#ino(path))
    } else if (name === 'creat') {
      fs.mknod(...this.#place(path), 0o100644, 0, OWNER)
    } else if (name === 'mkdir') {
      fs.mkdir(...this.#place(path), 0o755, OWNER)
    } else if (name === 'unlink') {
      fs.unlink(...this.#place(path))
    } else if (name === 'rmdir') {
      fs.rmdir(...this.#place(path))
    } else {
      throw new TypeError(name)
    }
  }

  async #sync(
    number: number,
    start: () => Promise<void> | undefined,
    what: { ino?: number; dataOnly?: boolean },
    background: boolean,
  ): Promise<void> {
    const promise = { ...what, tree: this.oracle.last }
    const finish = async (): Promise<void> => {
      await start()
      this.oracle.acknowledged(promise)
      this.#machine.log.acknowledged(number)
    }
    const work = finish()
    if (!background) return work
    const kept = work.catch((error) => this.#failed(error)).finally(() => this.#background.delete(kept))
    this.#background.add(kept)
  }

  async #write(ino: number, offset: number, length: number, number: number): Promise<void> {
    const bytes = fillOf(number, offset, length)
    while (this.written < length) {
      const fs = await this.#ready()
      this.written += fs.write(ino, offset + this.written, bytes, this.written, length, false)
    }
  }

  async #ready(): Promise<Ext4> {
    const { fs } = this.#machine
    for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) await wait
    return fs
  }

  #ino(path: string): number {
    const { fs } = this.#machine
    let ino: number | undefined = fs.root
    for (const name of path.split('/').filter((part) => part !== '' && part !== '.')) {
      ino = fs.lookup(ino, bytesOf(name))
      if (ino === undefined) throw new FsError('ENOENT', path)
    }
    return ino
  }

  /** What could be opened for writing. */
  #file(path: string): number {
    const ino = this.#ino(path)
    if ((this.#machine.fs.getattr(ino).mode & S_IFMT) !== S_IFREG) throw new FsError('EISDIR', path)
    return ino
  }

  #place(path: string): [number, Uint8Array] {
    const slash = path.lastIndexOf('/')
    return [this.#ino(slash < 0 ? '' : path.slice(0, slash)), bytesOf(path.slice(slash + 1))]
  }
}

/** What operation `number` writes: bytes that tell the operation and the place, none of them zero. */
export function fillOf(number: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++)
    bytes[index] = 1 + ((number * 37 + ((offset + index) >> 8)) % 255)
  return bytes
}

const encoder = new TextEncoder()
const bytesOf = (text: string): Uint8Array => encoder.encode(text)

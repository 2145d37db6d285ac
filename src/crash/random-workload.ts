import type { Prng } from '../../lib/prng.js'

export interface RandomWorkloadOptions {
  readonly operations: number
  /** Names of a directory. Many make it split. */
  readonly names: number
  /** Bytes of a large write; of a file about four times that. */
  readonly size: number
  /** One of so many operations asks for durability. */
  readonly durableRate: number
}

/** A workload drawn by `prng`: the texts of its operations. Some will be refused, as calls are. */
export function randomWorkload(prng: Prng, options: RandomWorkloadOptions): string[] {
  const draw = new Draw(prng, options)
  const texts: string[] = []
  while (texts.length < options.operations) texts.push(draw.next())
  return texts
}

const WEIGHTS = {
  creat: 16,
  mkdir: 3,
  unlink: 8,
  rmdir: 1,
  link: 4,
  symlink: 4,
  rename: 8,
  exchange: 2,
  hold: 1,
  write: 12,
  append: 10,
  truncate: 5,
  falloc: 6,
  chmod: 2,
  utimes: 2,
  setxattr: 5,
  removexattr: 2,
} as const
type Kind = keyof typeof WEIGHTS
const KINDS = (Object.keys(WEIGHTS) as Kind[]).flatMap((kind) => new Array<Kind>(WEIGHTS[kind]).fill(kind))

/** Knows roughly what exists, so that most operations find something. */
class Draw {
  readonly #prng: Prng
  readonly #options: RandomWorkloadOptions
  readonly #directories = ['']
  readonly #files: string[] = []

  constructor(prng: Prng, options: RandomWorkloadOptions) {
    this.#prng = prng
    this.#options = options
  }

  next(): string {
    const prng = this.#prng
    if (prng.below(this.#options.durableRate) === 0) return this.#durable()
    const kind = this.#pick(KINDS)
    switch (kind) {
      case 'creat':
      case 'symlink':
      case 'mkdir':
        return this.#make(kind)
      case 'unlink':
        return `unlink ${this.#take()}`
      case 'rmdir':
        return `rmdir ${this.#pick(this.#directories) || 'missing'}`
      case 'link': {
        const from = this.#file()
        return `link ${from} ${this.#enter(this.#files)}`
      }
      case 'rename': {
        const from = this.#take()
        return `rename ${from} ${prng.below(3) === 0 ? this.#file() : this.#enter(this.#files)}`
      }
      case 'exchange':
        return `exchange ${this.#file()} ${this.#file()}`
      default:
        return this.#change(kind)
    }
  }

  #make(kind: 'creat' | 'symlink' | 'mkdir'): string {
    if (kind === 'mkdir') {
      return this.#directories.length < 6
        ? `mkdir ${this.#enter(this.#directories)}`
        : `creat ${this.#enter(this.#files)}`
    }
    const length = kind === 'symlink' ? `${1 + this.#prng.below(300)} ` : ''
    return `${kind} ${length}${this.#enter(this.#files)}`
  }

  #change(kind: Kind): string {
    const prng = this.#prng
    const path = this.#file()
    switch (kind) {
      case 'write':
        return `write ${path} ${this.#offset()} ${this.#length()}`
      case 'append':
        return `append ${path} ${this.#length()}`
      case 'truncate':
        return `truncate ${path} ${this.#offset()}`
      case 'falloc':
        return `falloc ${path} ${this.#pick(['0', '1', '3', '10', '11'])} ${this.#offset()} ${this.#length()}`
      case 'chmod':
        return `chmod ${path} ${this.#pick(['600', '640', '4755'])}`
      case 'utimes':
        return `utimes ${path} ${prng.below(2 ** 31)}`
      case 'setxattr':
        return `setxattr ${path} user.${this.#pick(['a', 'b', 'longer.name'])} ${prng.below(prng.below(3) === 0 ? 900 : 60)}`
      case 'removexattr':
        return `removexattr ${path} user.${this.#pick(['a', 'b', 'longer.name'])}`
      default:
        return `hold ${path}`
    }
  }

  #durable(): string {
    const kind = this.#prng.below(7)
    if (kind === 0) return 'sync'
    if (kind === 1) return 'sync&'
    if (kind === 2) return 'tick 5000'
    const path = this.#prng.below(4) === 0 ? this.#pick(this.#directories) || '.' : this.#file()
    return `${this.#pick(['fsync', 'fsync', 'fdatasync', 'fsync&'])} ${path}`
  }

  #length(): number {
    const { size } = this.#options
    return 1 + this.#prng.below(this.#prng.below(4) === 0 ? size : Math.ceil(size / 20))
  }

  #offset(): number {
    const { size } = this.#options
    return this.#prng.below(this.#prng.below(4) === 0 ? size * 4 : Math.ceil(size / 2))
  }

  #file(): string {
    return this.#files.length === 0 ? 'missing' : this.#pick(this.#files)
  }

  #take(): string {
    if (this.#files.length === 0) return 'missing'
    const index = this.#prng.below(this.#files.length)
    const path = this.#files[index] as string
    this.#files[index] = this.#files[this.#files.length - 1] as string
    this.#files.pop()
    return path
  }

  /** A name that is free, most likely. */
  #enter(list: string[]): string {
    const directory = this.#pick(this.#directories)
    const number = this.#prng.below(this.#options.names)
    // Long ones fill directory blocks sooner.
    const name = number % 3 === 0 ? `a-rather-long-name-that-fills-directory-blocks-${number}` : `n${number}`
    const path = directory === '' ? name : `${directory}/${name}`
    if (!list.includes(path)) list.push(path)
    return path
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#prng.below(list.length)] as T
  }
}

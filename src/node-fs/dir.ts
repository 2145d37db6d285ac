import { constants } from 'node:fs'
import { atOnce, type Call, whenDone } from '../guest/syscall/call.js'
import { getdents } from '../guest/syscall/data.js'
import { open } from '../guest/syscall/open.js'
import type { Process } from '../guest/syscall/process.js'
import { type Encoding, encoded, type PathLike, pathBytes, pathText } from './arguments.js'
import { Dirent } from './dirent.js'
import type { Door } from './door.js'
import { closeFile, openFile } from './file-calls.js'
import { isDots } from './name-calls.js'
import { at, now } from './system-error.js'

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY

export interface OpendirOptions {
  encoding?: Encoding | null | undefined
  /** Entries read at a time; 32 unless said. */
  bufferSize?: number | undefined
  recursive?: boolean | undefined
}

/** As fs.Dir: an open directory, whose entries come in the order in which ext4 has them. */
export class Dir {
  readonly path: string
  readonly #process: Process
  readonly #encoding: Encoding
  readonly #bufferSize: number
  readonly #recursive: boolean
  /** Directories still to be read, the first of them open. */
  readonly #waiting: string[]
  #fd: number | undefined
  #at: string
  #read: Dirent<string | Buffer>[] = []
  #closed = false

  /** `fd`: open to read. */
  constructor(process: Process, path: string, fd: number, options: OpendirOptions = {}) {
    this.path = path
    this.#process = process
    this.#fd = fd
    this.#at = path
    this.#encoding = options.encoding ?? 'utf8'
    this.#bufferSize = options.bufferSize ?? 32
    this.#recursive = options.recursive ?? false
    this.#waiting = []
  }

  /** The next entry; null behind the last. */
  read(): Promise<Dirent<string | Buffer> | null> {
    return whenDone(this.#next())
  }

  readSync(): Dirent<string | Buffer> | null {
    return atOnce(this.#next())
  }

  async close(): Promise<void> {
    this.closeSync()
  }

  closeSync(): void {
    if (this.#closed) throw closed()
    this.#closed = true
    if (this.#fd !== undefined) closeFile(this.#process, this.#fd)
  }

  /** Closes the directory in the end. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Dirent<string | Buffer>> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry
    } finally {
      await this.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) await this.close()
  }

  *#next(): Call<Dirent<string | Buffer> | null> {
    if (this.#closed) throw closed()
    while (this.#read.length === 0) {
      this.#fill()
      if (this.#read.length > 0) break
      if (this.#fd !== undefined) closeFile(this.#process, this.#fd)
      this.#fd = undefined
      const next = this.#waiting.shift()
      if (next === undefined) return null
      this.#at = next
      this.#fd = yield* openFile(this.#process, next, DIRECTORY, 0)
    }
    const entry = this.#read.shift() as Dirent<string | Buffer>
    if (this.#recursive && entry.isDirectory()) this.#waiting.push(`${this.#at}/${entry.name}`)
    return entry
  }

  #fill(): void {
    const fd = this.#fd
    if (fd === undefined) return
    now({ syscall: 'scandir', path: this.#at }, () =>
      getdents(this.#process, this.#process.files.get(fd), (name, _, type) => {
        if (isDots(name)) return true
        if (this.#read.length === this.#bufferSize) return false
        this.#read.push(new Dirent(encoded(name, this.#encoding), this.#at, type))
        return true
      }),
    )
  }
}

function closed(): Error {
  return Object.assign(new Error('Directory handle was closed'), { code: 'ERR_DIR_CLOSED' })
}

export function* opendir({ process }: Door, path: PathLike, options?: OpendirOptions): Call<Dir> {
  const file = yield* at({ syscall: 'opendir', path }, open(process, pathBytes(path), DIRECTORY))
  const fd = process.files.add(file)
  return new Dir(process, pathText(path), fd, options)
}

import { EventEmitter } from 'node:events'
import type { ReadStream, WriteStream } from 'node:fs'
import { createInterface, type Interface } from 'node:readline'
import { ReadableStream } from 'node:stream/web'
import { whenDone } from '../guest/syscall/call.js'
import { idOf, modeOf, type OpenMode, positionOf, type TimeLike } from './arguments.js'
import { fchmod, fchown, fstat, futimes } from './attribute-calls.js'
import { type ByteRangeOptions, byteRange, rangeOptions } from './byte-range.js'
import {
  bytesOf,
  type FileContent,
  type ReadFileOptions,
  readFile,
  viewBytes,
  type WriteFileOptions,
  writeFile,
} from './content-calls.js'
import type { Door } from './door.js'
import { closeFile, readInto, syncFile, truncateFile, writeFrom } from './file-calls.js'
import type { BigIntStats, Stats } from './stats.js'
import {
  createReadStream,
  createWriteStream,
  type ReadStreamOptions,
  type WriteStreamOptions,
} from './streams.js'
import { readVector, writeVector } from './vectors.js'

export interface ReadOptions<T extends NodeJS.ArrayBufferView = Buffer> extends ByteRangeOptions {
  buffer?: T | undefined
}

export interface WriteOptions extends ByteRangeOptions {
  position?: number | null | undefined
}

/** Bytes that a read without a buffer takes at most. */
const READ_SIZE = 16384

/** As FileHandle of node:fs/promises: an open file. After a power failure everything but close fails with EBADF. */
export class FileHandle extends EventEmitter {
  readonly #door: Door
  readonly #process: Door['process']
  #fd: number
  #closing: Promise<void> | undefined

  constructor(door: Door, fd: number) {
    super()
    this.#door = door
    this.#process = door.process
    this.#fd = fd
  }

  /** -1 when closed. */
  get fd(): number {
    return this.#fd
  }

  appendFile(data: FileContent, options?: WriteFileOptions | BufferEncoding | null): Promise<void> {
    return this.writeFile(data, options)
  }

  async chmod(mode: OpenMode): Promise<void> {
    await whenDone(fchmod(this.#process, this.#fd, modeOf(mode)))
  }

  async chown(uid: number, gid: number): Promise<void> {
    await whenDone(fchown(this.#process, this.#fd, idOf(uid, 'uid'), idOf(gid, 'gid')))
  }

  close(): Promise<void> {
    if (this.#fd === -1) return this.#closing ?? Promise.resolve()
    const fd = this.#fd
    this.#fd = -1
    this.#closing = this.#close(fd)
    return this.#closing
  }

  createReadStream(options?: ReadStreamOptions): ReadStream {
    return createReadStream(this.#door, '', { ...options, fd: this.#fd }, () => this.close())
  }

  createWriteStream(options?: WriteStreamOptions): WriteStream {
    return createWriteStream(this.#door, '', { ...options, fd: this.#fd }, () => this.close())
  }

  async datasync(): Promise<void> {
    await whenDone(syncFile(this.#process, this.#fd, true))
  }

  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: T }>
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    options?: ReadOptions<T> | null,
  ): Promise<{ bytesRead: number; buffer: T }>
  read<T extends NodeJS.ArrayBufferView = Buffer>(
    options?: ReadOptions<T>,
  ): Promise<{ bytesRead: number; buffer: T }>
  async read(
    first?: NodeJS.ArrayBufferView | ReadOptions<NodeJS.ArrayBufferView>,
    second?: number | ReadOptions<NodeJS.ArrayBufferView> | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    const options: ReadOptions<NodeJS.ArrayBufferView> = ArrayBuffer.isView(first)
      ? { ...rangeOptions(second, length, position), buffer: first }
      : (first ?? {})
    const buffer = options.buffer ?? Buffer.alloc(READ_SIZE)
    const target = viewBytes(buffer)
    const range = byteRange(target.length, options)
    const bytesRead = readInto(this.#process, this.#fd, target, range.from, range.count, range.position)
    return { bytesRead, buffer }
  }

  readFile(options: { encoding: BufferEncoding; signal?: AbortSignal } | BufferEncoding): Promise<string>
  readFile(options?: (ReadFileOptions & { encoding?: null | 'buffer' }) | null): Promise<Buffer>
  readFile(options?: ReadFileOptions | BufferEncoding | null): Promise<string | Buffer> {
    return whenDone(readFile(this.#here, this.#fd, options))
  }

  readLines(options?: ReadStreamOptions): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Number.POSITIVE_INFINITY })
  }

  /** The bytes from where the file stands; the file stays open. */
  readableWebStream(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull: async (controller) => {
        const { bytesRead, buffer } = await this.read()
        if (bytesRead === 0) controller.close()
        else controller.enqueue(buffer.subarray(0, bytesRead))
      },
    })
  }

  async readv<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffers: T }> {
    return { bytesRead: readVector(this.#process, this.#fd, buffers, positionOf(position)), buffers }
  }

  stat(options: { bigint: true }): Promise<BigIntStats>
  stat(options?: { bigint?: false | undefined }): Promise<Stats>
  async stat(options?: { bigint?: boolean | undefined }): Promise<Stats | BigIntStats> {
    return fstat(this.#here, this.#fd, options)
  }

  async sync(): Promise<void> {
    await whenDone(syncFile(this.#process, this.#fd, false))
  }

  async truncate(length = 0): Promise<void> {
    await whenDone(truncateFile(this.#process, this.#fd, length))
  }

  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    await whenDone(futimes(this.#process, this.#fd, atime, mtime))
  }

  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null | WriteOptions,
    length?: number | null,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: T }>
  write(
    text: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
  ): Promise<{ bytesWritten: number; buffer: string }>
  async write(
    data: NodeJS.ArrayBufferView | string,
    second?: number | null | WriteOptions,
    third?: number | BufferEncoding | null,
    fourth?: number | null,
  ): Promise<{ bytesWritten: number; buffer: NodeJS.ArrayBufferView | string }> {
    const options =
      typeof data === 'string'
        ? { position: second as number | null | undefined }
        : rangeOptions(second, third as number | null | undefined, fourth)
    const source = bytesOf(data, typeof third === 'string' ? third : 'utf8')
    const range = byteRange(source.length, options)
    const call = writeFrom(this.#process, this.#fd, source, range.from, range.count, range.position)
    return { bytesWritten: await whenDone(call), buffer: data }
  }

  async writeFile(data: FileContent, options?: WriteFileOptions | BufferEncoding | null): Promise<void> {
    await whenDone(writeFile(this.#here, this.#fd, data, options))
  }

  async writev<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffers: T }> {
    const call = writeVector(this.#process, this.#fd, buffers, positionOf(position))
    return { bytesWritten: await whenDone(call), buffers }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The door as it was when the file was opened. */
  get #here(): Door {
    return { process: this.#process, device: this.#door.device, random: this.#door.random }
  }

  async #close(fd: number): Promise<void> {
    closeFile(this.#process, fd)
    this.emit('close')
  }
}

/** Node's own streams, on files of an image: createReadStream and createWriteStream take the calls to make as `fs`. */
import {
  createReadStream as nodeReadStream,
  createWriteStream as nodeWriteStream,
  type ReadStream,
  type WriteStream,
} from 'node:fs'
import { type Call, whenDone } from '../guest/syscall/call.js'
import { modeOf, type OpenMode, openFlags, type PathLike, pathText, positionOf } from './arguments.js'
import { type Door, immediate } from './door.js'
import { closeFile, openFile, readInto, syncFile, writeFrom } from './file-calls.js'

export interface ReadStreamOptions {
  flags?: string | undefined
  encoding?: BufferEncoding | undefined
  fd?: number | undefined
  mode?: number | undefined
  autoClose?: boolean | undefined
  emitClose?: boolean | undefined
  start?: number | undefined
  end?: number | undefined
  highWaterMark?: number | undefined
  signal?: AbortSignal | undefined
}

export interface WriteStreamOptions {
  flags?: string | undefined
  encoding?: BufferEncoding | undefined
  fd?: number | undefined
  mode?: number | undefined
  autoClose?: boolean | undefined
  emitClose?: boolean | undefined
  start?: number | undefined
  highWaterMark?: number | undefined
  flush?: boolean | undefined
  signal?: AbortSignal | undefined
}

type Callback = (error: unknown, result?: number, buffer?: Uint8Array) => void

function answer<T>(call: Call<T>, callback: (error: unknown, value?: T) => void): void {
  whenDone(call).then((value) => callback(null, value), callback)
}

/** The calls with callbacks that streams make. `close`: what becomes of the descriptor; it is closed when absent. */
function callbacks(door: Door, close?: (fd: number) => Promise<void>) {
  return {
    open(path: PathLike, flags: OpenMode, mode: OpenMode | undefined, callback: Callback): void {
      answer(openFile(door.process, path, openFlags(flags), modeOf(mode, 0o666)), callback)
    },
    read(
      fd: number,
      buffer: Uint8Array,
      offset: number,
      length: number,
      position: number | bigint | null,
      callback: Callback,
    ): void {
      const call = immediate(() => readInto(door.process, fd, buffer, offset, length, positionOf(position)))
      answer(call, (error, count) => callback(error, count, buffer))
    },
    write(
      fd: number,
      buffer: Uint8Array,
      offset: number,
      length: number,
      position: number | null | undefined,
      callback: Callback,
    ): void {
      const call = writeFrom(door.process, fd, buffer, offset, length, positionOf(position))
      answer(call, (error, count) => callback(error, count, buffer))
    },
    fsync(fd: number, callback: (error: unknown) => void): void {
      answer(syncFile(door.process, fd, false), (error) => callback(error))
    },
    close(fd: number, callback: (error: unknown) => void): void {
      const done = close === undefined ? whenDone(immediate(() => closeFile(door.process, fd))) : close(fd)
      done.then(() => callback(null), callback)
    },
  }
}

/** `path` is of no account when the options name a descriptor. */
export function createReadStream(
  door: Door,
  path: PathLike,
  options?: ReadStreamOptions | BufferEncoding,
  close?: (fd: number) => Promise<void>,
): ReadStream {
  const given = typeof options === 'string' ? { encoding: options } : options
  const all = { ...given, fs: callbacks(door, close) }
  return nodeReadStream(pathText(path), all as Parameters<typeof nodeReadStream>[1])
}

export function createWriteStream(
  door: Door,
  path: PathLike,
  options?: WriteStreamOptions | BufferEncoding,
  close?: (fd: number) => Promise<void>,
): WriteStream {
  const given = typeof options === 'string' ? { encoding: options } : options
  const all = { ...given, fs: callbacks(door, close) }
  return nodeWriteStream(pathText(path), all as Parameters<typeof nodeWriteStream>[1])
}

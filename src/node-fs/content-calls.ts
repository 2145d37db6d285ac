/** readFile, writeFile, appendFile: of paths, and of descriptors that are open. */
import { type Call, whenDone } from '../guest/syscall/call.js'
import {
  type Encoding,
  type EncodingOption,
  encodingOf,
  invalid,
  modeOf,
  type OpenMode,
  openFlags,
  type PathLike,
  throwIfAborted,
} from './arguments.js'
import { type Door, immediate, settled } from './door.js'
import { readRest, syncFile, withFile, writeAll } from './file-calls.js'

export interface ReadFileOptions {
  encoding?: Encoding | null | undefined
  flag?: OpenMode | undefined
  signal?: AbortSignal | undefined
}

export interface WriteFileOptions {
  encoding?: BufferEncoding | null | undefined
  mode?: OpenMode | undefined
  flag?: OpenMode | undefined
  /** fsync before it is closed. */
  flush?: boolean | undefined
  signal?: AbortSignal | undefined
}

type Piece = string | NodeJS.ArrayBufferView
/** What can be written: pieces one after the other where there are several. */
export type FileContent = Piece | Iterable<Piece> | AsyncIterable<Piece>

const named = <T extends object>(options: T | string | null | undefined): T | undefined =>
  typeof options === 'object' && options !== null ? options : undefined

/** A descriptor, or a path that is opened for the call. */
function* withTarget<T>(
  { process }: Door,
  target: PathLike | number,
  flags: number,
  mode: number,
  use: (fd: number) => Call<T>,
): Call<T> {
  return yield* typeof target === 'number' ? use(target) : withFile(process, target, flags, mode, use)
}

export function* readFile(
  door: Door,
  target: PathLike | number,
  options?: EncodingOption<ReadFileOptions>,
): Call<string | Buffer> {
  throwIfAborted(named(options)?.signal)
  const encoding = encodingOf(options as EncodingOption, 'buffer')
  const flags = openFlags(named(options)?.flag)
  const bytes = yield* withTarget(door, target, flags, 0o666, (fd) =>
    immediate(() => readRest(door.process, fd)),
  )
  return encoding === 'buffer' ? bytes : bytes.toString(encoding)
}

/** `flag`: where none is given. */
export function* writeFile(
  door: Door,
  target: PathLike | number,
  data: FileContent,
  options: WriteFileOptions | BufferEncoding | null | undefined,
  flag: 'w' | 'a' = 'w',
): Call<void> {
  const { signal, mode, flush, flag: asked } = named(options) ?? {}
  const encoding = (typeof options === 'string' ? options : options?.encoding) ?? 'utf8'
  throwIfAborted(signal)
  const whole = isPieces(data) ? undefined : bytesOf(data, encoding)
  yield* withTarget(door, target, openFlags(asked ?? flag), modeOf(mode, 0o666), function* (fd): Call<void> {
    if (whole !== undefined) yield* writeAll(door.process, fd, whole)
    else yield* settled(writePieces(door, fd, data as AsyncIterable<Piece>, encoding, signal))
    if (flush === true) yield* syncFile(door.process, fd, false)
  })
}

async function writePieces(
  { process }: Door,
  fd: number,
  pieces: AsyncIterable<Piece> | Iterable<Piece>,
  encoding: BufferEncoding,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const piece of pieces) {
    throwIfAborted(signal)
    await whenDone(writeAll(process, fd, bytesOf(piece, encoding)))
  }
}

function isPieces(data: FileContent): data is Iterable<Piece> | AsyncIterable<Piece> {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) return false
  return Symbol.iterator in data || Symbol.asyncIterator in data
}

/** The bytes of text or of any view. Throws ERR_INVALID_ARG_TYPE. */
export function bytesOf(data: unknown, encoding: BufferEncoding = 'utf8'): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, encoding)
  if (data instanceof Uint8Array) return data
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  throw invalid(
    'ERR_INVALID_ARG_TYPE',
    `The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView. Received ${String(data)}`,
  )
}

/** The bytes of a view, which text has none of. Throws ERR_INVALID_ARG_TYPE. */
export function viewBytes(buffer: unknown): Uint8Array {
  if (ArrayBuffer.isView(buffer)) return bytesOf(buffer)
  throw invalid(
    'ERR_INVALID_ARG_TYPE',
    `The "buffer" argument must be an instance of Buffer, TypedArray, or DataView. Received ${String(buffer)}`,
  )
}

/** What callers hand over, in the forms that node:fs takes, and Node's errors for what it does not. */
import { constants } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { NewTime } from '../guest/syscall/attributes.js'

export type PathLike = string | Uint8Array | URL
export type OpenMode = number | string
export type TimeLike = number | string | Date
export type Encoding = BufferEncoding | 'buffer'
/** An encoding, or options that name one. */
export type EncodingOption<T extends object = object> =
  | Encoding
  | (T & { encoding?: Encoding | null | undefined })
  | null
  | undefined

/** As Node's own: a TypeError or RangeError with a `code`. */
export function invalid(
  code: 'ERR_INVALID_ARG_TYPE' | 'ERR_INVALID_ARG_VALUE' | 'ERR_OUT_OF_RANGE' | 'ERR_METHOD_NOT_IMPLEMENTED',
  message: string,
): Error {
  const error = code === 'ERR_OUT_OF_RANGE' ? new RangeError(message) : new TypeError(message)
  return Object.assign(error, { code })
}

/** The bytes of a path. */
export function pathBytes(path: PathLike, name = 'path'): Uint8Array {
  const plain = path instanceof URL ? fileURLToPath(path) : path
  if (typeof plain !== 'string' && !(plain instanceof Uint8Array)) {
    throw invalid(
      'ERR_INVALID_ARG_TYPE',
      `The "${name}" argument must be of type string or an instance of Buffer or URL. Received ${shown(plain)}`,
    )
  }
  const bytes = typeof plain === 'string' ? Buffer.from(plain) : plain
  if (bytes.includes(0)) {
    throw invalid(
      'ERR_INVALID_ARG_VALUE',
      `The argument '${name}' must be a string, Uint8Array, or URL without null bytes. Received ${shown(plain)}`,
    )
  }
  return bytes
}

/** A path as messages have it. */
export function pathText(path: PathLike): string {
  if (path instanceof URL) return fileURLToPath(path)
  return typeof path === 'string' ? path : Buffer.from(path).toString()
}

function shown(value: unknown): string {
  return typeof value === 'string' ? `'${value.replaceAll('\0', '\\x00')}'` : String(value)
}

const FLAGS: Readonly<Record<string, number>> = {
  r: constants.O_RDONLY,
  rs: constants.O_RDONLY | constants.O_SYNC,
  sr: constants.O_RDONLY | constants.O_SYNC,
  'r+': constants.O_RDWR,
  'rs+': constants.O_RDWR | constants.O_SYNC,
  'sr+': constants.O_RDWR | constants.O_SYNC,
  w: constants.O_TRUNC | constants.O_CREAT | constants.O_WRONLY,
  wx: constants.O_TRUNC | constants.O_CREAT | constants.O_WRONLY | constants.O_EXCL,
  xw: constants.O_TRUNC | constants.O_CREAT | constants.O_WRONLY | constants.O_EXCL,
  'w+': constants.O_TRUNC | constants.O_CREAT | constants.O_RDWR,
  'wx+': constants.O_TRUNC | constants.O_CREAT | constants.O_RDWR | constants.O_EXCL,
  'xw+': constants.O_TRUNC | constants.O_CREAT | constants.O_RDWR | constants.O_EXCL,
  a: constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY,
  ax: constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_EXCL,
  xa: constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_EXCL,
  as: constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_SYNC,
  sa: constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_SYNC,
  'a+': constants.O_APPEND | constants.O_CREAT | constants.O_RDWR,
  'ax+': constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_EXCL,
  'xa+': constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_EXCL,
  'as+': constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_SYNC,
  'sa+': constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_SYNC,
}

/** O_* of flags as open() takes them; 'r' when absent. */
export function openFlags(flags: OpenMode | null | undefined): number {
  if (typeof flags === 'number') return flags
  const found = FLAGS[flags ?? 'r']
  if (found === undefined)
    throw invalid('ERR_INVALID_ARG_VALUE', `The argument 'flags' is invalid. Received ${shown(flags)}`)
  return found
}

/** Permission bits, from a number or octal digits; `standard` where there are none, without it they must be given. */
export function modeOf(mode: OpenMode | null | undefined, standard?: number, name = 'mode'): number {
  if (mode === undefined || mode === null) {
    if (standard !== undefined) return standard
    throw invalid('ERR_INVALID_ARG_TYPE', `The "${name}" argument must be of type number. Received ${mode}`)
  }
  if (typeof mode === 'string' && /^[0-7]+$/.test(mode)) return Number.parseInt(mode, 8)
  if (typeof mode === 'number' && Number.isInteger(mode) && mode >= 0 && mode <= 0xffff_ffff) return mode
  if (typeof mode === 'number')
    throw invalid(
      'ERR_OUT_OF_RANGE',
      `The value of "${name}" is out of range. It must be >= 0 && <= 4294967295. Received ${mode}`,
    )
  throw invalid(
    'ERR_INVALID_ARG_VALUE',
    `The argument '${name}' must be a 32-bit unsigned integer or an octal string. Received ${shown(mode)}`,
  )
}

/** The length that a file is to have, 0 for what is below. */
export function lengthOf(length: number): number {
  if (typeof length !== 'number') {
    const message = `The "len" argument must be of type number. Received ${shown(length)}`
    throw invalid('ERR_INVALID_ARG_TYPE', message)
  }
  if (!Number.isSafeInteger(length)) {
    const message = `The value of "len" is out of range. It must be an integer. Received ${length}`
    throw invalid('ERR_OUT_OF_RANGE', message)
  }
  return Math.max(0, length)
}

/** A uid or gid; -1 stays. */
export function idOf(id: number, name: string): number {
  if (!Number.isInteger(id) || id < -1 || id > 0xffff_ffff)
    throw invalid(
      'ERR_OUT_OF_RANGE',
      `The value of "${name}" is out of range. It must be >= -1 && <= 4294967295. Received ${id}`,
    )
  return id
}

/**
 * A time in seconds, as Node takes it: a number below zero is now, a Date may lie before 1970. As with libuv, what is
 * below a microsecond is cut off.
 */
export function timeOf(time: TimeLike): NewTime {
  let seconds: number
  if (time instanceof Date) seconds = time.getTime() / 1000
  else if (typeof time === 'string' && time.trim() !== '' && Number.isFinite(Number(time)))
    seconds = Number(time)
  else if (typeof time === 'number' && Number.isFinite(time)) {
    if (time < 0) return 'now'
    seconds = time
  } else {
    throw invalid(
      'ERR_INVALID_ARG_TYPE',
      `The "time" argument must be an instance of Date or a Unix time in seconds. Received ${shown(time)}`,
    )
  }
  let sec = Math.trunc(seconds)
  let nsec = Math.trunc((seconds - sec) * 1e9)
  nsec -= nsec % 1000
  if (nsec < 0) {
    nsec += 1e9
    sec--
  }
  return { sec, nsec: nsec + 0 }
}

export function encodingOf(option: EncodingOption, standard: Encoding): Encoding {
  const encoding = typeof option === 'string' ? option : (option?.encoding ?? standard)
  if (encoding !== 'buffer' && !Buffer.isEncoding(encoding))
    throw invalid(
      'ERR_INVALID_ARG_VALUE',
      `The argument 'encoding' is invalid encoding. Received ${shown(encoding)}`,
    )
  return encoding
}

/** A name or path as the caller wants it. */
export function encoded(bytes: Uint8Array, encoding: Encoding): string | Buffer {
  const buffer = Buffer.from(bytes)
  return encoding === 'buffer' ? buffer : buffer.toString(encoding)
}

/** A place in a file: undefined means where the file stands. */
export function positionOf(position: number | bigint | null | undefined): number | undefined {
  if (position === null || position === undefined) return undefined
  const at = Number(position)
  if (!Number.isSafeInteger(at))
    throw invalid(
      'ERR_OUT_OF_RANGE',
      `The value of "position" is out of range. It must be an integer. Received ${position}`,
    )
  return at < 0 ? undefined : at
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  throw Object.assign(new Error('The operation was aborted', { cause: signal.reason }), {
    name: 'AbortError',
    code: 'ABORT_ERR',
  })
}

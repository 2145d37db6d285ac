/** The part of a buffer that a read or write is of, and where in the file: by numbers, or by one object. */
import { positionOf } from './arguments.js'

export interface ByteRangeOptions {
  offset?: number | null | undefined
  length?: number | null | undefined
  position?: number | bigint | null | undefined
}

export interface ByteRange {
  from: number
  count: number
  /** Undefined: where the file stands. */
  position: number | undefined
}

/** Of a buffer of `size` bytes. Throws RangeError ERR_OUT_OF_RANGE where the part is not within it. */
export function byteRange(size: number, options: ByteRangeOptions): ByteRange {
  const from = options.offset ?? 0
  const count = options.length ?? size - from
  if (!Number.isInteger(from) || from < 0 || from > size)
    throw outOfRange('offset', `>= 0 && <= ${size}`, from)
  if (!Number.isInteger(count) || count < 0 || count > size - from)
    throw outOfRange('length', `>= 0 && <= ${size - from}`, count)
  return { from, count, position: positionOf(options.position) }
}

/** The arguments that follow a buffer. */
export function rangeOptions(
  second: number | ByteRangeOptions | null | undefined,
  length?: number | null,
  position?: number | bigint | null,
): ByteRangeOptions {
  return typeof second === 'object' && second !== null ? second : { offset: second, length, position }
}

function outOfRange(name: string, range: string, found: number): Error {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${found}`
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' })
}

/** Errors in the form of Node's: `ENOENT: no such file or directory, open '/x'`. */
import { getSystemErrorMap } from 'node:util'
import { CorruptError, type ErrorCode, FsError } from '../../lib/errno.js'
import type { Call } from '../guest/syscall/call.js'
import { type PathLike, pathText } from './arguments.js'

const descriptions = getSystemErrorMap()

/** Where an error came from. */
export interface Place {
  readonly syscall: string
  readonly path?: PathLike | undefined
  readonly dest?: PathLike | undefined
}

/** Runs a call; what it throws tells the place. */
export function* at<T>(place: Place, call: Call<T>): Call<T> {
  try {
    return yield* call
  } catch (error) {
    throw placed(place, error)
  }
}

/** As {@link at}, for what never waits. */
export function now<T>(place: Place, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw placed(place, error)
  }
}

export function systemError(code: ErrorCode, place: Place, cause?: unknown): FsError {
  const told = new FsError(code)
  const [name, text] = descriptions.get(told.errno) ?? [code, 'unknown error']
  return make((name as ErrorCode | undefined) ?? code, text, place, cause)
}

/** The error, with the place where it was met unless it has one. */
export function placed(place: Place, error: unknown): unknown {
  // An error with a place has got it further below.
  if (!(error instanceof FsError) || error.syscall !== undefined) return error
  if (error instanceof CorruptError) return make(error.code, error.message, place, error)
  return systemError(error.code, place, error)
}

function make(code: ErrorCode, text: string, { syscall, path, dest }: Place, cause: unknown): FsError {
  const from = path === undefined ? '' : ` '${pathText(path)}'`
  const to = dest === undefined ? '' : ` -> '${pathText(dest)}'`
  const message = `${text.startsWith(code) ? text : `${code}: ${text}`}, ${syscall}${from}${to}`
  const error = new FsError(code, message, {
    syscall,
    ...(path === undefined ? {} : { path: pathText(path) }),
    ...(dest === undefined ? {} : { dest: pathText(dest) }),
    ...(cause === undefined ? {} : { cause }),
  })
  error.name = 'Error'
  return error
}

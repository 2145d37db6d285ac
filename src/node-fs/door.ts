import type { Call } from '../guest/syscall/call.js'
import type { Process } from '../guest/syscall/process.js'

/** What the calls of this folder act on. */
export interface Door {
  /** Its current directory is the root. Another one after a power failure. */
  readonly process: Process
  /** st_dev. */
  readonly device: number
  /** 0 to below 1. */
  readonly random: () => number
}

/** Waits for a value that somebody else makes. */
export function* settled<T>(promise: Promise<T> | T): Call<T> {
  if (!(promise instanceof Promise)) return promise
  let value: T | undefined
  yield promise.then((made) => {
    value = made
  })
  return value as T
}

/** What never waits, as a call. */
// biome-ignore lint/correctness/useYield: it never waits
export function* immediate<T>(work: () => T): Call<T> {
  return work()
}

/**
 * The npm package fuse-native 2.2.6, as far as it is used. It ties itself to the default event loop of the process, so
 * it works in the main thread only.
 */
import { createRequire } from 'node:module'
import { FsError } from '../../../lib/errno.js'
import { loadLibrary } from '../../../lib/libc.js'

const require = createRequire(import.meta.url)

/**
 * Answers a callback: a result (0, a count or `-errno`), then what the operation returns. Must be called once; memory
 * that libfuse lent is gone after it.
 */
export type Signal = (result: number, ...values: unknown[]) => void

/** Called with the token of libfuse's thread, the number of the operation, and its arguments. */
export type Handler = (locals: Uint8Array, opcode: number, ...parameters: unknown[]) => void

/** What there is of the class Fuse to build upon. Operations are methods `_op_NAME`, called if `ops` has NAME. */
export interface Fuse {
  /** Mounts; called back when the kernel's INIT has been answered. */
  open(callback: (error: Error | null) => void): void
  _makeHandlerArray(): (Handler | undefined)[]
  _fuseOptions(): string
}

export type FuseClass = new (
  mountpoint: string,
  ops: Readonly<Record<string, boolean>>,
  options: {
    /** Milliseconds after which an operation is answered with ETIMEDOUT while it goes on; false: never. */
    timeout: number | false
  },
) => Fuse

/**
 * Loads the package. It is built against libfuse.so.2, which a system may not have: the copy that is installed with the
 * package is taken. Throws FsError ENOENT with the reason when it cannot be had.
 */
export function loadFuseNative(): FuseClass {
  try {
    loadLibrary((require('fuse-shared-library') as { lib: string }).lib)
    return require('fuse-native') as FuseClass
  } catch (cause) {
    const [reason] = (cause instanceof Error ? cause.message : String(cause)).split('\n')
    throw new FsError('ENOENT', `the npm package fuse-native cannot be loaded: ${reason}`, { cause })
  }
}

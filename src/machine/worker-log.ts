import { writeSync } from 'node:fs'
import { format } from 'node:util'
import debug from 'debug'

/**
 * In a worker, process.stderr is a stream that the worker's own event loop must carry to the main thread; a thread
 * that rarely gets there writes to the file descriptor itself.
 */
export function logToDescriptor(): void {
  debug.log = (...parameters: unknown[]) => {
    writeSync(2, `${format(...parameters)}\n`)
  }
  console.error = debug.log
}

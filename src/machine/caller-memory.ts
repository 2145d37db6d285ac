import { Completion } from '../../lib/completion.js'
import { FsError } from '../../lib/errno.js'
import type { CallerMemory } from '../fuse/connection.js'
import type { CallerMemoryAnswer, CallerMemoryQuestion } from './thread-messages.js'

/**
 * Reads the memory of processes that wait for a request, by way of another thread. That memory may be a mapping of a
 * file of this very mount: the thread that serves the mount would wait for itself.
 */
export class CallerMemoryReader {
  readonly #ask: (question: CallerMemoryQuestion) => void
  readonly #waiting = new Map<number, Completion<Uint8Array>>()
  #next = 1

  constructor(ask: (question: CallerMemoryQuestion) => void) {
    this.#ask = ask
  }

  readonly read: CallerMemory = (pid, address, length) => {
    const id = this.#next++
    const completion = new Completion<Uint8Array>()
    this.#waiting.set(id, completion)
    this.#ask({ id, pid, address, length })
    return completion.promise
  }

  answer({ callerMemory: { id, bytes } }: CallerMemoryAnswer): void {
    const completion = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (bytes === undefined) completion?.fail(new FsError('EFAULT', 'memory of the caller'))
    else completion?.complete(bytes)
  }
}

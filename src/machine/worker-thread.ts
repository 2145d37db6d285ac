import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { Completion } from '../../lib/completion.js'
import { E, type ErrorCode, FsError } from '../../lib/errno.js'
import type { MonitorFailure } from './monitor-protocol.js'
import type { Answer, Question } from './thread-messages.js'

export function errorOf(failure: MonitorFailure): FsError {
  return new FsError(failure.code in E ? (failure.code as ErrorCode) : 'EIO', failure.message)
}

/**
 * One of the machine's threads as the monitor's thread has it: questions go to it by a port that it looks at when its
 * line was raised, answers and events come back by the worker's own port. When it dies, all who wait are told.
 */
export class WorkerThread<Command extends string | object, Event> {
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #alert: () => void
  readonly #waiting = new Map<number, Completion<unknown>>()
  #next = 1
  #death: FsError | undefined
  /** Told of all that is no answer. */
  onEvent: ((event: Event) => void) | undefined
  /** Told when the thread ended, with the reason when that was not its own decision. */
  onExit: ((error: FsError | undefined) => void) | undefined

  /** `alert` makes the thread look at its port. */
  constructor(module: URL, name: string, data: object, alert: () => void) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#alert = alert
    this.#worker = new Worker(module, { name, workerData: { ...data, port: port2 }, transferList: [port2] })
    this.#worker.on('message', (message: Event | Answer) => this.#receive(message))
    this.#worker.on('error', (error) =>
      this.#die(new FsError('EIO', `the ${name} died: ${error.stack ?? error}`)),
    )
    this.#worker.on('exit', (code) => {
      this.#die(code === 0 ? undefined : new FsError('EIO', `the ${name} ended with status ${code}`))
    })
  }

  /** Rejects with the thread's own FsError, or EIO when it died, or ETIMEDOUT after `timeout` ms. */
  async ask<T>(execute: Command, timeout = 0): Promise<T> {
    if (this.#death !== undefined) throw this.#death
    const id = this.#next++
    const answer = new Completion<unknown>()
    this.#waiting.set(id, answer)
    this.post({ id, execute } satisfies Question<Command>)
    const timer =
      timeout === 0
        ? undefined
        : setTimeout(() => answer.fail(new FsError('ETIMEDOUT', `no answer within ${timeout} ms`)), timeout)
    try {
      return (await answer.promise) as T
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  post(message: object): void {
    this.#port.postMessage(message)
    this.#alert()
  }

  #receive(message: Event | Answer): void {
    const { id } = message as Answer
    if (id === undefined) {
      this.onEvent?.(message as Event)
      return
    }
    const answer = message as Answer
    if (answer.error === undefined) this.#waiting.get(id)?.complete(answer.return)
    else this.#waiting.get(id)?.fail(errorOf(answer.error))
  }

  #die(error: FsError | undefined): void {
    if (this.#death !== undefined) return
    this.#death = error ?? new FsError('ECONNABORTED', 'the thread has ended')
    for (const answer of this.#waiting.values()) answer.fail(this.#death)
    this.#port.close()
    this.onExit?.(error)
  }
}

import { connect, type Socket } from 'node:net'
import { Completion } from '../../lib/completion.js'
import { E, type ErrorCode, FsError } from '../../lib/errno.js'
import { encodeLine, LineDecoder, type MonitorAnswer, type MonitorEvent } from './monitor-protocol.js'

/** A client of a mount's monitor. */
export class MonitorClient {
  readonly #socket: Socket
  readonly #decoder = new LineDecoder()
  readonly #waiting: Completion<unknown>[] = []
  readonly #events: MonitorEvent[] = []
  /** Resolves when the other end is gone: for a mount's process, when it has ended. */
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    this.#socket = socket
    const closed = new Completion()
    this.closed = closed.promise
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#receive(text))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      for (const waiter of this.#waiting.splice(0)) {
        waiter.fail(new FsError('ECONNABORTED', 'the process that serves the mount is gone'))
      }
      closed.complete()
    })
  }

  /** Rejects with the system's error (ENOENT, ECONNREFUSED) when nobody listens. */
  static connect(path: string): Promise<MonitorClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new MonitorClient(socket))
      })
    })
  }

  /** Rejects with FsError: the server's own, ECONNABORTED when it ended first, ETIMEDOUT after `timeout` ms. */
  async execute<T>(command: string, parameters: Record<string, unknown> = {}, timeout = 0): Promise<T> {
    const answer = new Completion<unknown>()
    this.#waiting.push(answer)
    this.#socket.write(encodeLine({ execute: command, arguments: parameters }))
    if (timeout === 0) return (await answer.promise) as T
    const timer = setTimeout(
      () => answer.fail(new FsError('ETIMEDOUT', `no answer to '${command}' within ${timeout} ms`)),
      timeout,
    )
    try {
      return (await answer.promise) as T
    } finally {
      clearTimeout(timer)
    }
  }

  /** The latest event of that name, if it came. */
  event(name: string): MonitorEvent | undefined {
    return this.#events.findLast((event) => event.event === name)
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(text: string): void {
    for (const message of this.#decoder.push(text) as (MonitorAnswer & Partial<MonitorEvent>)[]) {
      if (message.event !== undefined) {
        this.#events.push(message as MonitorEvent)
        continue
      }
      const waiter = this.#waiting.shift()
      if (message.error === undefined) waiter?.complete(message.return)
      else {
        const code = message.error.code in E ? (message.error.code as ErrorCode) : 'EIO'
        waiter?.fail(new FsError(code, message.error.message))
      }
    }
  }
}

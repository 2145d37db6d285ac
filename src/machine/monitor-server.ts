import { rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import debug from 'debug'
import { FsError } from '../../lib/errno.js'
import { encodeLine, failureOf, LineDecoder, type MonitorCommand } from './monitor-protocol.js'

const log = debug('fakedax:monitor')

/** Runs one command; what it returns, once resolved, is the answer. */
export type MonitorHandler = (parameters: Record<string, unknown>) => unknown

/** Answers the commands of other processes at the socket of a mount. */
export class MonitorServer {
  readonly #handlers: ReadonlyMap<string, MonitorHandler>
  readonly #server: Server
  readonly #clients = new Set<Socket>()

  constructor(handlers: Record<string, MonitorHandler>) {
    this.#handlers = new Map(Object.entries(handlers))
    this.#server = createServer((socket) => this.#serve(socket))
  }

  /** Throws FsError EBUSY when a living process listens at `path`; what a dead one left there is replaced. */
  async listen(path: string): Promise<void> {
    if (await this.#tryListen(path)) return
    if (await answers(path)) throw new FsError('EBUSY', `another process listens at '${path}'`, { path })
    rmSync(path, { force: true })
    if (!(await this.#tryListen(path))) throw new FsError('EBUSY', `cannot listen at '${path}'`, { path })
  }

  #tryListen(path: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => {
        if (error.code === 'EADDRINUSE') resolve(false)
        else reject(error)
      }
      this.#server.once('error', fail)
      this.#server.listen(path, () => {
        this.#server.off('error', fail)
        resolve(true)
      })
    })
  }

  /** Tells every client; resolves when the lines are with the kernel. */
  async broadcast(event: string, data?: unknown): Promise<void> {
    const line = encodeLine({ event, data })
    await Promise.all(
      [...this.#clients].map((socket) => new Promise<void>((resolve) => socket.write(line, () => resolve()))),
    )
  }

  /** No new clients, and the present ones are cut off. Removes the socket's file. */
  close(): void {
    this.#server.close()
    for (const socket of this.#clients) socket.destroy()
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket)
    const decoder = new LineDecoder()
    let turn: Promise<void> = Promise.resolve()
    socket.setEncoding('utf8')
    socket.on('error', (error) => log('client: %s', error.message))
    socket.on('close', () => this.#clients.delete(socket))
    socket.on('data', (text: string) => {
      try {
        for (const command of decoder.push(text)) turn = turn.then(() => this.#answer(socket, command))
      } catch (error) {
        socket.end(encodeLine({ error: { ...failureOf(error), code: 'EPROTO' } }))
      }
    })
  }

  async #answer(socket: Socket, message: unknown): Promise<void> {
    const command = message as Partial<MonitorCommand> | null
    const name = String(command?.execute)
    try {
      const handler = this.#handlers.get(name)
      if (handler === undefined) throw new FsError('EINVAL', `unknown command '${name}'`)
      const result = await handler(command?.arguments ?? {})
      socket.write(encodeLine({ return: result ?? {} }))
    } catch (error) {
      log('%s: %O', name, error)
      socket.write(encodeLine({ error: failureOf(error) }))
    }
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

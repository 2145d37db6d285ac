/**
 * Serves the requests of one connection: decode, wait for the file system where it must, handle, reply. The only
 * place where errors become wire numbers.
 *
 * A request is handled in one go and answered at once, unless
 *   - it changes the file system and the file system is not ready: its bytes are copied and it starts again later;
 *   - its handler returned a promise (a sync, a truncation of several transactions): it is answered when that resolves.
 * Others are served meanwhile; {@link Session.pending} counts those that wait.
 */
import { E, FsError } from '../../lib/errno.js'
import { systemError } from '../../lib/libc.js'
import type { FileSystem } from '../guest/vfs/file-system.js'
import { opcodeName } from './abi/opcode.js'
import { type Channel, PAYLOAD } from './channel.js'
import { Connection, type ConnectionOptions, log } from './connection.js'
import { type Row, rowOf } from './dispatch.js'
import type { Sync } from './durability.js'
import { Request } from './request.js'
import type { Statistics } from './statistics.js'

export interface SessionOptions extends ConnectionOptions {
  /** Told of errors that are no FsError: faults of ours, which the user sees as EIO. Printed when absent. */
  report?: (error: unknown, request: string) => void
}

/** `ended`: unmounted or aborted; no request will come. */
export type Served = 'served' | 'empty' | 'ended'

export class Session {
  readonly #channel: Channel
  readonly #connection: Connection
  readonly #request: Request
  readonly #report: (error: unknown, request: string) => void
  #pending = 0

  constructor(fs: FileSystem, channel: Channel, options: SessionOptions = {}) {
    this.#channel = channel
    this.#connection = new Connection(fs, channel, options)
    this.#request = new Request(channel.bytes, channel.view)
    this.#report = options.report ?? ((error, request) => console.error(`fuse: ${request}:`, error))
  }

  /** Requests that wait for a promise. */
  get pending(): number {
    return this.#pending
  }

  get statistics(): Statistics {
    return this.#connection.statistics
  }

  /** The kernel sent DESTROY and the file system is unmounted: so it was a fuseblk mount and umount(2) has returned. */
  get destroyed(): boolean {
    return this.#connection.destroyed
  }

  /** Inodes that the kernel knows. */
  get knownInodes(): number {
    return this.#connection.nodes.size
  }

  /** Takes one request, if there is one, without waiting. Throws when the channel is broken. */
  serveOne(): Served {
    const length = this.#channel.receive()
    if (length > 0) {
      this.#request.decode(length, this.#connection.fs.root)
      this.#connection.statistics.count(this.#request.opcode)
      this.#dispatch(this.#request)
      return 'served'
    }
    switch (-length) {
      case E.EAGAIN:
        return 'empty'
      case E.EINTR:
      // The request was taken back while it was being read.
      case E.ENOENT:
        return 'served'
      case 0:
      case E.ENODEV:
      case E.ECONNABORTED:
        return 'ended'
      default:
        throw systemError(-length, 'read', '/dev/fuse')
    }
  }

  /** Gives back all inodes that the kernel knew. For a connection that ended without DESTROY, before unmounting. */
  forgetAll(): Promise<void> {
    return this.#connection.releaseAll()
  }

  #dispatch(request: Request): void {
    const row = rowOf(request.opcode)
    if (row === undefined) {
      this.#send(request, -E.ENOSYS, 0)
      return
    }
    try {
      if (request.length < row.size) throw new FsError('EINVAL', `request of ${request.length} bytes`)
      this.#connection.fs.setCaller(request.uid, request.gid, request.groups)
      if (row.changes(this.#connection, request)) {
        const wait = this.#connection.fs.ready()
        if (wait !== undefined) {
          this.#postpone(row, request, wait)
          return
        }
      }
      const sync = row.demand?.(this.#connection, request)
      const result = row.handle(this.#connection, request)
      if (typeof result === 'number') this.#answerWhenDurable(row, request, result, sync)
      else this.#answerLater(row, request.detach(false), result, sync)
    } catch (error) {
      this.#fail(row, request, error)
    }
  }

  /** Starts the request again when the file system is ready. Its buffer will be in use by then. */
  #postpone(row: Row, request: Request, wait: Promise<void>): void {
    const copy = request.detach(true)
    this.#connection.statistics.postponed++
    this.#pending++
    wait.then(
      () => {
        this.#pending--
        this.#dispatch(copy)
      },
      (error) => {
        this.#pending--
        this.#fail(row, copy, error)
      },
    )
  }

  #answerLater(row: Row, request: Request, result: Promise<unknown>, sync: Sync | undefined): void {
    this.#pending++
    result.then(
      (value) => {
        this.#pending--
        try {
          const length = row.finish?.(this.#connection, request, value) ?? 0
          this.#answerWhenDurable(row, request, length, sync)
        } catch (error) {
          this.#fail(row, request, error)
        }
      },
      (error) => {
        this.#pending--
        this.#fail(row, request, error)
      },
    )
  }

  /** As {@link #answer}, after what `sync` makes durable; the reply is kept meanwhile. */
  #answerWhenDurable(row: Row, request: Request, result: number, sync: Sync | undefined): void {
    const wait = result < 0 ? undefined : sync?.()
    if (wait === undefined) {
      this.#answer(row, request, result)
      return
    }
    const connection = this.#connection
    const { replyBytes, staleAttributes, staleEntries } = connection
    connection.staleAttributes = 0
    connection.staleEntries = false
    const payload = replyBytes.slice(PAYLOAD, PAYLOAD + result)
    const kept = request.detach(false)
    this.#pending++
    wait.then(
      () => {
        this.#pending--
        replyBytes.set(payload, PAYLOAD)
        Object.assign(connection, { staleAttributes, staleEntries })
        this.#answer(row, kept, result)
      },
      (error) => {
        this.#pending--
        this.#fail(row, kept, error)
      },
    )
  }

  /** `result`: payload length or negative errno. */
  #answer(row: Row, request: Request, result: number): void {
    if (row.noReply) return
    if (row.data && result >= 0) this.#sendData(request)
    else if (result < 0) this.#send(request, result, 0)
    else this.#send(request, 0, result)
    const connection = this.#connection
    if (connection.staleAttributes !== 0) this.#dropAttributes()
    if (connection.accessed === 0) return
    // Whoever reads need not wait for it; whoever then asks for attributes comes after it.
    connection.fs.touchAtime(connection.accessed)
    connection.accessed = 0
  }

  /** Behind the reply, so that the kernel does not wait for this thread while it holds the inode. */
  #dropAttributes(): void {
    const connection = this.#connection
    const { staleAttributes, staleEntries } = connection
    connection.staleAttributes = 0
    connection.staleEntries = false
    connection.invalidate(staleAttributes, staleEntries)
  }

  #fail(row: Row, request: Request, error: unknown): void {
    if (!(error instanceof FsError)) this.#report(error, opcodeName(request.opcode))
    else if (log.enabled) log('%s of inode %d: %s', opcodeName(request.opcode), request.ino, error.message)
    if (!row.noReply) this.#send(request, error instanceof FsError ? error.errno : -E.EIO, 0)
  }

  #send(request: Request, error: number, length: number): void {
    if (error !== 0) this.#connection.statistics.errors++
    this.#check(request, this.#channel.send(request.uniqueLow, request.uniqueHigh, error, length))
  }

  #sendData(request: Request): void {
    const sent = this.#channel.sendData(request.uniqueLow, request.uniqueHigh, this.#connection.runs)
    this.#check(request, sent)
    if (sent > 0) this.#connection.statistics.read += sent - PAYLOAD
  }

  /** ENOENT: the connection was aborted meanwhile, nobody waits. Any other refusal is a malformed reply. */
  #check(request: Request, sent: number): void {
    if (sent >= 0) return
    this.#connection.statistics.refusedReplies++
    if (sent === -E.ENOENT || sent === -E.ENODEV || sent === -E.ECONNABORTED || sent === -E.EPERM) return
    this.#report(systemError(-sent, 'writev', '/dev/fuse'), `reply to ${opcodeName(request.opcode)}`)
  }
}

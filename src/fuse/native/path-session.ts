import { E, FsError } from '../../../lib/errno.js'
import { POLLERR, POLLHUP, poll, pollTable } from '../../../lib/libc.js'
import type { FileSystem } from '../../guest/vfs/file-system.js'
import { Opcode } from '../abi/opcode.js'
import { log } from '../connection.js'
import type { Served } from '../session.js'
import { Statistics } from '../statistics.js'
import { PathFiles } from './path-files.js'
import type { PathCall, PathOperation, PathReply } from './path-operations.js'

/** Whether an operation changes the file system, which must be ready then; and the request that it stands for. */
const OPERATIONS: Readonly<Record<PathOperation, readonly [changes: boolean, opcode: number]>> = {
  getattr: [false, Opcode.GETATTR],
  fgetattr: [false, Opcode.GETATTR],
  statfs: [false, Opcode.STATFS],
  readlink: [false, Opcode.READLINK],
  readdir: [false, Opcode.READDIR],
  mknod: [true, Opcode.MKNOD],
  mkdir: [true, Opcode.MKDIR],
  symlink: [true, Opcode.SYMLINK],
  link: [true, Opcode.LINK],
  unlink: [true, Opcode.UNLINK],
  rmdir: [true, Opcode.RMDIR],
  rename: [true, Opcode.RENAME],
  chmod: [true, Opcode.SETATTR],
  chown: [true, Opcode.SETATTR],
  truncate: [true, Opcode.SETATTR],
  ftruncate: [true, Opcode.SETATTR],
  utimens: [true, Opcode.SETATTR],
  open: [false, Opcode.OPEN],
  create: [true, Opcode.CREATE],
  release: [false, Opcode.RELEASE],
  read: [false, Opcode.READ],
  write: [true, Opcode.WRITE],
  fsync: [false, Opcode.FSYNC],
  fsyncdir: [false, Opcode.FSYNCDIR],
  getxattr: [false, Opcode.GETXATTR],
  listxattr: [false, Opcode.LISTXATTR],
  setxattr: [true, Opcode.SETXATTR],
  removexattr: [true, Opcode.REMOVEXATTR],
}

/** libfuse's rename follows within a fraction of a millisecond when it comes at all. Milliseconds. */
const LEAVE_AFTER = 20

export interface PathSessionOptions {
  /** The one user who may use the mount. */
  caller: { uid: number; gid: number }
  /** Milliseconds of a steady clock. */
  clock: () => number
  /** Told of errors that are no FsError: faults of ours, which the user sees as EIO. Printed when absent. */
  report?: (error: unknown, operation: string) => void
}

/** Serves the calls of a mount by paths. Errors become wire numbers here. */
export class PathSession {
  readonly statistics = new Statistics()
  /** There is no DESTROY by this way: who serves the session unmounts the file system when it has ended. */
  readonly destroyed = false
  readonly #fs: FileSystem
  readonly #caller: { uid: number; gid: number }
  readonly #files: PathFiles
  readonly #clock: () => number
  readonly #report: (error: unknown, operation: string) => void
  /** When {@link settle} is due, should no call come before. */
  #deadline: number | undefined
  /** Of the connection's file descriptor, once there is one. */
  readonly #table = pollTable(1)
  #connected = false
  #closed = false

  constructor(fs: FileSystem, options: PathSessionOptions) {
    this.#fs = fs
    this.#caller = options.caller
    this.#files = new PathFiles(fs, options.caller)
    this.#clock = options.clock
    this.#report =
      options.report ?? ((error, operation) => console.error(`fuse-native: ${operation}:`, error))
  }

  /** The mount is made: `fd` is one of /dev/fuse, on the connection that libfuse reads. It tells when that is over. */
  connect(fd: number): void {
    this.#table[0] = fd
    this.#connected = true
  }

  /** There will be no calls: the mount was not made. */
  close(): void {
    this.#closed = true
  }

  /** Calls come by {@link perform}: here only the end is looked for. */
  serveOne(): Served {
    if (this.#closed) return 'ended'
    if (!this.#connected) return 'empty'
    this.#table[1] = 0
    poll(this.#table, 1, 0)
    return (this.#table[1] >>> 16) & (POLLERR | POLLHUP) ? 'ended' : 'empty'
  }

  /** Never rejects. */
  async perform(call: PathCall): Promise<PathReply> {
    const [changes, opcode] = OPERATIONS[call.operation]
    this.statistics.count(opcode)
    try {
      if (changes) {
        for (let wait = this.#fs.ready(); wait !== undefined; wait = this.#fs.ready()) {
          this.statistics.postponed++
          await wait
        }
        if (this.#files.isLeaving && this.#files.meetsLeaving(call)) this.#leave()
      } else if (this.#files.isLeaving && this.#files.meetsLeaving(call)) await this.settle()
      this.#fs.setCaller(this.#caller.uid, this.#caller.gid)
      const value = await this.#run(call)
      this.#count(call, value)
      if (!this.#files.isLeaving) this.#deadline = undefined
      else this.#deadline ??= this.#clock() + LEAVE_AFTER
      return { error: 0, value }
    } catch (error) {
      this.statistics.errors++
      if (!(error instanceof FsError)) this.#report(error, call.operation)
      else if (log.enabled) log('%s %s: %s', call.operation, call.parameters[0], error.message)
      return { error: error instanceof FsError ? error.errno : -E.EIO }
    }
  }

  /** Gives back all inodes that are in use: before the file system is unmounted. */
  async forgetAll(): Promise<void> {
    await this.settle()
    await this.#files.inodes.clear()
  }

  get deadline(): number | undefined {
    return this.#deadline
  }

  /** Does now what was put off: to be called when {@link deadline} has passed, and before all is synced. Never rejects. */
  async settle(): Promise<void> {
    try {
      while (this.#files.isLeaving) {
        const wait = this.#fs.ready()
        if (wait === undefined) this.#leave()
        else await wait
      }
    } catch (error) {
      // Whoever unlinked has been answered: the entry stays, in a file system that may not change any more.
      log('an entry that was to go: %o', error)
    }
  }

  #leave(): void {
    this.#deadline = undefined
    this.#files.leave()
  }

  #run(call: PathCall): unknown {
    const operation = this.#files[call.operation] as (...parameters: PathCall['parameters']) => unknown
    return operation.apply(this.#files, call.parameters)
  }

  #count({ operation }: PathCall, value: unknown): void {
    if (operation === 'read') this.statistics.read += (value as Uint8Array).length
    else if (operation === 'write') this.statistics.written += value as number
  }
}

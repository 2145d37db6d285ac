import createDebug from 'debug'
import { Completion } from '../../lib/completion.js'
import { E, FsError } from '../../lib/errno.js'
import { LoopDevice } from '../fuse/loop-device.js'
import { unmount, unmountSync } from '../fuse/mount.js'
import { mountByPaths } from '../fuse/native/path-mount.js'
import type { PathCall, PathReply } from '../fuse/native/path-operations.js'
import type { HostMemoryHandle } from '../host/host-memory.js'
import { unmountAfterDeath } from './auto-unmount.js'
import type { HostStatus } from './host.js'
import { replaceByIdmapped } from './idmapped-mount.js'
import type { MountOptions, MountType } from './machine-options.js'
import { MachineThreads } from './machine-threads.js'
import { MonitorServer } from './monitor-server.js'
import type { CrashReport, MountReport, MountStatus } from './mount-report.js'
import { isOurs, mountedAt } from './mount-table.js'
import { pathMountFlags, requirePathMountOptions } from './path-mount-options.js'
import { identifyProcess } from './process-identity.js'
import { readProcessMemory } from './process-memory.js'
import { MountFiles } from './runtime-directory.js'
import type {
  CallerMemoryAnswer,
  CallerMemoryQuestion,
  IothreadCommand,
  IothreadOpened,
  VcpuCommand,
  VcpuEvent,
  VcpuMounted,
  VcpuStatus,
} from './thread-messages.js'
import { errorOf, type WorkerThread } from './worker-thread.js'

const log = createDebug('fakedax:machine')

/** How long, in milliseconds, a thread may take to answer a question that costs it nothing. */
const ANSWER_TIMEOUT = 5000

/** How a mount ended. */
export interface MountEnd {
  /** Undefined: all is on the image, and it is marked clean. */
  error: FsError | undefined
}

/**
 * The main thread of the process that serves a mount: starts the two other threads, answers the monitor's socket, and
 * sees to it that the process ends when the mount does, or when one of its threads dies.
 */
export class MountService {
  readonly #options: MountOptions
  readonly #files: MountFiles
  readonly #iothread: WorkerThread<IothreadCommand, IothreadOpened>
  readonly #vcpu: WorkerThread<VcpuCommand, VcpuEvent>
  readonly #threads: MachineThreads
  readonly #monitor: MonitorServer
  readonly #ended = new Completion<MountEnd>()
  readonly #vcpuEnded = new Completion<FsError | undefined>()
  #report: MountReport | undefined

  /**
   * Mounts `options.image` at `options.dir`, which {@link prepareMountPoint} found fit. Rejects with FsError; nothing
   * is left behind then but threads, which end with the process.
   */
  static async start(options: MountOptions, threads = new MachineThreads(options)): Promise<MountService> {
    const service = new MountService(options, threads)
    try {
      requirePathMountOptions(options)
      await service.#start()
      return service
    } catch (error) {
      threads.wakeForExit()
      service.#monitor.close()
      service.#files.remove()
      throw error
    }
  }

  private constructor(options: MountOptions, threads: MachineThreads) {
    this.#options = options
    this.#files = new MountFiles(options.dir)
    this.#threads = threads
    this.#iothread = threads.iothread
    this.#vcpu = threads.vcpu
    this.#monitor = new MonitorServer({
      status: () => this.status(),
      sync: () => this.#vcpu.ask('sync'),
      crash: ({ kind }) => this.#crash(kind === 'guest' ? 'guest' : 'host'),
      quit: () => this.quit(),
    })
  }

  get report(): MountReport {
    if (this.#report === undefined) throw new Error('not mounted')
    return this.#report
  }

  /** Resolves when the mount is gone and the image is closed, or a thread died. */
  get ended(): Promise<MountEnd> {
    return this.#ended.promise
  }

  async status(): Promise<MountStatus> {
    const [host, guest] = await Promise.all([
      this.#iothread.ask<HostStatus>('status', ANSWER_TIMEOUT),
      this.#vcpu.ask<VcpuStatus>('status', ANSWER_TIMEOUT),
    ])
    const { recovery } = this.report
    return {
      fsyncs: guest.fsyncs,
      commits: guest.commits,
      flushRequests: host.flushRequests,
      hostSyncs: host.syncs,
      hostSyncFailures: host.syncFailures,
      bytesWrittenBack: host.bytesWrittenBack,
      bytesDirty: host.bytesDirty,
      device: host.device,
      requests: guest.requests,
      ...(guest.error === undefined ? {} : { error: guest.error }),
      ...(recovery === undefined ? {} : { recovery }),
    }
  }

  /** Unmounts; {@link ended} tells when all is done. Rejects with FsError EBUSY while the mount is in use. */
  async quit(): Promise<void> {
    await unmount(this.#options.dir)
  }

  async #start(): Promise<void> {
    this.#files.makeDirectory()
    await this.#monitor.listen(this.#files.socket)
    const opened = await this.#threads.opened
    const loop = await this.#attachLoopDevice(opened.memory.readOnly)
    let mounted: VcpuMounted
    try {
      mounted = await this.#boot(opened, loop?.path)
    } finally {
      // Mounted or not: it is freed when its last user is gone.
      await loop?.detach()
    }
    if (this.#options.frontEnd === 'fuse-native') await this.#mountByPaths(mounted)
    await this.#mapIds()
    if (this.#options.autoUnmount) unmountAfterDeath(this.#options.dir)
    const { recovery } = mounted
    const readOnlyReason = opened.readOnlyReason ?? mounted.readOnlyReason
    const type: MountType = loop === undefined ? 'fuse' : 'fuseblk'
    this.#report = {
      pid: process.pid,
      type,
      readOnly: mounted.readOnly,
      ...(readOnlyReason === undefined ? {} : { readOnlyReason }),
      ...(recovery === undefined ? {} : { recovery }),
    }
    const identity = identifyProcess(process.pid) ?? { pid: process.pid, startTime: 0 }
    this.#files.write({ ...identity, options: this.#options, type, started: new Date().toISOString() })
    void this.#watch()
  }

  /** Where it cannot be, nothing stays mounted. */
  async #mapIds(): Promise<void> {
    const { dir, idmap } = this.#options
    if (idmap.length === 0) return
    try {
      await replaceByIdmapped(dir, idmap)
    } catch (error) {
      await unmount(dir, { lazy: true })
      await this.#vcpuEnded.promise
      await this.#iothread.ask('shutDown')
      throw error
    }
  }

  #boot(
    hardware: { memory: HostMemoryHandle; registers: SharedArrayBuffer },
    blockDevice: string | undefined,
  ): Promise<VcpuMounted> {
    const { memory, registers } = hardware
    return new Promise((resolve, reject) => {
      this.#vcpu.onEvent = (event) => {
        if ('mounted' in event) resolve(event.mounted)
        else if ('failed' in event) reject(errorOf(event.failed))
        else if ('callerMemory' in event) void this.#readCaller(event.callerMemory)
        else this.#vcpuEnded.complete(event.ended.error && errorOf(event.ended.error))
      }
      this.#threads.death.promise.then(reject)
      this.#vcpu.post({ boot: { memory, registers, blockDevice } })
    })
  }

  async #readCaller({ id, pid, address, length }: CallerMemoryQuestion): Promise<void> {
    const bytes = await readProcessMemory(pid, address, length)
    this.#vcpu.post({ callerMemory: { id, bytes } } satisfies CallerMemoryAnswer)
  }

  /** The package fuse-native works in the main thread only: so that mounts, and hands to the vcpu what is asked. */
  async #mountByPaths({ readOnly, directIo }: VcpuMounted): Promise<void> {
    const { dir, image } = this.#options
    try {
      const connected = await mountByPaths({
        mountpoint: dir,
        source: image,
        readOnly,
        directIo,
        flags: pathMountFlags(this.#options),
        perform: (call) => this.#perform(call),
      })
      await this.#vcpu.ask({ connected })
    } catch (error) {
      await this.#vcpu.ask('close')
      await this.#vcpuEnded.promise
      await this.#iothread.ask('shutDown')
      throw error
    }
  }

  async #perform(call: PathCall): Promise<PathReply> {
    try {
      return await this.#vcpu.ask<PathReply>({ perform: call })
    } catch (error) {
      log('%s: %s', call.operation, (error as Error).message)
      return { error: -E.EIO }
    }
  }

  async #attachLoopDevice(readOnly: boolean): Promise<LoopDevice | undefined> {
    const { type, image, frontEnd } = this.#options
    const root = process.geteuid?.() === 0
    if (type === 'fuseblk' && !root) throw new FsError('EPERM', 'a mount of type fuseblk needs root')
    if (type === 'fuse' || frontEnd === 'fuse-native' || !root) return undefined
    try {
      return await LoopDevice.attach(image, { readOnly })
    } catch (error) {
      if (type === 'fuseblk') throw error
      log('no loop device, mounting as fuse: %s', (error as Error).message)
      return undefined
    }
  }

  /** From the mount to its end. */
  async #watch(): Promise<void> {
    void this.#threads.death.promise.then((error) => this.#break(error))
    let error = await this.#vcpuEnded.promise
    try {
      await this.#iothread.ask('shutDown')
    } catch (cause) {
      error ??= cause as FsError
    }
    this.#detachAborted()
    await this.#monitor.broadcast('ended', { error: error?.message })
    this.#files.remove({ log: error === undefined })
    this.#monitor.close()
    this.#ended.complete({ error })
  }

  /** A connection that was aborted, not unmounted, leaves its mount behind. */
  #detachAborted(): void {
    const { dir } = this.#options
    const entry = mountedAt(dir)
    if (entry !== undefined && isOurs(entry)) unmountSync(dir, { lazy: true })
  }

  /**
   * A thread died: the machine is broken. The record stays, so that others can find out and clean up; the process is
   * to exit, which closes /dev/fuse and fails whoever waits for the mount.
   */
  async #break(error: FsError): Promise<void> {
    const reason = new FsError('EIO', `the machine is broken: ${error.message}`)
    this.#threads.wakeForExit()
    await this.#monitor.broadcast('ended', { error: reason.message })
    this.#ended.complete({ error: reason })
  }

  /** The power fails: the vcpu stops between two operations, the answer goes out, the process is killed. */
  async #crash(kind: CrashReport['kind']): Promise<CrashReport> {
    if (kind === 'host' && this.#options.hostCache === 'kernel') {
      throw new FsError(
        'EOPNOTSUPP',
        "with the host cache 'kernel' all stores are in this host's page cache, which only its own power failure empties; mount with --host-cache emulated",
      )
    }
    await this.#vcpu.ask('halt', ANSWER_TIMEOUT).catch((error: FsError) => log('halt: %s', error.message))
    const { flushRequests, bytesDirty } = await this.#iothread.ask<HostStatus>('status')
    if (kind === 'guest') await this.#iothread.ask('keepAll')
    setImmediate(() => process.kill(process.pid, 'SIGKILL'))
    return { kind, bytesLost: kind === 'host' ? bytesDirty : 0, flushRequests }
  }
}

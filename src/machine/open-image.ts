import { FsError } from '../../lib/errno.js'
import { Process } from '../guest/syscall/process.js'
import type { Timespec } from '../guest/vfs/attributes.js'
import type { Credentials } from '../guest/vfs/credentials.js'
import type { FaultInjectionOptions } from '../host/fault-injection.js'
import { createLinux, type FsLinux } from '../node-fs/linux.js'
import { createPromises, type FsPromises } from '../node-fs/promises.js'
import { createSync, type FsSync } from '../node-fs/sync.js'
import { InlineMachine } from './inline-machine.js'
import type { MachineOptions } from './machine-options.js'
import type { CrashReport, RecoverySummary } from './mount-report.js'

export interface OpenImageOptions extends Partial<Omit<MachineOptions, 'image' | 'dax'>> {
  /** Who acts; root unless said, with all of root's rights. */
  uid?: number
  gid?: number
  /** Supplementary groups. */
  groups?: readonly number[]
  /** Permission bits that new files do not get; 022 unless said. */
  umask?: number
  /** Wall clock, for time stamps; this computer's unless said. */
  now?: () => Timespec
  /** 0 to below 1, for the names of mkdtemp; Math.random unless said. */
  random?: () => number
  /** Syncs of the host that are to fail. */
  faults?: FaultInjectionOptions
}

/** How an open image is doing. */
export interface DiskStatus {
  /** Journal transactions committed. */
  commits: number
  /** FLUSH requests that the virtio-pmem device received. */
  flushRequests: number
  /** Syncs of the image made for them. */
  hostSyncs: number
  hostSyncFailures: number
  bytesWrittenBack: number
  /** Stored and covered by no completed FLUSH: what a power failure would lose. */
  bytesDirty: number
  readOnly: boolean
  /** Of the latest mount; undefined when the image was clean. */
  recovery?: RecoverySummary
}

/** What programs take as `fs`. */
export type NodeFs = FsSync & { readonly promises: FsPromises }

/** How often the commit interval is looked at, in milliseconds. */
const LOOK = 500
/** st_dev of the first image opened; each has its own. */
let nextDevice = 0x10000

const wallClock = (): Timespec => {
  const ms = Date.now()
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: (ms - sec * 1000) * 1_000_000 }
}

const steadyClock = (): number => performance.timeOrigin + performance.now()

/**
 * An image that is open in this process, without any mount: the calls of node:fs act on the ext4 in it, whose root
 * directory is `/`. Closing it leaves a clean image; the death of the process is a power failure.
 */
export class Disk {
  /** As node:fs/promises. */
  readonly promises: FsPromises
  /** The synchronous calls of node:fs and its streams, with {@link promises} beside them. fsyncSync waits for the host. */
  readonly fs: NodeFs
  /** What Linux has beyond. */
  readonly linux: FsLinux
  readonly #image: string
  readonly #options: OpenImageOptions
  readonly #door: { process: Process; device: number; random: () => number }
  #machine: InlineMachine
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /** Rejects as a mount does: FsError ENOENT, EBUSY, UnsupportedError, CorruptError. */
  static async open(image: string, options: OpenImageOptions = {}): Promise<Disk> {
    const machine = await boot(image, options)
    return new Disk(image, options, machine)
  }

  private constructor(image: string, options: OpenImageOptions, machine: InlineMachine) {
    this.#image = image
    this.#options = options
    this.#machine = machine
    this.#door = {
      process: processOn(machine, options),
      device: nextDevice++,
      random: options.random ?? Math.random,
    }
    this.promises = createPromises(this.#door)
    this.fs = { ...createSync(this.#door), promises: this.promises }
    this.linux = createLinux(this.#door)
    this.#watchClock()
  }

  /** The same image, for another caller: its own open files, the same file system. */
  as(who: Credentials, umask = 0o022): Pick<Disk, 'promises' | 'fs' | 'linux'> {
    const disk = this
    let process = new Process(this.#machine.fs, who, umask)
    const door = {
      get process(): Process {
        if (process.fs !== disk.#machine.fs) process = new Process(disk.#machine.fs, who, umask)
        return process
      },
      device: this.#door.device,
      random: this.#door.random,
    }
    const promises = createPromises(door)
    return { promises, fs: { ...createSync(door), promises }, linux: createLinux(door) }
  }

  status(): DiskStatus {
    const { status, fs } = this.#machine
    const recovery = recoveryOf(this.#machine)
    return {
      commits: fs.journalCounters?.commits ?? 0,
      flushRequests: status.flushRequests,
      hostSyncs: status.syncs,
      hostSyncFailures: status.syncFailures,
      bytesWrittenBack: status.bytesWrittenBack,
      bytesDirty: status.bytesDirty,
      readOnly: fs.readOnly,
      ...(recovery === undefined ? {} : { recovery }),
    }
  }

  /**
   * Cuts the power, and mounts the image again: what was open is closed, and what no FLUSH covered is gone (`host`), or
   * what was stored is there (`guest`, whose host lives on).
   */
  async crash({
    kind = 'host',
  }: {
    kind?: 'host' | 'guest'
  } = {}): Promise<CrashReport & { recovery?: RecoverySummary }> {
    this.#requireOpen()
    const { flushes, bytesDirty } = this.#machine
    this.#stop()
    this.#machine.cutPower(kind)
    this.#door.process.files.clear()
    this.#closed = true
    this.#machine = await boot(this.#image, this.#options)
    this.#closed = false
    this.#door.process = processOn(this.#machine, this.#options)
    this.#watchClock()
    const recovery = recoveryOf(this.#machine)
    return {
      kind,
      bytesLost: kind === 'host' ? bytesDirty : 0,
      flushRequests: flushes,
      ...(recovery === undefined ? {} : { recovery }),
    }
  }

  /**
   * Closes what is open, brings all onto the image, and leaves it clean. Rejects with EIO when the host failed: the image is
   * closed then, and as after a power failure.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#stop()
    this.#door.process.exit()
    try {
      await this.#machine.shutDown()
    } catch (error) {
      this.#machine.cutPower(this.#options.hostCache === 'kernel' ? 'guest' : 'host')
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #requireOpen(): void {
    if (this.#closed) throw new FsError('EBADF', `${this.#image} is not open`)
  }

  /** Commits what is older than the commit interval. The process may end while this waits. */
  #watchClock(): void {
    if (this.#machine.fs.readOnly) return
    this.#timer = setInterval(() => {
      const { fs } = this.#machine
      const time = steadyClock()
      if (fs.deadline !== undefined && time >= fs.deadline) fs.tick(time)
    }, LOOK).unref()
  }

  #stop(): void {
    clearInterval(this.#timer)
  }
}

async function boot(image: string, options: OpenImageOptions): Promise<InlineMachine> {
  const { uid: _uid, gid: _gid, groups: _groups, umask: _umask, random: _random, now, ...rest } = options
  const machine = InlineMachine.boot({
    ...rest,
    image,
    atOnce: true,
    clock: steadyClock,
    now: now ?? wallClock,
  })
  try {
    await machine.mount()
  } catch (error) {
    machine.cutPower('guest')
    throw error
  }
  return machine
}

function processOn(
  { fs }: InlineMachine,
  { uid = 0, gid = 0, groups = [], umask }: OpenImageOptions,
): Process {
  return new Process(fs, { uid, gid, groups }, umask)
}

function recoveryOf({ fs: { report } }: InlineMachine): RecoverySummary | undefined {
  const { recovery, orphans, fastCommits } = report
  if (recovery === undefined) return undefined
  const summary = { transactions: recovery.transactions, blocks: recovery.blocksReplayed, orphans }
  return fastCommits === undefined ? summary : { ...summary, fastCommits }
}

/** Opens an image in this process: see {@link Disk}. */
export function openImage(image: string, options: OpenImageOptions = {}): Promise<Disk> {
  return Disk.open(image, options)
}

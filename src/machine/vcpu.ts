/** The vcpu: the guest's half of a machine and the FUSE session. A worker's main module. */
import { availableParallelism } from 'node:os'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { Completion } from '../../lib/completion.js'
import { FsError } from '../../lib/errno.js'
import { DirtyLog } from '../bus/dirty-log.js'
import { GuestMemory } from '../bus/guest-memory.js'
import { KernelChannel } from '../fuse/channel.js'
import { mountFuse } from '../fuse/mount.js'
import type { PathReply } from '../fuse/native/path-operations.js'
import { PathSession } from '../fuse/native/path-session.js'
import { Session } from '../fuse/session.js'
import { HostMemory } from '../host/host-memory.js'
import { VirtioMmioRegisters } from '../virtio/mmio-registers.js'
import { VirtioMmioState } from '../virtio/mmio-state.js'
import { PMEM_START, RAM_SIZE, RAM_START } from './address-map.js'
import { CallerMemoryReader } from './caller-memory.js'
import { Guest } from './guest.js'
import { WRITE_BACK_LIMIT } from './host.js'
import { failureOf } from './monitor-protocol.js'
import { mountFlags } from './mount-flags.js'
import { supplementaryGroups } from './process-memory.js'
import { SharedDoorbell } from './shared-doorbell.js'
import type {
  Answer,
  CallerMemoryAnswer,
  Question,
  VcpuBoot,
  VcpuCommand,
  VcpuEvent,
  VcpuStart,
  VcpuStatus,
} from './thread-messages.js'
import { TurnLoop, type TurnWork } from './turn-loop.js'
import { WakeLine } from './wake-line.js'
import { logToDescriptor } from './worker-log.js'

/** Steady, and since 1970: the journal writes it into commit blocks. Milliseconds. */
const clock = (): number => performance.timeOrigin + performance.now()

/** Bytes moved from one drop of views to the next. */
const VIEWS_MOST = 64 << 20

/** Ticks as long as Linux's at HZ=250: several writes within one share a time stamp, and so need no new commit. */
const TICK = 4

function now(): { sec: number; nsec: number } {
  const ms = Math.floor(Date.now() / TICK) * TICK
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: (ms - sec * 1000) * 1_000_000 }
}

function tell(message: VcpuEvent | Answer): void {
  parentPort?.postMessage(message)
}

class Vcpu implements TurnWork {
  readonly #start: VcpuStart
  readonly #port: MessagePort
  readonly #loop: TurnLoop
  readonly #doorbell: SharedDoorbell
  readonly #boot = new Completion<VcpuBoot['boot']>()
  #memory: HostMemory | undefined
  #guest: Guest | undefined
  #session: Session | PathSession | undefined
  readonly #callers = new CallerMemoryReader((callerMemory) => tell({ callerMemory }))
  #panic: Error | undefined
  /** Bytes read and written when views were last dropped. */
  #movedAtDrop = 0

  constructor(start: VcpuStart, port: MessagePort) {
    this.#start = start
    this.#port = port
    this.#doorbell = new SharedDoorbell(start.doorbell)
    const wake = new WakeLine(start.wake, start.eventfd)
    this.#loop = new TurnLoop({ wake, clock, spin: availableParallelism() > 1 })
  }

  async run(): Promise<void> {
    try {
      const boot = await this.#loop.until(this.#boot.promise, this)
      const guest = this.#powerOn(boot)
      const fs = await this.#loop.until(guest.mount(this.#start.options), this)
      fs.onPanic = (error) => {
        this.#panic = error
      }
      const { report } = fs
      this.#attach(guest, boot.blockDevice)
      const { recovery } = report
      tell({
        mounted: {
          readOnly: report.readOnly,
          readOnlyReason: report.readOnlyReason,
          recovery:
            recovery === undefined && report.orphans === 0
              ? undefined
              : {
                  transactions: recovery?.transactions ?? 0,
                  blocks: recovery?.blocksReplayed ?? 0,
                  orphans: report.orphans,
                  ...(report.fastCommits === undefined ? {} : { fastCommits: report.fastCommits }),
                },
          directIo: fs.canDax && this.#start.options.dax === 'always',
        },
      })
    } catch (error) {
      const { code, message } = failureOf(error)
      tell({ failed: { code, message: `'${this.#start.options.image}': ${message}` } })
      return
    }
    await this.#loop.serve(this)
    await this.#end()
  }

  serve(): 'served' | 'empty' | 'ended' {
    // A kernel that panicked does nothing any more; who waits for it learns so when this process has gone.
    if (this.#panic !== undefined) throw this.#panic
    return this.#session?.serveOne() ?? 'empty'
  }

  interrupt(): void {
    this.#guest?.handleInterrupt()
  }

  control(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      const message = received.message as VcpuBoot | CallerMemoryAnswer | Question<VcpuCommand>
      if ('callerMemory' in message) this.#callers.answer(message)
      else if ('boot' in message) this.#boot.complete(message.boot)
      else void this.#answer(message)
    }
  }

  chores(now: number): void {
    this.#guest?.tick(now)
    const session = this.#session
    if (session instanceof PathSession && session.deadline !== undefined && now >= session.deadline)
      void session.settle()
    const memory = this.#memory
    if (memory === undefined) return
    if (memory.reclaimDue) memory.reclaim()
    this.#dropViews(memory)
    if (memory.privatePages !== undefined && memory.dirtyLog.count * DirtyLog.PAGE_SIZE > WRITE_BACK_LIMIT)
      this.#doorbell.ring()
  }

  /** What was moved bounds what became resident by it. */
  #dropViews(memory: HostMemory): void {
    const { read = 0, written = 0 } = this.#session?.statistics ?? {}
    if (read + written - this.#movedAtDrop < VIEWS_MOST) return
    this.#movedAtDrop = read + written
    memory.dropViews()
  }

  get deadline(): number | undefined {
    const ofGuest = this.#guest?.deadline
    const ofSession = this.#session instanceof PathSession ? this.#session.deadline : undefined
    return ofGuest === undefined || ofSession === undefined
      ? (ofGuest ?? ofSession)
      : Math.min(ofGuest, ofSession)
  }

  get expectsInterrupt(): boolean {
    return this.#guest?.expectsInterrupt ?? false
  }

  #powerOn(boot: VcpuBoot['boot']): Guest {
    const memory = HostMemory.attach(boot.memory)
    const cell = new Int32Array(new SharedArrayBuffer(4))
    this.#memory = memory
    this.#guest = new Guest({
      ram: new GuestMemory({ start: RAM_START, size: RAM_SIZE, memory: this.#start.ram }),
      mmio: new VirtioMmioRegisters(new VirtioMmioState(boot.registers), this.#doorbell),
      pmem: memory.region(PMEM_START),
      clock,
      now,
      relax: () => {
        Atomics.wait(cell, 0, 0, 1)
      },
    })
    return this.#guest
  }

  /** From here on no path below the mount point may be touched by this process. */
  #attach(guest: Guest, blockDevice: string | undefined): void {
    const { options } = this.#start
    const { fs } = guest
    if (options.frontEnd === 'fuse-native') {
      // Mounted by the main thread, which alone can; this one performs what it is told.
      const caller = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
      this.#session = new PathSession(fs, { caller, clock })
      return
    }
    const fd = mountFuse({
      mountpoint: options.dir,
      source: options.image,
      blockSize: fs.blockSize,
      readOnly: fs.readOnly,
      flags: mountFlags(options),
      ...(options.allowOther === undefined ? {} : { allowOther: options.allowOther }),
      ...(blockDevice === undefined ? {} : { blockDevice }),
    })
    this.#session = new Session(fs, new KernelChannel(fd), {
      dax: options.dax === 'always' && !fs.canDax ? 'never' : options.dax,
      isDax: (ino) => fs.isDax(ino),
      acl: options.acl,
      strictatime: options.strictatime,
      idmapped: options.idmap.length > 0,
      unmount: () => fs.unmount(),
      callerMemory: this.#callers.read,
      groupsOf: supplementaryGroups,
    })
    this.#loop.requests = fd
  }

  async #answer({ id, execute }: Question<VcpuCommand>): Promise<void> {
    try {
      if (typeof execute === 'object') return tell({ id, return: await this.#serveByPaths(execute) })
      switch (execute) {
        case 'status':
          return tell({ id, return: this.#status() })
        case 'sync':
          if (this.#session instanceof PathSession) await this.#session.settle()
          await this.#guest?.fs.syncfs()
          return tell({ id })
        case 'close':
          this.#pathSession.close()
          return tell({ id })
        case 'halt':
          tell({ id })
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      }
    } catch (error) {
      tell({ id, error: failureOf(error) })
    }
  }

  #serveByPaths(execute: Exclude<VcpuCommand, string>): Promise<PathReply> | undefined {
    const session = this.#pathSession
    if ('perform' in execute) return session.perform(execute.perform)
    session.connect(execute.connected)
    this.#loop.requests = execute.connected
    this.#loop.requestEvents = 0
    return undefined
  }

  get #pathSession(): PathSession {
    if (this.#session instanceof PathSession) return this.#session
    throw new FsError('ENOTCONN', 'nothing is mounted by fuse-native')
  }

  #status(): VcpuStatus {
    const statistics = this.#session?.statistics
    const fs = this.#guest?.mounted ? this.#guest.fs : undefined
    return {
      fsyncs: statistics?.syncs ?? 0,
      requests: statistics?.byName() ?? {},
      commits: fs?.journalCounters?.commits ?? 0,
      error: fs?.failure?.message,
    }
  }

  /** The connection is over: by umount(2), or because someone aborted it. */
  async #end(): Promise<void> {
    const session = this.#session as Session | PathSession
    const guest = this.#guest as Guest
    this.#session = undefined
    try {
      if (!session.destroyed) {
        await this.#loop.until(
          session.forgetAll().then(() => guest.fs.unmount()),
          this,
        )
      }
      guest.driver.remove()
      tell({ ended: { error: undefined } })
    } catch (error) {
      tell({ ended: { error: failureOf(error) } })
    }
  }
}

logToDescriptor()
const { port, ...start } = workerData as VcpuStart & { port: MessagePort }
await new Vcpu(start, port).run()
port.close()

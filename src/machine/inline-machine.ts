import type { Prng } from '../../lib/prng.js'
import { DirtyLog } from '../bus/dirty-log.js'
import { InlineDoorbell } from '../bus/doorbell.js'
import { GuestMemory } from '../bus/guest-memory.js'
import { InlineInterruptLine } from '../bus/interrupt-line.js'
import type { Ext4 } from '../guest/ext4/ext4.js'
import type { PmemDisk } from '../guest/nvdimm/pmem-disk.js'
import type { Timespec } from '../guest/vfs/attributes.js'
import type { FaultInjectionOptions } from '../host/fault-injection.js'
import { VirtioMmioRegisters } from '../virtio/mmio-registers.js'
import { PMEM_START, RAM_SIZE, RAM_START } from './address-map.js'
import { Guest } from './guest.js'
import { Host, type HostStatus } from './host.js'
import { DEFAULT_OPTIONS, type MachineOptions } from './machine-options.js'

export interface InlineMachineOptions extends Partial<Omit<MachineOptions, 'image'>> {
  image: string
  /** Milliseconds of a steady clock; stands still when absent. */
  clock?: () => number
  /** Wall clock; the epoch when absent. */
  now?: () => Timespec
  /** Delivers doorbell and interrupts late, and now and then twice, as this generator says; at once when absent. */
  schedule?: Prng
  faults?: FaultInjectionOptions
  /**
   * Commits and FLUSHes are done within the call that asks for them, where the host answers at once: then nothing in the
   * guest has to wait, and calls that cannot wait can be made.
   */
  atOnce?: boolean
}

/** Turns of the microtask queue that a delivery may take. */
const LATEST = 12

/**
 * A machine in one thread: what the guest asks of the host happens within the call, or, with a schedule, a random
 * number of microtasks later. With the same seed, clock and image it does the same things in the same order.
 */
export class InlineMachine {
  readonly #host: Host
  readonly #guest: Guest
  #running = true

  /** Opens the image and brings the guest up to its disk; {@link mount} comes next. Throws FsError. */
  static boot(options: InlineMachineOptions): InlineMachine {
    return new InlineMachine(options)
  }

  readonly #options: Omit<MachineOptions, 'image'>

  private constructor(options: InlineMachineOptions) {
    this.#options = { ...DEFAULT_OPTIONS, ...options }
    const ram = new GuestMemory({ start: RAM_START, size: RAM_SIZE })
    const interrupt = new InlineInterruptLine()
    const doorbell = new InlineDoorbell()
    const { image, faults, schedule } = options
    const { hostCache, readOnly } = this.#options
    this.#host = Host.open(
      { image, hostCache, readOnly, ...(faults === undefined ? {} : { faults }) },
      ram,
      interrupt,
    )
    // Probing polls registers, which only an answer at once can change.
    doorbell.handler = () => this.#host.process()
    try {
      this.#guest = new Guest({
        ram,
        mmio: new VirtioMmioRegisters(this.#host.state, doorbell),
        pmem: this.#host.backend.memory.region(PMEM_START),
        clock: options.clock ?? (() => 0),
        now: options.now ?? (() => ({ sec: 0, nsec: 0 })),
        atOnce: options.atOnce ?? false,
      })
    } catch (error) {
      this.#host.cutPower()
      throw error
    }
    interrupt.handler = () => this.#guest.handleInterrupt()
    if (schedule !== undefined) {
      doorbell.handler = this.#late(schedule, doorbell.handler)
      interrupt.handler = this.#late(schedule, interrupt.handler)
    }
  }

  get disk(): PmemDisk {
    return this.#guest.disk
  }

  /** Throws before {@link mount} has resolved. */
  get fs(): Ext4 {
    return this.#guest.fs
  }

  get status(): HostStatus {
    return this.#host.status
  }

  /** FLUSH requests that the device received. */
  get flushes(): number {
    return this.#host.status.flushRequests
  }

  /** Bytes that a power failure of the host would lose. */
  get bytesDirty(): number {
    return this.#host.backend.memory.dirtyLog.count * DirtyLog.PAGE_SIZE
  }

  /** Rejects as Ext4.mount does. */
  mount(): Promise<Ext4> {
    return this.#guest.mount(this.#options)
  }

  /**
   * Keeps memory bounded, as the threads of a mount do between requests: writes back when much is dirty, lets go of
   * private copies that the image has, and of views of the host's page cache. To be called now and then, between
   * operations.
   */
  tend(): void {
    this.#host.process()
    const { memory } = this.#host.backend
    if (memory.reclaimDue) memory.reclaim()
    memory.dropViews()
  }

  /** Unmounts what is mounted and closes the image. */
  async shutDown(): Promise<void> {
    if (this.#guest.mounted) await this.#guest.fs.unmount()
    this.#running = false
    await this.#host.shutDown()
  }

  /**
   * `host`: the image keeps what completed FLUSHes cover (and, written back early, some more). `guest`: it keeps every
   * store. The machine is dead afterwards; boot another on the image. Throws TypeError for `host` over the host's own
   * page cache, which no death of ours can empty.
   */
  cutPower(kind: 'host' | 'guest'): void {
    if (kind === 'host' && this.#host.backend.policy === 'kernel')
      throw new TypeError("a host power failure needs hostCache 'emulated'")
    if (kind === 'guest') this.#host.keepAll()
    this.#running = false
    this.#host.cutPower()
  }

  #late(schedule: Prng, handler: () => void): () => void {
    return () => {
      const times = schedule.chance(0.1) ? 2 : 1
      for (let time = 0; time < times; time++) void this.#deliver(schedule.below(LATEST), handler)
    }
  }

  async #deliver(turns: number, handler: () => void): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await undefined
    if (this.#running) handler()
  }
}

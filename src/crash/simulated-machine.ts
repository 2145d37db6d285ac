import type { Prng } from '../../lib/prng.js'
import { DmaMemory } from '../bus/dma-memory.js'
import { InlineDoorbell } from '../bus/doorbell.js'
import { GuestMemory } from '../bus/guest-memory.js'
import { InlineInterruptLine } from '../bus/interrupt-line.js'
import { PmemRegion } from '../bus/pmem-region.js'
import type { BlockDevice } from '../guest/block/block-device.js'
import { Ext4 } from '../guest/ext4/ext4.js'
import type { MountOptions } from '../guest/ext4/mount-options.js'
import { PmemDisk } from '../guest/nvdimm/pmem-disk.js'
import { VirtioPmem } from '../guest/nvdimm/virtio-pmem.js'
import { type SyncStep, VirtioPmemDevice } from '../host/virtio-pmem-device.js'
import { VirtioMmioDevice } from '../virtio/mmio-device.js'
import { VirtioMmioRegisters } from '../virtio/mmio-registers.js'
import { VirtioMmioState } from '../virtio/mmio-state.js'
import { VirtioMmioTransport } from '../virtio/mmio-transport.js'
import { StoreLog } from './store-log.js'
import type { VirtualClock } from './virtual-clock.js'

const RAM_SIZE = 64 * 1024
const PMEM_START = 0x1_0000_0000
/** Turns of the microtask queue that a delivery or a sync may take. */
const LATEST = 12

export interface SimulatedMachineOptions {
  /** Copied. */
  image: Uint8Array
  clock: VirtualClock
  /** Lets doorbell, interrupt and sync take their time, and the first two come twice or for nothing. */
  schedule?: Prng
  /** The host's sync, around the one that this machine has. */
  sync?: (sync: SyncStep, machine: SimulatedMachine) => SyncStep
  /** What the file system mounts, around the disk that the driver made. */
  disk?: (disk: BlockDevice) => BlockDevice
  mount?: Partial<Omit<MountOptions, 'clock' | 'now'>>
}

class LoggedDisk extends PmemDisk {
  /** Told of each flush before it is asked for. */
  log: StoreLog | undefined

  override flush(): Promise<void> {
    this.log?.submitted()
    return super.flush()
  }
}

/**
 * Host, device, ring, driver and ext4 in one thread, over memory in place of an image file, with a log of all stores
 * and syncs. One seed and one clock decide everything.
 */
export class SimulatedMachine {
  readonly region: PmemRegion
  readonly log: StoreLog
  readonly driver: VirtioPmem
  readonly device: VirtioPmemDevice
  readonly disk: BlockDevice
  readonly clock: VirtualClock
  readonly #options: SimulatedMachineOptions
  readonly #mmio: VirtioMmioDevice
  readonly #logged: LoggedDisk
  #fs: Ext4 | undefined

  constructor(options: SimulatedMachineOptions) {
    this.#options = options
    this.clock = options.clock
    const { schedule } = options
    const memory = options.image.slice().buffer
    this.region = new PmemRegion({ start: PMEM_START, size: memory.byteLength, memory: [memory] })
    this.log = new StoreLog(this.region)
    const ram = new GuestMemory({ start: 0, size: RAM_SIZE })
    const interrupt = new InlineInterruptLine()
    const doorbell = new InlineDoorbell()
    const own: SyncStep = () => this.#sync()
    const { start, size } = this.region
    this.device = new VirtioPmemDevice({ start, size, sync: options.sync?.(own, this) ?? own })
    const state = VirtioMmioState.create(this.device.identity)
    this.#mmio = new VirtioMmioDevice({ state, device: this.device, memory: ram, interrupt })
    doorbell.handler = () => this.#mmio.process()
    this.driver = VirtioPmem.probe({
      transport: new VirtioMmioTransport(new VirtioMmioRegisters(state, doorbell)),
      dma: new DmaMemory(ram),
      memoryAt: () => this.region,
      now: options.clock.read,
    })
    interrupt.handler = () => this.driver.handleInterrupt()
    if (schedule !== undefined) {
      doorbell.handler = late(schedule, doorbell.handler)
      interrupt.handler = late(schedule, interrupt.handler)
    }
    this.#logged = new LoggedDisk(0, this.driver.ndRegion)
    this.disk = options.disk?.(this.#logged) ?? this.#logged
  }

  /** What the guest sees of the medium now. */
  get bytes(): Uint8Array {
    return this.region.directAccess(0).bytes
  }

  /** Throws before {@link mount} has resolved. */
  get fs(): Ext4 {
    if (this.#fs === undefined) throw new Error('nothing is mounted')
    return this.#fs
  }

  /** Rejects as Ext4.mount does. */
  async mount(): Promise<Ext4> {
    const { read, now } = this.clock
    this.#fs = await Ext4.mount(this.disk, { ...this.#options.mount, clock: read, now })
    return this.#fs
  }

  /** From here on stores and flushes are kept. What was stored before counts as certain. */
  record(): void {
    this.region.observer = this.log
    this.#logged.log = this.log
  }

  /** Lets what waits for the clock happen: the commit interval, the driver's deadline. */
  tick(milliseconds: number): void {
    this.clock.advance(milliseconds)
    const now = this.clock.read()
    this.driver.tick(now)
    this.#fs?.tick(now)
  }

  /** The device finds itself unable to go on, as after an error in the ring: DEVICE_NEEDS_RESET. */
  breakDevice(): void {
    this.#mmio.needsReset()
  }

  #sync(): number | Promise<number> {
    const sync = this.log.begun()
    const { schedule } = this.#options
    if (schedule !== undefined) return this.#slowSync(sync, schedule.below(LATEST))
    this.log.completed(sync)
    return 0
  }

  async #slowSync(sync: { sync: number; stores: number }, turns: number): Promise<number> {
    for (let turn = 0; turn < turns; turn++) await undefined
    this.log.completed(sync)
    return 0
  }
}

function late(schedule: Prng, handler: () => void): () => void {
  const deliver = async (turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) await undefined
    handler()
  }
  return () => {
    const times = schedule.chance(0.1) ? 2 : 1
    for (let time = 0; time < times; time++) void deliver(schedule.below(LATEST))
  }
}

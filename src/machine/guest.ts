import { DmaMemory } from '../bus/dma-memory.js'
import type { GuestMemory } from '../bus/guest-memory.js'
import type { Mmio } from '../bus/mmio.js'
import type { PmemRegion } from '../bus/pmem-region.js'
import { Ext4 } from '../guest/ext4/ext4.js'
import type { Behaviour } from '../guest/ext4/mount-options.js'
import { PmemDisk } from '../guest/nvdimm/pmem-disk.js'
import { VirtioPmem } from '../guest/nvdimm/virtio-pmem.js'
import type { Timespec } from '../guest/vfs/attributes.js'
import { VirtioMmioTransport } from '../virtio/mmio-transport.js'
import type { MachineOptions } from './machine-options.js'

export interface GuestHardware {
  ram: GuestMemory
  /** The registers of the virtio-pmem device. */
  mmio: Mmio
  /** Persistent memory on the bus. */
  pmem: PmemRegion
  /** Milliseconds of a steady clock. */
  clock: () => number
  /** Wall clock. */
  now: () => Timespec
  /** Lets time pass between two looks at a register that the device's thread is to change. */
  relax?: (attempt: number) => void
  /** The device answers a FLUSH within the kick: what waits for it goes on in the same call. */
  atOnce?: boolean
}

export type GuestOptions = Omit<MachineOptions, 'image' | 'hostCache'>

function behaviourOf(options: GuestOptions): Behaviour {
  const { superblock = 1, userXattr, acl, resuid, resgid, grpid, minixdf, discard, nouid32 } = options
  const maxDirSize = options.maxDirSize * 1024
  const { noatime, strictatime, nodiratime, lazytime, sync, dirsync } = options
  const quota = { user: options.usrquota, group: options.grpquota, project: options.prjquota }
  // mount(2): MS_STRICTATIME counts more than MS_NOATIME.
  const atime = strictatime ? 'strictatime' : noatime ? 'noatime' : 'relatime'
  return {
    ...{ superblock, userXattr, acl, resuid, resgid, grpid, minixdf, discard, nouid32, maxDirSize, quota },
    ...{ atime, nodiratime, lazytime, sync, dirsync },
  }
}

/** The guest's half of a machine: the virtio-pmem driver, its disk, and the ext4 on it. One thread's. */
export class Guest {
  readonly driver: VirtioPmem
  readonly disk: PmemDisk
  readonly #hardware: GuestHardware
  #fs: Ext4 | undefined

  /** Probes the device. Throws FsError ENODEV, ENXIO, ENOMEM. */
  constructor(hardware: GuestHardware) {
    this.#hardware = hardware
    const { ram, mmio, pmem, clock, relax, atOnce } = hardware
    const transport = new VirtioMmioTransport(mmio, relax === undefined ? {} : { relax })
    this.driver = VirtioPmem.probe({
      transport,
      dma: new DmaMemory(ram),
      memoryAt: ({ start, size }) => (start === pmem.start && size === pmem.size ? pmem : undefined),
      now: clock,
    })
    this.disk = new PmemDisk(0, this.driver.ndRegion, { atOnce: atOnce ?? false })
  }

  /** The mounted file system. Throws before {@link mount} has resolved. */
  get fs(): Ext4 {
    if (this.#fs === undefined) throw new Error('no file system is mounted')
    return this.#fs
  }

  get mounted(): boolean {
    return this.#fs !== undefined
  }

  /** Recovers the journal if need be, and mounts. Rejects as Ext4.mount does. */
  async mount(options: GuestOptions): Promise<Ext4> {
    const { clock, now } = this.#hardware
    const { readOnly, commitInterval, errors, barrier, data, journalChecksum, noload } = options
    this.#fs = await Ext4.mount(this.disk, {
      readOnly,
      commitInterval,
      noload,
      ...(barrier === undefined ? {} : { barrier }),
      ...(journalChecksum === undefined ? {} : { journalChecksum }),
      ...(data === undefined ? {} : { data }),
      ...(errors === undefined ? {} : { errors }),
      behaviour: behaviourOf(options),
      clock,
      now,
    })
    return this.#fs
  }

  /** The device has requests that it has not answered. */
  get expectsInterrupt(): boolean {
    return this.driver.inFlight > 0
  }

  handleInterrupt(): void {
    this.driver.handleInterrupt()
  }

  /** When {@link tick} is due, in milliseconds of the guest's clock. */
  get deadline(): number | undefined {
    const driver = this.driver.deadline
    const fs = this.#fs?.deadline
    return driver === undefined ? fs : fs === undefined ? driver : Math.min(driver, fs)
  }

  tick(now: number): void {
    this.driver.tick(now)
    const deadline = this.#fs?.deadline
    if (deadline !== undefined && now >= deadline) this.#fs?.tick(now)
  }
}

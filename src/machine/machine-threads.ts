import { Completion } from '../../lib/completion.js'
import type { FsError } from '../../lib/errno.js'
import { eventfd } from '../../lib/libc.js'
import { RAM_SIZE } from './address-map.js'
import { needsWritableImage } from './image-state.js'
import type { MountOptions } from './machine-options.js'
import { SharedDoorbell } from './shared-doorbell.js'
import type { IothreadCommand, IothreadOpened, VcpuCommand, VcpuEvent } from './thread-messages.js'
import { WakeLine } from './wake-line.js'
import { errorOf, WorkerThread } from './worker-thread.js'

/** What the iothread says of an image that it opened. */
export type OpenedImage = Extract<IothreadOpened, { opened: unknown }>['opened']

/**
 * The two threads of a machine and the wires between them. To load their code takes most of the time that a mount
 * takes, so this is made before all else, and needs little itself.
 */
export class MachineThreads {
  readonly iothread: WorkerThread<IothreadCommand, IothreadOpened>
  readonly vcpu: WorkerThread<VcpuCommand, VcpuEvent>
  /** Completes when a thread ended that should not have. */
  readonly death = new Completion<FsError>()
  /** Rejects with the iothread's reason, or that of a thread's death. */
  readonly opened: Promise<OpenedImage>

  constructor(options: MountOptions) {
    const doorbell = new SharedDoorbell()
    const wake = WakeLine.create(eventfd())
    const wires = {
      ram: new SharedArrayBuffer(RAM_SIZE),
      wake: wake.memory,
      eventfd: wake.eventfd,
      doorbell: doorbell.memory,
    }
    this.vcpu = new WorkerThread(new URL('./vcpu.js', import.meta.url), 'vcpu', { ...wires, options }, () =>
      wake.control(),
    )
    const { image, hostCache } = options
    // A read-only mount of an image whose journal is to be replayed has to write, as in ext4; that it has to, only the
    // first superblock says.
    const replays = !options.noload && (options.superblock !== undefined || needsWritableImage(image))
    const readOnly = options.readOnly && !replays
    this.iothread = new WorkerThread(
      new URL('./iothread.js', import.meta.url),
      'iothread',
      { ...wires, image, hostCache, readOnly },
      () => doorbell.ring(),
    )
    for (const thread of [this.iothread, this.vcpu]) {
      thread.onExit = (error) => {
        if (error !== undefined) this.death.complete(error)
      }
    }
    this.opened = new Promise((resolve, reject) => {
      this.iothread.onEvent = (event) => {
        if ('opened' in event) resolve(event.opened)
        else reject(errorOf(event.failed))
      }
      void this.death.promise.then(reject)
    })
    // Whoever asks is told; nobody may have asked yet.
    this.opened.catch(() => {})
  }

  /** A thread asleep in poll(2) would keep the process from exiting. */
  wakeForExit(): void {
    void this.vcpu.ask('halt').catch(() => {})
  }
}

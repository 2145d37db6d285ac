import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { GUEST_INIT, JOB_FUNCTIONS } from './guest-init.js'
import { type GuestFiles, initramfs } from './initramfs.js'

/** QEMU maps a device's memory in pieces of this size. */
const IMAGE_ALIGNMENT = 128 << 20

export interface BootOptions {
  /** Where the kernel and the base of the initial file system are. */
  cache: string
  /** An existing directory for what belongs to this boot. */
  place: string
  /** Each becomes a virtio-pmem device; a multiple of {@link IMAGE_ALIGNMENT} long. */
  images: readonly string[]
  /** A shell script, stopped by the first command that fails. */
  job: string
  files?: GuestFiles
  /** Milliseconds after which QEMU is killed. */
  timeLimit: number
}

/** A Linux guest under QEMU, emulated in software, that does one job and powers off. */
export class QemuMachine {
  readonly #child: ChildProcess
  readonly #console: string
  readonly #trace: string
  readonly #limit: NodeJS.Timeout
  readonly #ended: Promise<unknown>
  #late = false

  private constructor(options: BootOptions) {
    this.#console = join(options.place, 'console.log')
    this.#trace = join(options.place, 'trace.log')
    const initrd = join(options.place, 'initrd')
    writeFileSync(
      initrd,
      Buffer.concat([
        readFileSync(join(options.cache, 'base.cpio')),
        initramfs({ ...options.files, init: GUEST_INIT, job: `${JOB_FUNCTIONS}${options.job}` }),
      ]),
    )
    const settings = [
      ...['-accel', 'tcg', '-smp', '1', '-m', '512M,maxmem=8G,slots=8'],
      ...['-nodefaults', '-no-user-config', '-nographic', '-no-reboot'],
      ...['-kernel', join(options.cache, 'vmlinuz'), '-initrd', initrd],
      ...['-append', 'console=ttyS0 panic=-1'],
      ...['-serial', `file:${this.#console}`, '-serial', 'stdio'],
      ...['-trace', 'virtio_pmem_*', '-D', this.#trace],
      ...options.images.flatMap(pmemDevice),
    ]
    this.#child = spawn('qemu-system-x86_64', settings, { stdio: 'pipe' })
    this.#child.stdin?.on('error', () => {})
    this.#ended = Promise.race([once(this.#child, 'close'), once(this.#child, 'error')])
    this.#limit = setTimeout(() => {
      this.#late = true
      this.#child.kill('SIGKILL')
    }, options.timeLimit)
  }

  static boot(options: BootOptions): QemuMachine {
    return new QemuMachine(options)
  }

  /** What the job says, to its end or the end of QEMU. Rejects when the job failed or was too slow. */
  async *lines(): AsyncGenerator<string> {
    const said: string[] = []
    for await (const line of createInterface({ input: this.#child.stdout!, crlfDelay: Infinity })) {
      if (line === 'job ended 0') {
        await this.#ended
        return
      }
      if (line.startsWith('job ended')) {
        await this.#ended
        break
      }
      said.push(line)
      yield line
    }
    if (this.#child.killed && !this.#late) return
    const why = this.#late ? 'was not done in time' : 'failed'
    throw new Error(
      `the guest's job ${why}\n${said.slice(-10).join('\n')}\n${this.consoleText().slice(-2000)}`,
    )
  }

  /** Lets a job go on that reads a line. */
  answer(): void {
    this.#child.stdin?.write('\n')
  }

  /** Kills QEMU at once: the guest gets no chance to write anything back. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** What the kernel said. */
  consoleText(): string {
    return textOf(this.#console)
  }

  /** FLUSH requests that all devices received so far, and those that failed. */
  flushes(): { requests: number; failed: number } {
    const done = [...textOf(this.#trace).matchAll(/virtio_pmem_flush_done fsync return=(-?\d+)/g)]
    return { requests: done.length, failed: done.filter(([, status]) => status !== '0').length }
  }

  /** Ends it, if it has not ended. */
  async close(): Promise<void> {
    clearTimeout(this.#limit)
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill()
  }
}

function pmemDevice(image: string, index: number): string[] {
  const { size } = statSync(image)
  if (size % IMAGE_ALIGNMENT !== 0) throw new Error(`${image} is not a multiple of ${IMAGE_ALIGNMENT} long`)
  return [
    ...['-object', `memory-backend-file,id=memory${index},share=on,mem-path=${image},size=${size}`],
    ...['-device', `virtio-pmem-pci,id=pmem${index},memdev=memory${index}`],
  ]
}

function textOf(file: string): string {
  return statSync(file, { throwIfNoEntry: false }) === undefined ? '' : readFileSync(file, 'utf8')
}

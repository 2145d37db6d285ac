import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface LoopOptions {
  readOnly?: boolean
  /** Logical block size, bytes; 512 when absent. */
  sectorSize?: number
}

/**
 * A loop device over a file, for `fuseblk` mounts. Nothing is read or written through it: it stands for the disk in
 * the eyes of the kernel.
 */
export class LoopDevice {
  /** `/dev/loop3`. */
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** Takes a free loop device. Rejects with what losetup(8) says. */
  static async attach(file: string, options: LoopOptions = {}): Promise<LoopDevice> {
    const flags = options.readOnly ? ['--read-only'] : []
    if (options.sectorSize !== undefined) flags.push('--sector-size', String(options.sectorSize))
    const { stdout } = await run('losetup', [...flags, '--find', '--show', '--', file])
    return new LoopDevice(stdout.trim())
  }

  /** Frees the device; while it is mounted, that happens when it is unmounted (autoclear). */
  async detach(): Promise<void> {
    await run('losetup', ['--detach', this.path])
  }
}

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import tmp from 'tmp'
import type { MountStatus, MountSummary } from '../../src/index.js'
import { execute, type Outcome, run, shell } from './program.js'

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

// Mounts of several test files at once do not see each other.
process.env['FAKEDAX_RUNTIME_DIR'] ??= tmp.dirSync({ unsafeCleanup: true }).name

/** Runs the command line program, whatever comes of it. */
export function fakedax(...parameters: string[]): Promise<Outcome> {
  return execute(process.execPath, ['--enable-source-maps', CLI, ...parameters], { cwd: '/' })
}

/** Runs a command of fakedax that has to succeed; its output. */
async function succeed(...parameters: string[]): Promise<string> {
  const { status, stdout, stderr } = await fakedax(...parameters)
  if (status !== 0) throw new Error(`fakedax ${parameters.join(' ')}: exit status ${status}\n${stderr}`)
  return stdout
}

/** An image file with a mount point beside it, both gone when the test ends, however it does. */
export class ImageFile {
  readonly place: string
  readonly path: string
  readonly dir: string
  #loopMounted = false

  constructor(t: Test) {
    this.place = tmp.dirSync({ prefix: 'fakedax-e2e-' }).name
    this.path = join(this.place, 'disk.img')
    this.dir = join(this.place, 'mnt')
    mkdirSync(this.dir)
    t.teardown(() => this.#cleanUp())
  }

  /** By mkfs.ext4, `size` as truncate(1) takes it. */
  async mkfsExt4(size: string, ...parameters: string[]): Promise<void> {
    await run('truncate', ['-s', size, this.path])
    await run('mkfs.ext4', ['-q', '-F', ...parameters, this.path])
  }

  async mkfs(size: string, ...parameters: string[]): Promise<void> {
    await succeed('mkfs', this.path, '--size', size, ...parameters)
  }

  async mount(...parameters: string[]): Promise<MountedImage> {
    const said = await succeed('mount', this.path, this.dir, ...parameters)
    return new MountedImage(this, said)
  }

  /** Runs a shell script in the root of the image, mounted by this kernel's own ext4. */
  async onKernel(
    script: string,
    options: { readOnly?: boolean; parameters?: string[] } = {},
  ): Promise<string> {
    const { readOnly = false, parameters = [] } = options
    await run('mount', ['-o', `loop${readOnly ? ',ro' : ''}`, this.path, this.dir])
    this.#loopMounted = true
    const output = await shell(this.dir, script, ...parameters).finally(() => run('umount', [this.dir]))
    this.#loopMounted = false
    return output
  }

  /** What e2fsck -fn finds: an empty string when the image is clean. */
  async complaints(): Promise<string> {
    const { status, stdout, stderr } = await execute('e2fsck', ['-fn', this.path])
    return status === 0 ? '' : `exit status ${status}\n${stdout}${stderr}`
  }

  async #cleanUp(): Promise<void> {
    await (this.#loopMounted ? execute('umount', ['-l', this.dir]) : fakedax('umount', this.dir))
    rmSync(this.place, { recursive: true, force: true })
  }
}

/** An image mounted by the command line program. Only programs touch what is below `dir`. */
export class MountedImage {
  readonly dir: string

  constructor(
    readonly image: ImageFile,
    /** What `fakedax mount` printed. */
    readonly said: string,
  ) {
    this.dir = image.dir
  }

  run(script: string, ...parameters: string[]): Promise<string> {
    return shell(this.dir, script, ...parameters)
  }

  async summary(): Promise<MountSummary> {
    return JSON.parse(await succeed('status', this.dir, '--json')) as MountSummary
  }

  async status(): Promise<MountStatus> {
    const { status, reason } = await this.summary()
    if (status === undefined) throw new Error(`${this.dir} does not answer: ${reason}`)
    return status
  }

  /** Cuts the power, and mounts again. */
  async crash(): Promise<void> {
    await succeed('crash', this.dir)
  }

  async umount(): Promise<void> {
    await succeed('umount', this.dir)
  }
}

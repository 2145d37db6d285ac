import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import tmp from 'tmp'
import type { MountSummary } from '../../src/index.js'
import { cannotMount } from './prerequisites.js'
import { execute, type Outcome } from './program.js'

export const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** nobody: fusermount3 serves only who has an account. */
export const USER = 65_534
/** No account's. */
export const OTHER = 61_235

/** Why an ordinary user can mount nothing here, as tap's `skip` takes it. */
export function cannotMountAsUser(): string | false {
  const reason = cannotMount()
  if (reason !== false || process.env['CI'] === 'true') return reason
  if (spawnSync('fusermount3', ['-V']).error !== undefined) return 'needs fusermount3'
  const reads = spawnSync(process.execPath, [CLI, '--version'], { uid: USER, gid: USER, cwd: '/' })
  return reads.status !== 0 && 'needs a checkout that every user can read'
}

/** A directory of an ordinary user's: an image, a mount point, and a session's runtime directory. */
export class UserPlace {
  readonly path: string
  readonly image: string
  readonly dir: string
  readonly runtime: string

  constructor(t: Test) {
    this.path = tmp.dirSync({ prefix: 'fakedax-user-' }).name
    this.image = join(this.path, 'disk.img')
    this.dir = join(this.path, 'mnt')
    this.runtime = join(this.path, 'runtime')
    chmodSync(this.path, 0o755)
    for (const directory of [this.dir, this.runtime]) mkdirSync(directory)
    for (const directory of [this.path, this.dir, this.runtime]) chownSync(directory, USER, USER)
    t.teardown(async () => {
      await execute('umount', ['-i', '-l', this.dir])
      rmSync(this.path, { recursive: true, force: true })
    })
  }

  /** Runs a program as a user. */
  run(file: string, parameters: readonly string[], uid = USER): Promise<Outcome> {
    const { FAKEDAX_RUNTIME_DIR: _, ...environment } = process.env
    const env = { ...environment, XDG_RUNTIME_DIR: this.runtime, HOME: this.path }
    return execute(file, parameters, { cwd: '/', env, uid, gid: uid })
  }

  fakedax(...parameters: string[]): Promise<Outcome> {
    return this.run(process.execPath, [CLI, ...parameters])
  }

  /** Runs a command of fakedax that has to succeed; its output. */
  async succeed(...parameters: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.fakedax(...parameters)
    if (status !== 0) throw new Error(`fakedax ${parameters.join(' ')}: exit status ${status}\n${stderr}`)
    return stdout
  }

  async mounted(...parameters: string[]): Promise<void> {
    await this.succeed('mkfs', this.image, '--size', '32M')
    await this.succeed('mount', this.image, this.dir, ...parameters)
  }

  /** A shell script in the mount; stops at the first command that fails. */
  shell(script: string, uid = USER): Promise<Outcome> {
    return this.run('sh', ['-euc', `cd "$1"; ${script}`, 'sh', this.dir], uid)
  }

  async summary(): Promise<MountSummary> {
    return JSON.parse(await this.succeed('status', this.dir, '--json')) as MountSummary
  }

  /** What e2fsck -fn finds: an empty string when the image is clean. */
  async complaints(): Promise<string> {
    const { status, stdout, stderr } = await execute('e2fsck', ['-fn', this.image])
    return status === 0 ? '' : `exit status ${status}\n${stdout}${stderr}`
  }
}

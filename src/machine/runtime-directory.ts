import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { FsError } from '../../lib/errno.js'
import type { MountOptions, MountType } from './machine-options.js'
import { isAlive, type ProcessIdentity } from './process-identity.js'

/** One mount, as its process wrote it down for the other commands. */
export interface MountRecord extends ProcessIdentity {
  options: MountOptions
  type: MountType
  /** ISO 8601. */
  started: string
}

/**
 * Where the processes that serve mounts leave their records, sockets and logs: `FAKEDAX_RUNTIME_DIR`, else
 * `/run/fakedax` for root, else `fakedax` in `XDG_RUNTIME_DIR` (or in what that is where nobody has set it, as in a
 * cron job), else a directory in /tmp.
 */
export function runtimeDirectory(
  environment: NodeJS.ProcessEnv = process.env,
  uid: number = process.getuid?.() ?? 0,
): string {
  if (environment['FAKEDAX_RUNTIME_DIR']) return environment['FAKEDAX_RUNTIME_DIR']
  if (uid === 0) return '/run/fakedax'
  const session = environment['XDG_RUNTIME_DIR'] || `/run/user/${uid}`
  return environment['XDG_RUNTIME_DIR'] || existsSync(session)
    ? join(session, 'fakedax')
    : `/tmp/fakedax-${uid}`
}

/**
 * What a record says is believed: which process to kill, which image to mount again. So nobody else may have written it,
 * and /tmp is everyone's. Throws FsError EPERM.
 */
function requireOwn(directory: string): void {
  const stats = lstatSync(directory, { throwIfNoEntry: false })
  if (stats === undefined) return
  const owned = stats.uid === process.geteuid?.() || stats.uid === 0
  if (stats.isDirectory() && owned && (stats.mode & 0o022) === 0) return
  throw new FsError(
    'EPERM',
    `'${directory}' is not a directory that this user alone can write; remove it, or set XDG_RUNTIME_DIR`,
    { path: directory },
  )
}

/** The files of one mount point. Names are short: a socket's path may have 107 bytes. */
export class MountFiles {
  readonly #stem: string

  constructor(
    readonly dir: string,
    directory: string = runtimeDirectory(),
  ) {
    const readable = basename(dir)
      .replace(/[^A-Za-z0-9_-]/g, '_')
      .slice(0, 24)
    const hash = createHash('sha256').update(dir).digest('hex').slice(0, 12)
    this.#stem = join(directory, `${readable}.${hash}`)
    this.directory = directory
  }

  readonly directory: string

  get socket(): string {
    return `${this.#stem}.sock`
  }

  get record(): string {
    return `${this.#stem}.json`
  }

  get log(): string {
    return `${this.#stem}.log`
  }

  makeDirectory(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    requireOwn(this.directory)
  }

  read(): MountRecord | undefined {
    return readRecord(this.record)
  }

  /** Whole or not at all: a reader never sees half a record. */
  write(record: MountRecord): void {
    const unfinished = `${this.record}.${record.pid}`
    writeFileSync(unfinished, `${JSON.stringify(record, null, 2)}\n`)
    renameSync(unfinished, this.record)
  }

  /** Removes record and socket; the log stays for whoever asks what happened. */
  remove(options: { log?: boolean } = {}): void {
    rmSync(this.record, { force: true })
    rmSync(this.socket, { force: true })
    if (options.log) rmSync(this.log, { force: true })
  }
}

function readRecord(path: string): MountRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as MountRecord
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export interface KnownMount {
  record: MountRecord
  files: MountFiles
  /** Its process lives. */
  alive: boolean
}

/** Every mount on record, ordered by mount point. Throws FsError EPERM where others could have written the records. */
export function knownMounts(directory: string = runtimeDirectory()): KnownMount[] {
  requireOwn(directory)
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch {
    return []
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => readRecord(join(directory, name)) ?? [])
    .map((record) => ({
      record,
      files: new MountFiles(record.options.dir, directory),
      alive: isAlive(record),
    }))
    .sort((a, b) => (a.record.options.dir < b.record.options.dir ? -1 : 1))
}

/** The record of `dir` (an absolute path). Throws FsError EPERM as {@link knownMounts}. */
export function knownMount(dir: string, directory: string = runtimeDirectory()): KnownMount | undefined {
  requireOwn(directory)
  const files = new MountFiles(dir, directory)
  const record = files.read()
  return record && { record, files, alive: isAlive(record) }
}

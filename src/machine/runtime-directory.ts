import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
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
 * `/run/fakedax` for root, else `fakedax` in `XDG_RUNTIME_DIR` or /tmp.
 */
export function runtimeDirectory(
  environment: NodeJS.ProcessEnv = process.env,
  uid: number = process.getuid?.() ?? 0,
): string {
  if (environment['FAKEDAX_RUNTIME_DIR']) return environment['FAKEDAX_RUNTIME_DIR']
  if (uid === 0) return '/run/fakedax'
  return environment['XDG_RUNTIME_DIR']
    ? join(environment['XDG_RUNTIME_DIR'], 'fakedax')
    : `/tmp/fakedax-${uid}`
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

/** Every mount on record, ordered by mount point. */
export function knownMounts(directory: string = runtimeDirectory()): KnownMount[] {
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

/** The record of `dir` (an absolute path). */
export function knownMount(dir: string, directory: string = runtimeDirectory()): KnownMount | undefined {
  const files = new MountFiles(dir, directory)
  const record = files.read()
  return record && { record, files, alive: isAlive(record) }
}

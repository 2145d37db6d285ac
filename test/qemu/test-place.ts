import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Prng } from '../../lib/prng.js'
import { execute } from '../e2e/program.js'
import type { Report } from './report.js'

/** What a scenario is given: where to work, what to draw from, where to tell. */
export class TestPlace {
  readonly cache: string
  readonly prng: Prng
  readonly report: Report
  readonly #dir = mkdtempSync(join(tmpdir(), 'fakedax-qemu-test-'))
  readonly #endings = new Set<() => Promise<unknown>>()

  constructor(cache: string, prng: Prng, report: Report) {
    this.cache = cache
    this.prng = prng
    this.report = report
  }

  file(name: string): string {
    return join(this.#dir, name)
  }

  directory(name: string): string {
    const path = this.file(name)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** Runs `work`; `ending` is run after it, or earlier when all is to end. */
  async ensure<T>(ending: () => Promise<unknown>, work: () => Promise<T>): Promise<T> {
    this.#endings.add(ending)
    try {
      return await work()
    } finally {
      this.#endings.delete(ending)
      await ending()
    }
  }

  /** Ends what runs, unmounts what a failure left mounted, and deletes everything. */
  async close(): Promise<void> {
    for (const ending of [...this.#endings].reverse()) await ending().catch(() => {})
    this.#endings.clear()
    for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
      const dir = line.split(' ')[1]
      if (dir?.startsWith(`${this.#dir}/`)) await execute('umount', ['--lazy', dir])
    }
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { acknowledges, ENDLESS_WORK } from './endless-work.js'

const TIME_LIMIT = 60_000

/** Endless work on a directory of this machine, in a process group of its own. */
export class EndlessRun {
  /** What was acknowledged so far. */
  readonly acknowledged: string[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown[]>
  #waiting: { count: number; go: () => void } | undefined

  constructor(dir: string) {
    this.#child = spawn('sh', ['-euc', ENDLESS_WORK], {
      cwd: dir,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#ended = once(this.#child, 'close')
    const lines = createInterface({ input: this.#child.stdout! })
    lines.on('line', (line) => {
      if (!acknowledges(line)) return
      this.acknowledged.push(line)
      if (this.#waiting !== undefined && this.acknowledged.length >= this.#waiting.count) this.#waiting.go()
    })
  }

  /** Resolves when so many things were acknowledged. Rejects when the work ended before, or is far too slow. */
  async acknowledge(count: number): Promise<void> {
    const enough = new Promise<['enough']>((resolve) => {
      this.#waiting = { count, go: () => resolve(['enough']) }
    })
    const limit = AbortSignal.timeout(TIME_LIMIT)
    const [reached] = await Promise.race([enough, this.#ended, once(limit, 'abort')])
    if (reached !== 'enough') throw new Error(`${this.acknowledged.length} of ${count} were acknowledged`)
  }

  /** Ends it, when it has not ended; afterwards all that it acknowledged is known. */
  async stop(): Promise<void> {
    try {
      process.kill(-this.#child.pid!, 'SIGKILL')
    } catch {
      // The whole group has ended.
    }
    await this.#ended
  }
}

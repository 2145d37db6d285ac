import '../own-children.js'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

/** Runs each line of its input, and prints what `say` was given in it, as JSON. */
const LOOP = `
import ctypes, json, mmap, os, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *words):
    result = getattr(libc, name)(*words)
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
for line in sys.stdin:
    said = []
    say = said.append
    try: exec(json.loads(line))
    except OSError as error: said.append(error.strerror)
    print(json.dumps(said), flush=True)
`

/**
 * A process in a directory which makes the system calls that it is told to, in Python, and keeps its files and
 * mappings open in between. `os`, `mmap`, `struct` and `call(NAME, ...)`, a call of the C library, are there.
 */
export class Interpreter {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  #complaints = ''

  constructor(t: Test, dir: string) {
    this.#child = spawn('python3', ['-c', LOOP], { cwd: dir, stdio: 'pipe' })
    this.#child.stderr.on('data', (chunk) => {
      this.#complaints += String(chunk)
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
    t.teardown(() => this.end())
  }

  /** What was given to `say`, and at its end the text of the system's error if there was one. */
  async run(code: string): Promise<unknown[]> {
    this.#child.stdin.write(`${JSON.stringify(code)}\n`)
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`python3: ${this.#complaints}`)
    return JSON.parse(value) as unknown[]
  }

  /** Ends the process: its files are closed. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'close')
    this.#child.stdin.end()
    await ended
  }
}

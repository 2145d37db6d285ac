import '../own-children.js'
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How a program ended. */
export interface Outcome {
  /** Exit status; -1 when a signal ended it. */
  status: number
  stdout: string
  stderr: string
}

export interface ProgramOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  input?: string
  /** Whose process it is, which then has no other groups. */
  uid?: number
  gid?: number
}

/** Runs a program to its end, whatever that is. */
export async function execute(
  file: string,
  parameters: readonly string[],
  options: ProgramOptions = {},
): Promise<Outcome> {
  const { input, ...rest } = options
  const child = spawn(file, parameters, { ...rest, stdio: 'pipe' })
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  child.stdout.on('data', (chunk: Buffer) => output.stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.stderr.push(chunk))
  // A program that does not read its input is no failure.
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  const [code] = (await once(child, 'close')) as [number | null]
  return {
    status: code ?? -1,
    stdout: Buffer.concat(output.stdout).toString('utf8'),
    stderr: Buffer.concat(output.stderr).toString('utf8'),
  }
}

/** Runs a program that has to succeed; its output. Rejects with what it said. */
export async function run(
  file: string,
  parameters: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await execute(file, parameters, options)
  if (status !== 0) {
    const said = (stderr.trim() === '' ? stdout : stderr).slice(-4000)
    throw new Error(`${file} ${parameters.join(' ').slice(0, 120)}: exit status ${status}\n${said}`)
  }
  return stdout
}

/** Runs a shell script in a directory; `parameters` are $1, $2 ... Stops at the first command that fails. */
export function shell(cwd: string, script: string, ...parameters: string[]): Promise<string> {
  return run('sh', ['-euc', script, 'sh', ...parameters], { cwd })
}

import { fileURLToPath } from 'node:url'
import { execute, run } from '../e2e/program.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** Of a command or script. */
const SECONDS = '120'

/** Runs a command of ours, in bounded time; what it printed. Rejects when it fails. */
export function fakedax(...parameters: string[]): Promise<string> {
  return run('timeout', ['--kill-after=1', SECONDS, process.execPath, MAIN, ...parameters])
}

/** Runs a shell script in a directory, in bounded time; `parameters` are $1, $2 ... What it printed. */
export function shell(cwd: string, script: string, ...parameters: string[]): Promise<string> {
  return run('timeout', ['--signal=KILL', SECONDS, 'sh', '-euc', script, 'sh', ...parameters], { cwd })
}

/** Makes an image with our mkfs. */
export async function makeImage(image: string, size: string, label: string): Promise<void> {
  await fakedax('mkfs', image, '--size', size, '--label', label)
}

/** Mounts an image while `work` runs, then unmounts it; what `work` returned. */
export async function withMount<T>(image: string, dir: string, work: () => Promise<T>): Promise<T> {
  await fakedax('mount', image, dir, '-o', 'commit=300')
  let result: T
  try {
    result = await work()
  } catch (error) {
    await fakedax('umount', dir).catch(() => run('umount', ['--lazy', dir]))
    throw error
  }
  await fakedax('umount', dir)
  return result
}

/** Mounts an image by the kernel that runs here, while `work` runs; what it returned. */
export async function withLoopMount<T>(image: string, dir: string, work: () => Promise<T>): Promise<T> {
  await run('mount', ['-t', 'ext4', '-o', 'loop', image, dir])
  try {
    return await work()
  } finally {
    await run('umount', [dir])
  }
}

/** What e2fsck complains of; empty when the image is clean. */
export async function e2fsckComplaints(image: string): Promise<string[]> {
  const { status, stdout, stderr } = await execute('timeout', [SECONDS, 'e2fsck', '-fn', image])
  return status === 0 ? [] : [`exit status ${status}`, ...`${stdout}${stderr}`.trim().split('\n')]
}

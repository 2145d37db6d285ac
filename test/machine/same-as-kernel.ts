import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { type MountParameters, mount } from '../../src/index.js'
import { onKernel } from '../guest/ext4/kernel-mount.js'
import { temporaryImage } from './temporary-image.js'

const run = promisify(execFile)

/** Why no comparison is possible, `commands` included; false when it is, and when it must be (CI). */
export function whyNotCompare(...commands: string[]): string | false {
  const needs = `root, /dev/fuse, /dev/loop-control, ${commands.join(', ')}`
  if (process.env['CI'] === 'true') return false
  const script = `test -w /dev/fuse && test -w /dev/loop-control && for c in ${commands.join(' ')}; do command -v $c; done`
  try {
    execFileSync('sh', ['-ec', script], { stdio: 'pipe' })
    return process.getuid?.() === 0 ? false : `needs ${needs}`
  } catch {
    return `needs ${needs}`
  }
}

/** What can be seen of one script's work. */
export interface Comparison {
  /** Lines that the script printed on the kernel's ext4 and on a mount of ours. */
  readonly kernel: string[]
  readonly ours: string[]
  /** Lines that `look` printed of the image of our mount, mounted read-only by the kernel and by us. */
  readonly kernelAfter: string[]
  readonly oursAfter: string[]
  /** Exit status of `e2fsck -fn` on the image of our mount. */
  readonly fsck: number
}

/** Runs a shell script in the root of two file systems made alike. */
export async function compare(
  t: Test,
  script: string,
  look: string,
  options: Partial<MountParameters> = {},
): Promise<Comparison> {
  const { image, dir } = await temporaryImage()
  const kernel = onKernel(readFileSync(image), `set +e\n${script}`).output.split('\n')
  const ours = await onOurs(t, { image, dir, ...options }, script)
  const fsck = status('e2fsck', ['-fn', image])
  const kernelAfter = onKernel(readFileSync(image), `set +e\n${look}`, ',ro').output.split('\n')
  const oursAfter = await onOurs(t, { image, dir, ...options, readOnly: true }, look)
  return { kernel, ours, kernelAfter, oursAfter, fsck }
}

async function onOurs(t: Test, parameters: MountParameters, script: string): Promise<string[]> {
  const made = await mount(parameters)
  t.teardown(() => made.umount().catch(() => {}))
  const { stdout } = await run('sh', ['-c', script], {
    cwd: made.dir,
    encoding: 'latin1',
    maxBuffer: 1 << 26,
  })
  await made.umount()
  return stdout.split('\n')
}

function status(command: string, parameters: string[]): number {
  try {
    execFileSync(command, parameters, { stdio: 'pipe' })
    return 0
  } catch (error) {
    return (error as { status: number }).status
  }
}

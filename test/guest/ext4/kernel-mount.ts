import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tmp from 'tmp'

tmp.setGracefulCleanup()

/** Why the kernel's ext4 cannot be asked here; undefined when it can. With CI set it has to be possible. */
export function noKernelMount(): string | undefined {
  if (process.env['CI']) return undefined
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/dev/loop-control')) return 'needs /dev/loop-control'
  return undefined
}

/** Mounts the image in the kernel and runs a shell script in its root. Returns the script's output and the image after it. */
export function onKernel(
  image: Uint8Array,
  script: string,
  options = '',
): { output: string; image: Uint8Array } {
  const directory = tmp.dirSync({ unsafeCleanup: true }).name
  const path = join(directory, 'image')
  const mountPoint = join(directory, 'mount')
  writeFileSync(path, image)
  mkdirSync(mountPoint)
  execFileSync('mount', ['-o', `loop${options}`, path, mountPoint], { stdio: 'pipe' })
  let output: string
  try {
    output = execFileSync('sh', ['-ec', script], {
      cwd: mountPoint,
      encoding: 'latin1',
      stdio: 'pipe',
      maxBuffer: 1 << 28,
    })
  } finally {
    execFileSync('umount', [mountPoint], { stdio: 'pipe' })
  }
  return { output, image: new Uint8Array(readFileSync(path)) }
}

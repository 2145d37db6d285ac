import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An image made by mkfs.ext4 with `options`, as bytes. */
export function mkfsExt4(size: number, options: readonly string[] = []): Uint8Array {
  return withFile(new Uint8Array(0), (path) => {
    truncateSync(path, size)
    execFileSync(
      'mkfs.ext4',
      ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', ...options, path],
      { stdio: 'pipe' },
    )
    return new Uint8Array(readFileSync(path))
  })
}

/** What `e2fsck -fn` says of the image: its exit status (0: clean) and its output. */
export function e2fsck(image: Uint8Array): { status: number; output: string } {
  return withFile(image, (path) => {
    try {
      return { status: 0, output: execFileSync('e2fsck', ['-fn', path], { encoding: 'utf8', stdio: 'pipe' }) }
    } catch (error) {
      const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string }
      return { status, output: stdout + stderr }
    }
  })
}

/** The output of one debugfs request on the image. */
export function debugfs(image: Uint8Array, request: string): string {
  return withFile(image, (path) =>
    execFileSync('debugfs', ['-R', request, path], { encoding: 'utf8', stdio: 'pipe', maxBuffer: 1 << 28 }),
  )
}

/** The image after one `debugfs -w` request. */
export function debugfsWrite(image: Uint8Array, request: string): Uint8Array {
  return withFile(image, (path) => {
    execFileSync('debugfs', ['-w', '-R', request, path], { stdio: 'pipe' })
    return new Uint8Array(readFileSync(path))
  })
}

function withFile<T>(image: Uint8Array, use: (path: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'fakedax-image-'))
  try {
    const path = join(directory, 'image')
    writeFileSync(path, image)
    return use(path)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { reason } from './e2fsprogs.js'

/** The reason why the kernel's own ext4 cannot be asked here. */
export function noLoopMount(): string | false {
  const usable = process.getuid?.() === 0 && existsSync('/dev/loop-control')
  return reason(!usable, 'needs root and /dev/loop')
}

/** An image mounted by the kernel's ext4 through a loop device, which is freed with the mount. */
export class LoopMount {
  readonly dir: string
  #mounted = true

  constructor(image: string, dir: string, options = 'loop') {
    const result = spawnSync('mount', ['-t', 'ext4', '-o', options, image, dir], { encoding: 'utf8' })
    if (result.status !== 0) throw new Error(result.stderr)
    this.dir = dir
  }

  umount(): void {
    if (!this.#mounted) return
    const result = spawnSync('umount', [this.dir], { encoding: 'utf8' })
    if (result.status !== 0) throw new Error(result.stderr)
    this.#mounted = false
  }
}

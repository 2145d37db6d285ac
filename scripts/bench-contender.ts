import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const run = promisify(execFile)
export const CLI = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

/** Something that serves a directory. */
export interface Contender {
  readonly name: string
  readonly dir: string
  mount(): Promise<void>
  umount(): Promise<void>
}

/** A directory below `place`, and an image beside it made by mkfs.ext4 as Debian has it. */
async function imageAt(
  place: string,
  name: string,
  mebibytes: number,
): Promise<{ image: string; dir: string }> {
  const image = join(place, `${name}.img`)
  const dir = join(place, name)
  mkdirSync(dir)
  // With blocks of its own: else each first write would be an allocation by the disk's file system.
  await run('dd', [
    'if=/dev/zero',
    `of=${image}`,
    'bs=1M',
    `count=${mebibytes}`,
    'status=none',
    'conv=fdatasync',
  ])
  const settings = 'nodiscard,assume_storage_prezeroed=1'
  await run('mkfs.ext4', ['-q', '-F', '-b', '4096', '-E', settings, image])
  return { image, dir }
}

export async function fakedax(
  place: string,
  name: string,
  mebibytes: number,
  options: string[] = [],
): Promise<Contender> {
  const { image, dir } = await imageAt(place, name, mebibytes)
  return {
    name,
    dir,
    mount: async () => void (await run(process.execPath, [CLI, 'mount', image, dir, ...options])),
    umount: async () => void (await run(process.execPath, [CLI, 'umount', dir])),
  }
}

export async function kernelExt4(place: string, mebibytes: number): Promise<Contender> {
  const name = 'kernel ext4'
  const { image, dir } = await imageAt(place, 'kernel', mebibytes)
  return {
    name,
    dir,
    mount: async () => void (await run('mount', ['-o', 'loop', image, dir])),
    umount: async () => void (await run('umount', [dir])),
  }
}

export async function fuse2fs(place: string, mebibytes: number): Promise<Contender> {
  const name = 'fuse2fs'
  const { image, dir } = await imageAt(place, name, mebibytes)
  let ended: Promise<unknown> = Promise.resolve()
  return {
    name,
    dir,
    // In the foreground: it still writes to the image when umount(8) has returned, so its end is waited for.
    mount: async () => {
      const child = spawn('fuse2fs', ['-f', image, dir], { stdio: 'ignore' })
      ended = once(child, 'exit')
      const { dev } = statSync(place)
      while (statSync(dir).dev === dev) {
        if (child.exitCode !== null) throw new Error(`fuse2fs: exit status ${child.exitCode}`)
        await setTimeout(1)
      }
    },
    umount: async () => {
      await run('umount', [dir])
      await ended
    },
  }
}

export function bareDisk(place: string): Contender {
  const dir = join(place, 'bare')
  mkdirSync(dir)
  return { name: 'bare disk', dir, mount: async () => {}, umount: async () => {} }
}

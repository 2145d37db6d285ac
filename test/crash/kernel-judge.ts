import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tmp from 'tmp'
import { CrashDisk } from '../../src/crash/crash-disk.js'
import { readTree, type Tree } from '../../src/crash/tree.js'
import { recover } from '../../src/crash/verdict.js'

tmp.setGracefulCleanup()

/** One line a name: inode number, mode, links, owner, size, times, and what a file or symlink holds. */
export type Listing = readonly string[]

const LIST = `find . -path ./lost+found -prune -o -printf '%p\\t%i %#m %y %n %U:%G %s %T@ %C@ %l\\n' | sort
  find . -path ./lost+found -prune -o -type f -print | sort | xargs -r -d '\\n' md5sum`

/** The kernel mounts a crashed image, which recovers it, and shows what is there. */
export function kernelListing(image: Uint8Array): Listing {
  const directory = tmp.dirSync({ unsafeCleanup: true }).name
  const path = join(directory, 'image')
  const mountPoint = join(directory, 'mount')
  writeFileSync(path, image)
  mkdirSync(mountPoint)
  execFileSync('mount', ['-o', 'loop,noatime', path, mountPoint], { stdio: 'pipe' })
  try {
    return listDirectory(mountPoint)
  } finally {
    execFileSync('umount', [mountPoint], { stdio: 'pipe' })
  }
}

/** Lets the kernel act on the image and crashes it: the image as the medium has it, before the unmount, and the listing. */
export function crashOfKernel(image: Uint8Array, script: string): { image: Uint8Array; listing: Listing } {
  const directory = tmp.dirSync({ unsafeCleanup: true }).name
  const path = join(directory, 'image')
  const mountPoint = join(directory, 'mount')
  writeFileSync(path, image)
  mkdirSync(mountPoint)
  execFileSync('mount', ['-o', 'loop,noatime', path, mountPoint], { stdio: 'pipe' })
  try {
    execFileSync('sh', ['-ec', script], { cwd: mountPoint, stdio: 'pipe' })
    const listing = listDirectory(mountPoint)
    execFileSync('sync', ['-f', mountPoint])
    // What the loop device passed on is in the file; nothing is under way after the sync.
    return { image: new Uint8Array(readFileSync(path)), listing }
  } finally {
    execFileSync('umount', [mountPoint], { stdio: 'pipe' })
  }
}

/** What stands in a directory of this host. */
export function listDirectory(mountPoint: string): Listing {
  const output = execFileSync('sh', ['-c', LIST], { cwd: mountPoint, encoding: 'latin1', maxBuffer: 1 << 26 })
  return output.split('\n').filter((line) => line !== '')
}

/** e2fsck -fy replays the journal and repairs; its exit status must say that nothing but the replay was needed. */
export function e2fsckReplay(image: Uint8Array): {
  image: Uint8Array
  second: { status: number | null; output: string }
  output: string
} {
  const directory = tmp.dirSync({ unsafeCleanup: true }).name
  const path = join(directory, 'image')
  writeFileSync(path, image)
  const first = spawnSync('e2fsck', ['-fy', path], { encoding: 'utf8' })
  const second = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' })
  return {
    image: new Uint8Array(readFileSync(path)),
    second: { status: second.status, output: second.stdout + second.stderr },
    output: first.stdout + first.stderr,
  }
}

/** What we make of a crashed image, as the kernel's listing shows it. */
export async function ownListing(image: Uint8Array): Promise<{ listing: Listing; tree: Tree }> {
  const fs = await recover(new CrashDisk(image))
  const tree = readTree(fs)
  const names: string[] = []
  const sums: string[] = []
  const walk = (path: string, ino: number): void => {
    const { mode, nlink, uid, gid, size, mtime, ctime } = fs.getattr(ino)
    const type = 'pc?d?b?-?l?s'[(mode >>> 12) - 1] as string
    const time = (t: { sec: number; nsec: number }): string => `${t.sec}.${String(t.nsec).padStart(9, '0')}0`
    const target = type === 'l' ? Buffer.from(fs.readlink(ino)).toString('latin1') : ''
    const permissions = mode & 0o7777
    names.push(
      `${path}\t${ino} ${permissions === 0 ? '0' : `0${permissions.toString(8)}`} ${type === '-' ? 'f' : type} ${nlink} ${uid}:${gid} ${size} ${time(mtime)} ${time(ctime)} ${target}`,
    )
    if (type === '-') {
      const content = tree.inodes.get(ino)?.content as Uint8Array
      sums.push(`${createHash('md5').update(content).digest('hex')}  ${path}`)
    }
    if (type !== 'd') return
    fs.readdir(ino, 0n, (name, child) => {
      const entry = Buffer.from(name).toString('latin1')
      if (entry !== '.' && entry !== '..' && !(path === '.' && entry === 'lost+found'))
        walk(`${path}/${entry}`, child)
      return true
    })
  }
  walk('.', fs.root)
  const order = (lines: string[], key: (line: string) => string): string[] =>
    lines.sort((a, b) => (key(a) < key(b) ? -1 : 1))
  return { listing: [...order(names, (line) => line), ...order(sums, (line) => line.slice(34))], tree }
}

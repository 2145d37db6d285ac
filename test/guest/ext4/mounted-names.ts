import { Ext4 } from '../../../src/guest/ext4/ext4.js'
import type { Behaviour } from '../../../src/guest/ext4/mount-options.js'
import { RamDisk } from '../../ram-disk.js'

/** A file system on a copy of an image whose names are strings, with a clock that goes on by a second at each look. */
export class MountedNames {
  readonly fs: Ext4
  readonly disk: RamDisk
  readonly root: number

  private constructor(fs: Ext4, disk: RamDisk) {
    this.fs = fs
    this.disk = disk
    this.root = fs.root
  }

  static async on(image: Uint8Array, behaviour: Partial<Behaviour> = {}): Promise<MountedNames> {
    const disk = new RamDisk(image)
    let sec = 2_100_000_000
    const now = (): { sec: number; nsec: number } => ({ sec: sec++, nsec: 5 })
    const options = { clock: () => 0, now, errors: 'continue', behaviour } as const
    return new MountedNames(await Ext4.mount(disk, options), disk)
  }

  /** Runs one changing operation when the journal has room for it. */
  async change<T>(operation: (fs: Ext4) => T): Promise<T> {
    for (let wait = this.fs.ready(); wait !== undefined; wait = this.fs.ready()) await wait
    return operation(this.fs)
  }

  mknod(dir: number, name: string, mode = 0o100644, rdev = 0): Promise<number> {
    return this.change((fs) => fs.mknod(dir, bytesOf(name), mode, rdev, OWNER))
  }

  mkdir(dir: number, name: string): Promise<number> {
    return this.change((fs) => fs.mkdir(dir, bytesOf(name), 0o755, OWNER))
  }

  symlink(dir: number, name: string, target: string): Promise<number> {
    return this.change((fs) => fs.symlink(dir, bytesOf(name), bytesOf(target), OWNER))
  }

  link(ino: number, dir: number, name: string): Promise<void> {
    return this.change((fs) => fs.link(ino, dir, bytesOf(name)))
  }

  unlink(dir: number, name: string): Promise<void> {
    return this.change((fs) => fs.unlink(dir, bytesOf(name)))
  }

  rmdir(dir: number, name: string): Promise<void> {
    return this.change((fs) => fs.rmdir(dir, bytesOf(name)))
  }

  rename(dir: number, name: string, newDir: number, newName: string, flags = 0): Promise<void> {
    return this.change((fs) => fs.rename(dir, bytesOf(name), newDir, bytesOf(newName), flags))
  }

  lookup(dir: number, name: string): number | undefined {
    return this.fs.lookup(dir, bytesOf(name))
  }

  /** At most `limit` entries behind `cookie`. */
  listSome(dir: number, cookie: bigint, limit: number): Listed[] {
    const entries: Listed[] = []
    this.fs.readdir(dir, cookie, (name, ino, type, next) => {
      if (entries.length >= limit) return false
      entries.push({ name: textOf(name), ino, type, next })
      return true
    })
    return entries
  }

  /** All entries, `.` and `..` too, by calls of `limit` entries. */
  list(dir: number, limit = 50): Listed[] {
    const entries: Listed[] = []
    for (let some = this.listSome(dir, 0n, limit); some.length > 0; ) {
      entries.push(...some)
      some = this.listSome(dir, some.at(-1)?.next ?? 0n, limit)
    }
    return entries
  }

  /** The image after a clean unmount. */
  async unmount(): Promise<Uint8Array> {
    await this.fs.unmount()
    return this.disk.bytes
  }
}

export interface Listed {
  name: string
  ino: number
  type: number
  next: bigint
}

export const OWNER = { uid: 0, gid: 0 }

/** Each character is a byte. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/** The code of the FsError that the operation ends with; undefined when it succeeds. */
export async function codeOf(operation: Promise<unknown>): Promise<string | undefined> {
  try {
    await operation
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return undefined
}

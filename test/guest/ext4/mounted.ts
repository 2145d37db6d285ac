import { Ext4 } from '../../../src/guest/ext4/ext4.js'
import type { MountOptions } from '../../../src/guest/ext4/mount-options.js'
import type { RamDisk } from '../../ram-disk.js'

/** A clock that a test moves by hand. Milliseconds. */
export class TestClock {
  ms = 1_780_000_000_000
  readonly read = (): number => this.ms
  readonly now = (): { sec: number; nsec: number } => {
    const sec = Math.floor(this.ms / 1000)
    return { sec, nsec: Math.round((this.ms - sec * 1000) * 1e6) }
  }
}

export function mountExt4(
  disk: RamDisk,
  clock = new TestClock(),
  options: Partial<Omit<MountOptions, 'clock' | 'now'>> = {},
): Promise<Ext4> {
  return Ext4.mount(disk, { ...options, clock: clock.read, now: clock.now })
}

/** Waits until an operation may start, as the FUSE session does before each that changes something. */
export async function ready(fs: Ext4): Promise<Ext4> {
  for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) await wait
  return fs
}

/** Stores all of `bytes`, waiting for journal space where need be. */
export async function writeAll(fs: Ext4, ino: number, offset: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await ready(fs)).write(ino, offset + done, bytes, done, bytes.length, false)
  }
}

/** A copy of what the file holds. */
export function readAll(fs: Ext4, ino: number, offset = 0, length = fs.getattr(ino).size): Uint8Array {
  const result = new Uint8Array(Math.max(0, Math.min(length, fs.getattr(ino).size - offset)))
  let at = 0
  for (const run of fs.read(ino, offset, length)) {
    if (run.bytes !== undefined) result.set(run.bytes.subarray(run.at, run.at + run.length), at)
    at += run.length
  }
  return result
}

/** The names of a directory but `.` and `..`, with inode numbers. */
export function list(fs: Ext4, dir: number): Map<string, number> {
  const names = new Map<string, number>()
  fs.readdir(dir, 0n, (name, ino) => {
    const text = Buffer.from(name).toString('latin1')
    if (text !== '.' && text !== '..') names.set(text, ino)
    return true
  })
  return names
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

export const ROOT_USER = { uid: 0, gid: 0 }

import { FsError } from '../../lib/errno.js'
import { CrashDisk } from '../../src/crash/crash-disk.js'
import { probe } from '../../src/crash/usability.js'
import { VirtualClock } from '../../src/crash/virtual-clock.js'
import { Ext4 } from '../../src/guest/ext4/ext4.js'
import { fsck } from '../../src/guest/ext4/fsck/fsck.js'
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../src/guest/vfs/attributes.js'
import type { FileSystem } from '../../src/guest/vfs/file-system.js'

export interface CorruptRun {
  /** What our checker says. */
  readonly clean: boolean
  readonly problems: readonly string[]
  /** Errors that the walk and the use met. */
  readonly refusals: number
}

/** Reads of the medium that one walk may take: what a bound in every walk allows on an image so small. */
const READ_LIMIT = 400_000
const ENTRY_LIMIT = 20_000

class CountingDisk extends CrashDisk {
  #reads = 0

  override directAccess(offset: number): ReturnType<CrashDisk['directAccess']> {
    if (++this.#reads > READ_LIMIT) throw new Error(`${READ_LIMIT} reads: a walk without a bound`)
    return super.directAccess(offset)
  }
}

/**
 * Checks a corrupt image, walks all of it as a read-only mount, and uses it as a writable one. Throws what is not an
 * FsError, and when checking or reading has changed the image.
 */
export async function visitCorrupt(image: Uint8Array): Promise<CorruptRun> {
  const problems: string[] = []
  const disk = new CountingDisk(image)
  const result = fsck(disk, {
    report: ({ severity, code, message }) =>
      severity !== 'note' && problems.push(`${severity} ${code}: ${message}`),
  })
  const reading = await visit(disk, true)
  if (disk.storeSequence > 0 && !reading.recovered)
    throw new Error('a read-only mount has stored to the medium')
  const writing = await visit(new CountingDisk(image), false)
  return { clean: result.status === 0, problems, refusals: reading.refusals + writing.refusals }
}

async function visit(disk: CrashDisk, readOnly: boolean): Promise<{ refusals: number; recovered: boolean }> {
  const { read, now } = new VirtualClock()
  const refusals = new Refusals()
  // A journal that says so is replayed, by a read-only mount too.
  let recovered = false
  await refusals.count(async () => {
    const fs = await Ext4.mount(disk, { readOnly, errors: 'continue', clock: read, now })
    recovered = fs.report.recovery !== undefined
    const names = walk(fs, refusals)
    if (!readOnly) {
      await refusals.count(() => probe(fs, { names: '', inodes: new Map() }))
      for (const { dir, name, isDirectory } of names.slice(0, 40)) {
        await refusals.count(async () => {
          for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) await wait
          if (isDirectory) fs.rmdir(dir, name)
          else fs.unlink(dir, name)
        })
      }
      await refusals.count(async () => fs.syncfs())
    }
    await refusals.count(() => fs.unmount())
  })
  return { refusals: refusals.total, recovered }
}

class Refusals {
  total = 0

  async count(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      this.total++
    }
  }

  take<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      this.total++
      return undefined
    }
  }
}

interface Entry {
  readonly dir: number
  readonly name: Uint8Array
  readonly isDirectory: boolean
}

/** Visits every entry once by inode number, as a kernel would that knows nothing yet. */
function walk(fs: FileSystem, refusals: Refusals): Entry[] {
  const found: Entry[] = []
  const seen = new Set([fs.root])
  const pending = [fs.root]
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    const children: { name: Uint8Array; ino: number }[] = []
    refusals.take(() => {
      fs.readdir(dir as number, 0n, (name, ino) => {
        if (children.length > ENTRY_LIMIT)
          throw new Error(`more than ${ENTRY_LIMIT} entries: a walk without a bound`)
        children.push({ name: name.slice(), ino })
        return true
      })
    })
    for (const { name } of children) {
      const ino = refusals.take(() => fs.lookup(dir as number, name))
      if (ino === undefined || seen.has(ino)) continue
      seen.add(ino)
      const type = refusals.take(() => visitInode(fs, ino))
      if (type === S_IFDIR) pending.push(ino)
      found.push({ dir, name, isDirectory: type === S_IFDIR })
    }
  }
  return found
}

function visitInode(fs: FileSystem, ino: number): number {
  const { mode, size } = fs.getattr(ino)
  const type = mode & S_IFMT
  if (type === S_IFLNK) fs.readlink(ino)
  else if (type !== S_IFDIR) {
    let length = 0
    for (const run of fs.read(ino, 0, Math.min(size, 1 << 22)))
      length += run.bytes?.[run.at] === undefined ? 0 : run.length
    if (length > size) throw new Error('more bytes than the file has')
  }
  return type
}

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tmp from 'tmp'
import { crc32c } from '../../../lib/crc32c.js'
import { BufferCache } from '../../../src/guest/block/buffer-cache.js'
import { Journal } from '../../../src/guest/jbd2/journal.js'
import type { JournalRun } from '../../../src/guest/jbd2/journal-map.js'
import type { JournalOptions } from '../../../src/guest/jbd2/journal-options.js'
import { RamDisk } from '../../ram-disk.js'
import type { RamJournal } from './ram-journal.js'

tmp.setGracefulCleanup()

const SUPERBLOCK = 1024
const S_FEATURE_INCOMPAT = SUPERBLOCK + 0x60
const S_FEATURE_RO_COMPAT = SUPERBLOCK + 0x64
const S_CHECKSUM = SUPERBLOCK + 0x3fc
const INCOMPAT_RECOVER = 0x4
const RO_COMPAT_METADATA_CSUM = 0x400

/** A directory of its own, which goes when the process ends. */
export function temporaryDirectory(): string {
  return tmp.dirSync({ unsafeCleanup: true }).name
}

/** Makes an ext4 image of 24 MiB with a small journal; the path. `args`: further arguments of mkfs.ext4. */
export function mkfs(blockSize: number, args: readonly string[]): string {
  const path = join(temporaryDirectory(), 'image')
  writeFileSync(path, '')
  const journal = `size=${blockSize / 1024}`
  execFileSync('mkfs.ext4', ['-q', '-F', '-b', `${blockSize}`, '-J', journal, ...args, path, '24M'])
  return path
}

/** What debugfs prints on a request. */
export function debugfs(path: string, request: string): string {
  return execFileSync('debugfs', ['-R', request, path], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

/** Where the journal's inode has its blocks, as debugfs tells. */
export function journalRuns(path: string): JournalRun[] {
  const runs: JournalRun[] = []
  for (const [, from, to, physical] of debugfs(path, 'stat <8>').matchAll(/\((\d+)(?:-(\d+))?\):(\d+)/g)) {
    const logical = Number(from)
    runs.push({ logical, physical: Number(physical), length: Number(to ?? from) - logical + 1 })
  }
  return runs
}

/** `count` blocks that no file has. */
export function freeBlocks(path: string, count: number): number[] {
  const found = debugfs(path, `ffb ${count}`).matchAll(/\b(\d{3,})\b/g)
  return Array.from(found, ([block]) => Number(block))
}

/** Our journal over the image's bytes. */
export function openJournal(
  path: string,
  blockSize: number,
  options: Partial<JournalOptions> = {},
): RamJournal {
  const disk = new RamDisk(readFileSync(path))
  const cache = new BufferCache(disk, blockSize)
  const journal = Journal.open({ cache, map: journalRuns(path), now: () => 1_700_000_000_123, ...options })
  return { disk, cache, journal }
}

/** Writes the image with the file system's needs_recovery flag set or cleared. */
export function saveImage(path: string, image: Uint8Array, needsRecovery: boolean): void {
  const view = new DataView(image.buffer, image.byteOffset)
  const features = view.getUint32(S_FEATURE_INCOMPAT, true) & ~INCOMPAT_RECOVER
  view.setUint32(S_FEATURE_INCOMPAT, features | (needsRecovery ? INCOMPAT_RECOVER : 0), true)
  if ((view.getUint32(S_FEATURE_RO_COMPAT, true) & RO_COMPAT_METADATA_CSUM) !== 0)
    view.setUint32(S_CHECKSUM, crc32c(0xffffffff, image, SUPERBLOCK, S_CHECKSUM), true)
  writeFileSync(path, image)
}

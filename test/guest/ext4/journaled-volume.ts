import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tmp from 'tmp'
import { openJournal } from '../../../src/guest/ext4/journal-inode.js'
import { Volume } from '../../../src/guest/ext4/volume.js'
import type { Handle } from '../../../src/guest/jbd2/handle.js'
import type { Journal } from '../../../src/guest/jbd2/journal.js'
import { RamDisk } from '../../ram-disk.js'

tmp.setGracefulCleanup()

export const NOW = { sec: 1_700_000_000, nsec: 123_456_789 }

/** Feature sets as mkfs.ext4 takes them: small groups, so that a small image has many. */
export const FEATURE_SETS: Readonly<Record<string, readonly string[]>> = {
  default: ['-b', '4096', '-g', '1024', '-J', 'size=4'],
  '1k blocks': ['-b', '1024', '-g', '2048', '-J', 'size=1'],
  '^64bit': ['-b', '4096', '-g', '1024', '-J', 'size=4', '-O', '^64bit'],
  '^flex_bg': ['-b', '1024', '-g', '2048', '-J', 'size=1', '-O', '^flex_bg'],
  'uninit_bg,^metadata_csum': ['-b', '1024', '-g', '2048', '-J', 'size=1', '-O', '^metadata_csum,uninit_bg'],
  '^uninit_bg,^metadata_csum': [
    '-b',
    '1024',
    '-g',
    '2048',
    '-J',
    'size=1',
    '-O',
    '^metadata_csum,^uninit_bg',
  ],
  '^sparse_super,^resize_inode': [
    '-b',
    '1024',
    '-g',
    '2048',
    '-J',
    'size=1',
    '-O',
    '^sparse_super,^resize_inode',
  ],
  meta_bg: ['-b', '1024', '-g', '1024', '-J', 'size=1', '-O', 'meta_bg,^resize_inode'],
  sparse_super2: ['-b', '1024', '-g', '2048', '-J', 'size=1', '-O', 'sparse_super2,^resize_inode'],
  'orphan_file,metadata_csum_seed': [
    '-b',
    '4096',
    '-g',
    '1024',
    '-J',
    'size=4',
    '-O',
    'orphan_file,metadata_csum_seed',
  ],
}

export interface JournaledVolume {
  disk: RamDisk
  volume: Volume
  journal: Journal
}

/** A volume on a copy of the image with its journal at work, without a mount. */
export function openVolume(image: Uint8Array): JournaledVolume {
  const disk = new RamDisk(image)
  const volume = new Volume(disk, () => NOW)
  const journal = openJournal(volume, { clock: () => 0, commitInterval: 5000, barrier: true })
  if (journal === undefined) throw new Error('the image has no journal')
  volume.journal = journal
  journal.beforeCommit = (handle) => {
    volume.blockAllocator.settleCounters(handle)
    volume.checksums.seal(handle)
  }
  return { disk, volume, journal }
}

/** Runs one operation, committing before it when the transaction is full; reverts it when it throws. */
export async function operate<T>(journal: Journal, operation: (handle: Handle) => T): Promise<T> {
  for (let wait = journal.ready(40); wait !== undefined; wait = journal.ready(40)) await wait
  return inHandle(journal, operation)
}

export function inHandle<T>(journal: Journal, operation: (handle: Handle) => T): T {
  const handle = journal.start()
  try {
    const result = operation(handle)
    handle.stop()
    return result
  } catch (error) {
    handle.revert()
    throw error
  }
}

/** What `e2fsck -fy` says and leaves: status 0 clean, 1 corrected. */
export function repair(image: Uint8Array): { status: number; output: string; image: Uint8Array } {
  const path = join(tmp.dirSync({ unsafeCleanup: true }).name, 'image')
  writeFileSync(path, image)
  let status = 0
  let output: string
  try {
    output = execFileSync('e2fsck', ['-fy', path], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    const failed = error as { status: number; stdout: string }
    status = failed.status
    output = failed.stdout
  }
  return { status, output, image: new Uint8Array(readFileSync(path)) }
}

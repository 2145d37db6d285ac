import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, statSync } from 'node:fs'
import { FsError } from '../../lib/errno.js'
import { detect } from '../guest/ext4/mkfs/detect.js'
import {
  defaultJournalBlocks,
  LEAST_BLOCKS_FOR_JOURNAL,
  type MkfsOptions,
  type MkfsReport,
  mkfs,
} from '../guest/ext4/mkfs/mkfs.js'
import { InlineMachine } from './inline-machine.js'

/** The root directory is the caller's unless told otherwise: an ordinary user could do nothing in root's. */
export interface FormatOptions extends Omit<MkfsOptions, 'now' | 'zeroed'> {
  /** Path; created when there is none. */
  image: string
  /** Bytes. Makes the file that long; the size of an existing file when absent. */
  size?: number
}

/**
 * Makes an image: a sparse file with an empty ext4 in it. Rejects with FsError EBUSY while the image is in use, EEXIST
 * when it holds something and `force` is not set, EINVAL and ENOSPC as mkfs does; a file made here is removed then.
 */
export async function formatImage(options: FormatOptions): Promise<MkfsReport> {
  const { image, size, ...mkfsOptions } = options
  const found = statSync(image, { throwIfNoEntry: false })
  if (found === undefined && size === undefined)
    throw new FsError('ENOENT', `'${image}' does not exist; say how large to make it: --size 256M`, {
      path: image,
    })
  if (size !== undefined && size % 4096 !== 0)
    throw new FsError('EINVAL', `size ${size} is not a multiple of 4096 bytes`)
  if (found?.isFile() && size !== undefined && found.size > size && options.force !== true)
    throw new FsError(
      'EEXIST',
      `'${image}' has ${found.size} bytes already, more than asked for; --force cuts it`,
    )
  // Before anything is changed; the size of a device is known only when it is open.
  const bytes = size ?? (found?.isFile() ? found.size : undefined)
  if (bytes !== undefined && bytes > 0) requireJournal(bytes, mkfsOptions)
  if (found === undefined) makeFile(image, size ?? 0)
  try {
    if (found?.isFile() && size !== undefined && found.size !== size) await resize(image, size)
    return await format(image, { ...mkfsOptions, zeroed: found === undefined })
  } catch (error) {
    if (found === undefined) rmSync(image, { force: true })
    throw error
  }
}

function makeFile(image: string, size: number): void {
  const fd = openSync(image, 'wx', 0o644)
  try {
    ftruncateSync(fd, size)
  } finally {
    closeSync(fd)
  }
}

/** Only when nobody has it open: a shorter file under a mapping kills the process that maps it. */
async function resize(image: string, size: number): Promise<void> {
  const fd = openSync(image, 'r+')
  try {
    const before = fstatSync(fd).size
    if (before > 0 && before % 4096 === 0) {
      const machine = InlineMachine.boot({ image, hostCache: 'kernel' })
      machine.cutPower('guest')
    }
    ftruncateSync(fd, size)
  } finally {
    closeSync(fd)
  }
}

async function format(image: string, options: Omit<MkfsOptions, 'now'>): Promise<MkfsReport> {
  // Everything written once, then one sync: the host's own page cache needs no copy.
  const machine = InlineMachine.boot({ image, hostCache: 'kernel' })
  try {
    requireJournal(machine.disk.size, options)
    const rootOwner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
    const report = mkfs(machine.disk, {
      rootOwner,
      ...options,
      now: { sec: Math.floor(Date.now() / 1000), nsec: 0 },
    })
    await machine.disk.flush()
    return report
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'EEXIST') throw error
    const content = detect(machine.disk) ?? 'something'
    throw new FsError('EEXIST', `'${image}' holds ${content} already; --force overwrites it`, { path: image })
  } finally {
    await machine.shutDown()
  }
}

/** As mke2fs, mkfs makes no journal where there is no room for one; such a file system would be e2fsck's work after each crash. */
function requireJournal(size: number, { blockSize = 4096, journalBlocks }: Omit<MkfsOptions, 'now'>): void {
  if (journalBlocks !== undefined || defaultJournalBlocks(Math.floor(size / blockSize)) > 0) return
  const smaller = blockSize > 1024 ? ', or take blocks of 1024 bytes (without DAX)' : ''
  throw new FsError(
    'ENOSPC',
    `${size} bytes have no room for a journal of blocks of ${blockSize}: make it ${formatLeast(blockSize)} or more${smaller}`,
  )
}

function formatLeast(blockSize: number): string {
  return `${(LEAST_BLOCKS_FOR_JOURNAL * blockSize) >> 20}M`
}

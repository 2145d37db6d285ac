import type { BlockDevice } from '../../block/block-device.js'
import { JournalSuperblock } from '../../jbd2/journal-superblock.js'
import { dirLeafChecksum, inodeSeed, orphanBlockChecksum } from '../checksum.js'
import { ROOT_INO } from '../superblock.js'
import type { ImageWriter } from './image-writer.js'
import { count, LOST_FOUND_INO, ORPHAN_FILE_INO } from './write-inodes.js'

/** file_type of a directory. */
const FT_DIR = 2
/** file_type of the entry without a name that holds a directory block's checksum. */
const FT_DIR_CSUM = 0xde
/** Bytes of that entry, at the end of the block. */
const TAIL = 12
const ORPHAN_MAGIC = 0x0b10ca04

interface Entry {
  readonly ino: number
  readonly name: string
}

/** Root, lost+found and its empty blocks. Kernel docs: ext4, "Linear Directories". */
export function writeDirectories(writer: ImageWriter): void {
  const { placement } = writer
  const root = [
    { ino: ROOT_INO, name: '.' },
    { ino: ROOT_INO, name: '..' },
    { ino: LOST_FOUND_INO, name: 'lost+found' },
  ]
  writer.write(placement.root[0]!.start, directoryBlock(writer, ROOT_INO, root))
  const lostFound = [
    { ino: LOST_FOUND_INO, name: '.' },
    { ino: ROOT_INO, name: '..' },
  ]
  let content = directoryBlock(writer, LOST_FOUND_INO, lostFound)
  for (const run of placement.lostFound) {
    for (let block = run.start; block < run.end; block++) {
      writer.write(block, content)
      content = directoryBlock(writer, LOST_FOUND_INO, [{ ino: 0, name: '' }])
    }
  }
}

function directoryBlock(writer: ImageWriter, ino: number, entries: readonly Entry[]): Uint8Array {
  const { bytes, view } = writer.scratch(1)
  const end = bytes.length - TAIL
  let at = 0
  for (const [index, entry] of entries.entries()) {
    const last = index === entries.length - 1
    const length = last ? end - at : 8 + ((entry.name.length + 3) & ~3)
    putEntry(view, at, { ...entry, length, type: entry.ino === 0 ? 0 : FT_DIR })
    at += length
  }
  putEntry(view, end, { ino: 0, name: '', length: TAIL, type: FT_DIR_CSUM })
  const seed = inodeSeed(writer.checksumSeed, ino, 0)
  view.setUint32(end + 8, dirLeafChecksum(seed, bytes, 0, bytes.length), true)
  return bytes
}

function putEntry(view: DataView, at: number, entry: Entry & { length: number; type: number }): void {
  view.setUint32(at, entry.ino, true)
  view.setUint16(at + 4, entry.length, true)
  view.setUint8(at + 6, entry.name.length)
  view.setUint8(at + 7, entry.type)
  for (let index = 0; index < entry.name.length; index++)
    view.setUint8(at + 8 + index, entry.name.charCodeAt(index))
}

/** The blocks of the orphan file: no orphans, magic and checksum at the end. Kernel docs: ext4, "Orphan file". */
export function writeOrphanFile(writer: ImageWriter): void {
  const { bytes, view } = writer.scratch(1)
  const tail = bytes.length - 8
  const seed = inodeSeed(writer.checksumSeed, ORPHAN_FILE_INO, 0)
  view.setUint32(tail, ORPHAN_MAGIC, true)
  for (const run of writer.placement.orphanFile) {
    for (let block = run.start; block < run.end; block++) {
      view.setUint32(tail + 4, orphanBlockChecksum(seed, block, bytes, 0, tail), true)
      writer.write(block, bytes)
    }
  }
}

/** An empty journal: its superblock, and zeroes in which no older journal can be mistaken for its log. */
export function writeJournal(writer: ImageWriter, device: BlockDevice): void {
  const { geometry, identity, placement } = writer
  const first = placement.journal[0]
  if (first === undefined) return
  for (const run of placement.journal) writer.zero(run.start, run.end - run.start)
  const { blockSize } = geometry
  JournalSuperblock.create({ blockSize, maxlen: count(placement.journal), uuid: identity.uuid }).store(
    device,
    first.start * blockSize,
  )
}

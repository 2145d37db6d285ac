import type { BlockDevice } from '../guest/block/block-device.js'
import { mappings } from '../guest/ext4/file-map.js'
import { Inode } from '../guest/ext4/inode.js'
import { SuperBlock } from '../guest/ext4/superblock.js'
import { Volume } from '../guest/ext4/volume.js'
import type { CrashDisk } from './crash-disk.js'

const PAGE = 4096

/**
 * Tells recovered images apart by what can be seen of them: all but the journal's log, which recovery has emptied and
 * in which every crash state leaves other dead blocks.
 */
export class Fingerprint {
  readonly #disk: CrashDisk
  readonly #words: Int32Array
  readonly #isLog: Uint8Array

  constructor(disk: CrashDisk) {
    this.#disk = disk
    this.#words = new Int32Array(disk.bytes.buffer, disk.bytes.byteOffset, disk.size >>> 2)
    this.#isLog = logPages(disk)
  }

  /** Of the pages touched since the disk's last revert. */
  take(): string {
    let low = 0x811c9dc5
    let high = 0x9e3779b9
    for (const page of [...this.#disk.touched].sort((a, b) => a - b)) {
      if (this.#isLog[page] !== 0) continue
      low = Math.imul(low ^ page, 0x01000193)
      const end = Math.min(((page + 1) * PAGE) >>> 2, this.#words.length)
      for (let index = (page * PAGE) >>> 2; index < end; index++) {
        const word = this.#words[index] as number
        low = Math.imul(low ^ word, 0x01000193)
        low ^= low >>> 15
        high = Math.imul(high + word, 0x85ebca6b)
        high ^= high >>> 13
      }
    }
    return `${low >>> 0}.${high >>> 0}`
  }
}

/** A flag for each page that lies wholly in the journal and does not hold its superblock. */
function logPages(device: BlockDevice): Uint8Array {
  const pages = new Uint8Array(Math.ceil(device.size / PAGE))
  // What a power failure left may be torn.
  const volume = new Volume(device, () => ({ sec: 0, nsec: 0 }), undefined, { unsummed: true })
  const { view, at } = volume.superblock
  const ino = SuperBlock.s_journal_inum.get(view, at + volume.superblockOffset)
  for (const { logical, physical, length } of mappings(new Inode(volume, ino))) {
    const first = logical === 0 ? physical + 1 : physical
    const from = Math.ceil((first * volume.blockSize) / PAGE)
    pages.fill(1, from, Math.max(from, Math.floor(((physical + length) * volume.blockSize) / PAGE)))
  }
  return pages
}

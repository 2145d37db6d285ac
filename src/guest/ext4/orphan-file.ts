import { CorruptError } from '../../../lib/errno.js'
import { endOfNonZero } from '../../../lib/zeroes.js'
import type { BufferHead } from '../block/buffer-head.js'
import type { Handle } from '../jbd2/handle.js'
import { orphanBlockChecksum } from './checksum.js'
import { mapBlock } from './file-blocks.js'
import { Inode } from './inode.js'
import type { Volume } from './volume.js'

/** ob_magic, in the last 8 bytes of each block before ob_checksum. Kernel docs: ext4, "Orphan file". */
export const ORPHAN_BLOCK_MAGIC = 0x0b10ca04
const TAIL_SIZE = 8
/** More the kernel does not accept either. */
const MAX_BLOCKS = 512

/** The file of inode numbers, one in 4 bytes, 0 where none is: block after block, each with a tail. */
export class OrphanFile {
  readonly #volume: Volume
  readonly #inode: Inode
  readonly #blocks: number[] = []
  readonly #slotsPerBlock: number
  readonly #freeSlots: Int32Array
  /** Slots filled. */
  #used = 0

  /** Finds and checks the blocks of orphan file `ino`. Throws CorruptError. */
  constructor(volume: Volume, ino: number) {
    this.#volume = volume
    this.#inode = openInode(volume, ino)
    this.#slotsPerBlock = (volume.blockSize - TAIL_SIZE) / 4
    const count = this.#inode.size / volume.blockSize
    if (!(Number.isInteger(count) && count >= 1 && count <= MAX_BLOCKS)) {
      this.#inode.corrupt('i_size', this.#inode.size, `1 to ${MAX_BLOCKS} blocks, as the orphan file's`)
    }
    this.#freeSlots = new Int32Array(count).fill(this.#slotsPerBlock)
    for (let logical = 0; logical < count; logical++) {
      const block = mapBlock(this.#inode, logical)
      if (block === 0) this.#inode.corrupt(`block ${logical}`, 'a hole', 'mapped', 'orphan file')
      this.#blocks.push(block)
      this.#verify(block)
    }
  }

  get isEmpty(): boolean {
    return this.#used === 0
  }

  /** Calls `visit` for every slot in use, and counts them as such. To be called once. */
  load(visit: (ino: number, slot: number) => void): void {
    for (let index = 0; index < this.#blocks.length; index++) {
      const head = this.#head(index)
      const end = endOfNonZero(head.bytes, head.at, head.at + this.#slotsPerBlock * 4)
      for (let entry = 0; entry < (end - head.at) / 4; entry++) {
        const ino = head.view.getUint32(head.at + entry * 4, true)
        if (ino === 0) continue
        visit(ino, index * this.#slotsPerBlock + entry)
        this.#count(index, 1)
      }
    }
  }

  /** Writes `ino` into a free slot and returns that, -1 when the file is full. */
  add(handle: Handle, ino: number): number {
    const index = this.#freeSlots.findIndex((free) => free > 0)
    if (index < 0) return -1
    const head = this.#head(index)
    let entry = 0
    while (entry < this.#slotsPerBlock && head.view.getUint32(head.at + entry * 4, true) !== 0) entry++
    if (entry === this.#slotsPerBlock) {
      throw new CorruptError({
        structure: 'ext4_orphan_block',
        block: head.block,
        field: 'free slots',
        found: 0,
        expected: this.#freeSlots[index]!,
      })
    }
    this.#set(handle, index, entry, ino)
    this.#count(index, 1)
    handle.onRevert(() => this.#count(index, -1))
    return index * this.#slotsPerBlock + entry
  }

  remove(handle: Handle, slot: number): void {
    const index = Math.floor(slot / this.#slotsPerBlock)
    this.#set(handle, index, slot % this.#slotsPerBlock, 0)
    this.#count(index, -1)
    handle.onRevert(() => this.#count(index, 1))
  }

  #count(index: number, change: number): void {
    this.#used += change
    this.#freeSlots[index]! -= change
  }

  #set(handle: Handle, index: number, entry: number, ino: number): void {
    const head = this.#head(index)
    handle.getWriteAccess(head)
    head.view.setUint32(head.at + entry * 4, ino, true)
    this.#volume.checksums.orphanBlock(handle, head.block, this.#inode.checksumSeed)
  }

  #head(index: number): BufferHead {
    return this.#volume.cache.get(this.#blocks[index]!)
  }

  #verify(block: number): void {
    const head = this.#volume.cache.get(block)
    if (head.verified) return
    const tail = this.#volume.blockSize - TAIL_SIZE
    const place = { structure: 'ext4_orphan_block', block }
    const magic = head.view.getUint32(head.at + tail, true)
    if (magic !== ORPHAN_BLOCK_MAGIC) {
      throw new CorruptError({ ...place, field: 'ob_magic', found: magic, expected: ORPHAN_BLOCK_MAGIC })
    }
    if (this.#volume.hasMetadataCsum) {
      const expected = orphanBlockChecksum(this.#inode.checksumSeed, block, head.bytes, head.at, tail)
      const found = head.view.getUint32(head.at + tail + 4, true)
      if (found !== expected)
        throw new CorruptError({ ...place, field: 'ob_checksum', found, expected }, 'EBADMSG')
    }
    head.verified = true
  }
}

function openInode(volume: Volume, ino: number): Inode {
  if (!(ino >= volume.firstIno && ino <= volume.inodesCount)) {
    throw new CorruptError({
      structure: 'ext4_super_block',
      field: 's_orphan_file_inum',
      found: ino,
      expected: `${volume.firstIno} to ${volume.inodesCount}`,
    })
  }
  const inode = new Inode(volume, ino)
  inode.verifyChecksum()
  if (!inode.isRegular)
    inode.corrupt('i_mode', `0${inode.mode.toString(8)}`, 'a regular file, the orphan file')
  return inode
}

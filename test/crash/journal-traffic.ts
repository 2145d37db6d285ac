import type { BlockDevice, DirectAccess } from '../../src/guest/block/block-device.js'

import { mappings } from '../../src/guest/ext4/file-map.js'
import { Inode } from '../../src/guest/ext4/inode.js'
import { SuperBlock } from '../../src/guest/ext4/superblock.js'
import { Volume } from '../../src/guest/ext4/volume.js'

const JBD2_MAGIC = 0xc03b3998
export const COMMIT_BLOCK = 2

/** Type of the journal block that a store holds, 0: it is none. Header: jbd2's journal_header_s. */
export function journalBlockType(source: Uint8Array, from: number): number {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
  return source.length - from >= 12 && view.getUint32(from) === JBD2_MAGIC ? view.getUint32(from + 4) : 0
}

/** Where the blocks of the log lie, without the journal's superblock. Bytes. */
export function logRanges(disk: BlockDevice): { from: number; to: number }[] {
  const volume = new Volume(disk, () => ({ sec: 0, nsec: 0 }))
  const { view, at } = volume.superblock
  const ino = SuperBlock.s_journal_inum.get(view, at + volume.superblockOffset)
  return [...mappings(new Inode(volume, ino))].map(({ logical, physical, length }) => ({
    from: (logical === 0 ? physical + 1 : physical) * volume.blockSize,
    to: (physical + length) * volume.blockSize,
  }))
}

/** A disk in front of another: the base of those that do something wrong. */
export class DiskFront implements BlockDevice {
  protected readonly inner: BlockDevice
  flushedSequence = 0

  constructor(inner: BlockDevice) {
    this.inner = inner
  }

  get name(): string {
    return this.inner.name
  }

  get size(): number {
    return this.inner.size
  }

  get readOnly(): boolean {
    return this.inner.readOnly
  }

  get storeSequence(): number {
    return this.inner.storeSequence
  }

  write(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    this.inner.write(offset, source, from, to)
  }

  zero(offset: number, length: number): void {
    this.inner.zero(offset, length)
  }

  copy(to: number, from: number, length: number): void {
    this.inner.copy(to, from, length)
  }

  directAccess(offset: number): DirectAccess {
    return this.inner.directAccess(offset)
  }

  async flush(): Promise<void> {
    const covered = this.storeSequence
    await this.innerFlush()
    this.flushedSequence = Math.max(this.flushedSequence, covered)
  }

  protected innerFlush(): Promise<void> {
    return this.inner.flush()
  }
}

/** What the stores since the last flush were. */
export class JournalTraffic extends DiskFront {
  protected wroteBody = false
  protected wroteCommit = false

  override write(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    const type = journalBlockType(source, from)
    if (type === COMMIT_BLOCK) this.wroteCommit = true
    else if (type !== 0) this.wroteBody = true
    super.write(offset, source, from, to)
  }

  override async flush(): Promise<void> {
    const covered = this.storeSequence
    const { wroteBody, wroteCommit } = this
    this.wroteBody = false
    this.wroteCommit = false
    if (!this.skips(wroteBody, wroteCommit)) await this.innerFlush()
    this.flushedSequence = Math.max(this.flushedSequence, covered)
  }

  protected skips(_wroteBody: boolean, _wroteCommit: boolean): boolean {
    return false
  }
}

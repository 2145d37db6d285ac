import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { PmemRegion } from '../../../../src/bus/pmem-region.js'
import type { BlockDevice, DirectAccess } from '../../../../src/guest/block/block-device.js'

const PAGE = 4096

/** A disk of memory that is big and sparse: only the pages stored to are saved. */
export class MemoryDisk implements BlockDevice {
  readonly name = 'memory0'
  readonly size: number
  readonly readOnly = false
  readonly region: PmemRegion

  constructor(size: number) {
    this.size = size
    const memory: ArrayBuffer[] = []
    for (let left = size; left > 0; left -= PmemRegion.SEGMENT_SIZE) {
      memory.push(new ArrayBuffer(Math.min(left, PmemRegion.SEGMENT_SIZE)))
    }
    this.region = new PmemRegion({ start: 0, size, memory })
  }

  /** A disk with the content of the file at `path`. */
  static load(path: string, size: number): MemoryDisk {
    const disk = new MemoryDisk(size)
    const fd = openSync(path, 'r')
    for (let offset = 0; offset < size; offset += PmemRegion.SEGMENT_SIZE) {
      const { bytes } = disk.directAccess(offset)
      readSync(fd, bytes, 0, bytes.length, offset)
    }
    closeSync(fd)
    return disk
  }

  get storeSequence(): number {
    return this.region.storeSequence
  }

  get flushedSequence(): number {
    return this.region.storeSequence
  }

  write(offset: number, source: Uint8Array, from?: number, to?: number): void {
    this.region.store(offset, source, from, to)
  }

  zero(offset: number, length: number): void {
    this.region.zero(offset, length)
  }

  copy(to: number, from: number, length: number): void {
    this.region.copy(to, from, length)
  }

  directAccess(offset: number): DirectAccess {
    return this.region.directAccess(offset)
  }

  async flush(): Promise<void> {}

  /** Writes the pages stored to so far into a sparse file. */
  save(path: string): void {
    const fd = openSync(path, 'w')
    ftruncateSync(fd, this.size)
    for (const page of this.region.dirtyLog.take()) {
      const { bytes, at } = this.directAccess(page * PAGE)
      writeSync(fd, bytes, at, Math.min(PAGE, this.size - page * PAGE), page * PAGE)
    }
    closeSync(fd)
  }
}

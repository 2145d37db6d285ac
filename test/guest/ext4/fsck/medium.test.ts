import t from 'tap'
import type { BlockDevice, DirectAccess } from '../../../../src/guest/block/block-device.js'
import { fsck } from '../../../../src/guest/ext4/fsck/fsck.js'
import { Medium } from '../../../../src/guest/ext4/fsck/medium.js'
import { mkfs } from '../../../../src/guest/ext4/mkfs/mkfs.js'
import { MemoryDisk } from '../mkfs/memory-disk.js'

/** The memory of a disk in separate pieces, as a region of more than one segment has it. */
function inPieces(disk: MemoryDisk, piece: number): BlockDevice {
  const { bytes } = disk.directAccess(0)
  const pieces: DirectAccess[] = []
  for (let at = 0; at < disk.size; at += piece) {
    const copy = bytes.slice(at, Math.min(at + piece, disk.size))
    pieces.push({ bytes: copy, view: new DataView(copy.buffer), at: 0, address: 0 })
  }
  const directAccess = (offset: number) => ({ ...pieces[Math.floor(offset / piece)]!, at: offset % piece })
  return new Proxy(disk, {
    get: (target, key) => (key === 'directAccess' ? directAccess : Reflect.get(target, key)),
  })
}

t.test('medium: memory in pieces -> each block in its own', async (t) => {
  const disk = new MemoryDisk(10 * 4096)
  for (let block = 0; block < 10; block++) disk.write(block * 4096, Uint8Array.of(block + 1))
  const medium = new Medium(inPieces(disk, 3 * 4096), 4096, 10)
  for (const block of [0, 2, 3, 8, 9, 1]) {
    medium.open(block)
    t.equal(medium.bytes[medium.at], block + 1)
    t.equal(medium.view.getUint8(medium.at), block + 1)
  }
  t.throws(() => medium.open(12), RangeError)
})

t.test('medium: a file system over pieces -> checked as in one', async (t) => {
  const disk = new MemoryDisk(8 << 20)
  mkfs(disk, { now: { sec: 0, nsec: 0 } })
  t.equal(fsck(inPieces(disk, 1 << 20), { report: () => {} }).status, 0)
})

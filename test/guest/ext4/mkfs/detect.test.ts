import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import tmp from 'tmp'
import { detect } from '../../../../src/guest/ext4/mkfs/detect.js'
import { missing } from './e2fsprogs.js'
import { MemoryDisk } from './memory-disk.js'

const SIZE = 1 << 20

t.test('detect: zeroes, random bytes, a tiny device -> nothing', async (t) => {
  t.equal(detect(new MemoryDisk(SIZE)), undefined)
  t.equal(detect(new MemoryDisk(16)), undefined)
  const disk = new MemoryDisk(SIZE)
  disk.write(
    0,
    Uint8Array.from({ length: SIZE }, (_, index) => (index * 7919) >>> 3),
  )
  t.equal(detect(disk), undefined)
})

t.test('detect: signatures -> their names', async (t) => {
  const known = [
    [0, 'XFSB', 'xfs'],
    [0x10040, '_BHRfS_M', 'btrfs'],
    [4086, 'SWAPSPACE2', 'swap'],
    [512, 'EFI PART', 'partition table (gpt)'],
    [32769, 'CD001', 'iso9660'],
    [1080, '\x53\xef', 'ext2'],
  ] as const
  for (const [offset, magic, name] of known) {
    const disk = new MemoryDisk(SIZE)
    disk.write(offset, Buffer.from(magic, 'latin1'))
    t.equal(detect(disk), name)
  }
})

t.test('detect: DOS partition table -> named only with a plausible entry', async (t) => {
  const disk = new MemoryDisk(SIZE)
  disk.write(510, Uint8Array.of(0x55, 0xaa))
  t.equal(detect(disk), undefined)
  disk.write(446, Uint8Array.of(0x80, 1, 1, 0, 0x83, 1, 1, 1, 63, 0, 0, 0, 100, 0, 0, 0))
  t.equal(detect(disk), 'partition table (dos)')
  disk.write(446, Uint8Array.of(0x33))
  t.equal(detect(disk), undefined)
})

t.test('detect: images by mke2fs -> ext2, ext3, ext4', { skip: missing('mke2fs') }, async (t) => {
  const { name: directory, removeCallback } = tmp.dirSync({ unsafeCleanup: true })
  t.teardown(removeCallback)
  const image = join(directory, 'image')
  for (const type of ['ext2', 'ext3', 'ext4']) {
    spawnSync('truncate', ['-s', '4M', image])
    spawnSync('mke2fs', ['-q', '-F', '-t', type, image])
    t.equal(detect(MemoryDisk.load(image, 4 << 20)), type)
  }
})

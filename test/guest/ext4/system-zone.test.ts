import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import tmp from 'tmp'
import { GroupDesc } from '../../../src/guest/ext4/group-descriptor.js'
import { hasSuper } from '../../../src/guest/ext4/group-layout.js'
import { SystemZone } from '../../../src/guest/ext4/system-zone.js'
import { debugfs, mkfsExt4 } from './image.js'
import { FEATURE_SETS, openVolume } from './journaled-volume.js'

tmp.setGracefulCleanup()

function dumpe2fs(image: Uint8Array): string {
  const path = join(tmp.dirSync({ unsafeCleanup: true }).name, 'image')
  writeFileSync(path, image)
  return execFileSync('dumpe2fs', [path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** The blocks that dumpe2fs names as metadata of the groups. */
function metadataBlocks(dump: string): number[] {
  const blocks = new Set<number>()
  const places =
    /(?:superblock at|Group descriptors? at|Reserved GDT blocks at|(?:Block|Inode) bitmap at|Inode table at) (\d+)(?:-(\d+))?/g
  for (const [, from, to] of dump.matchAll(places)) {
    for (let block = Number(from); block <= Number(to ?? from); block++) blocks.add(block)
  }
  return [...blocks].sort((a, b) => a - b)
}

/** The blocks that debugfs says the journal has. */
function journalBlocks(image: Uint8Array): number[] {
  return debugfs(image, 'blocks <8>').trim().split(/\s+/).map(Number)
}

for (const [name, args] of Object.entries(FEATURE_SETS)) {
  t.test(`system zone: ${name} -> what dumpe2fs says`, (t) => {
    const image = mkfsExt4(24 << 20, args)
    const dump = dumpe2fs(image)
    const { volume } = openVolume(image)
    const zone = new SystemZone(volume)
    const found: number[] = []
    zone.forEach(0, volume.blocksCount, (start, end) => {
      for (let block = start; block < end; block++) found.push(block)
    })
    const expected = [...metadataBlocks(dump), ...journalBlocks(image)].sort((a, b) => a - b)
    t.strictSame(found, expected)
    const free = found.find((block) => !found.includes(block + 1))! + 1
    t.equal(zone.overlaps(free, 1), false)
    t.equal(zone.overlaps(free - 1, 1), true)
    t.equal(zone.overlaps(free, volume.blocksCount), true)
    const copies = Array.from(dump.matchAll(/(?:Primary|Backup) superblock at (\d+)/g), ([, at]) =>
      Number(at),
    )
    const groups = Array.from({ length: volume.groupCount }, (_, group) => group)
    t.strictSame(
      groups.filter((group) => hasSuper(volume, group)).map((group) => volume.firstBlockOfGroup(group)),
      copies,
    )
    t.end()
  })
}

t.test('system zone: a bitmap within an inode table -> CorruptError', (t) => {
  const image = mkfsExt4(16 << 20, ['-b', '1024', '-O', '^metadata_csum'])
  const { volume } = openVolume(image)
  const view = new DataView(image.buffer)
  const at = volume.groups.blockOf(1) * 1024 + volume.groups.offsetOf(1)
  GroupDesc.bg_inode_bitmap_lo.set(view, at, volume.groups.inodeTable(0) + 3)
  t.throws(() => new SystemZone(openVolume(image).volume), {
    code: 'EUCLEAN',
    corruption: { field: 'bg_inode_bitmap' },
  })
  t.end()
})

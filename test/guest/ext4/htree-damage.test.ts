import fc from 'fast-check'
import t from 'tap'
import { FsError } from '../../../lib/errno.js'
import { dirBlock, dirBlocks } from '../../../src/guest/ext4/dir-block.js'
import { addEntry, findEntry, isEmptyDirectory, removeEntry } from '../../../src/guest/ext4/directory.js'
import { COMPAT } from '../../../src/guest/ext4/features.js'
import { isIndexed } from '../../../src/guest/ext4/htree.js'
import { DxCountLimit, DxEntry } from '../../../src/guest/ext4/htree-node.js'
import type { Inode } from '../../../src/guest/ext4/inode.js'
import { lookup } from '../../../src/guest/ext4/namei.js'
import { INDEX_FL } from '../../../src/guest/ext4/raw-inode.js'
import { readdir } from '../../../src/guest/ext4/readdir.js'
import { SuperBlock } from '../../../src/guest/ext4/superblock.js'
import type { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { inHandle, type JournaledVolume, openVolume } from './journaled-volume.js'
import { bytesOf, MountedNames, textOf } from './mounted-names.js'

/** SEED=n repeats a run that fast-check reported. */
const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }
const COUNT = 300
const nameOf = (index: number): string => `name-${index}`.padEnd(20 + (index % 40), 'n')

/** An image without checksums with a directory `d` of links to one file. */
async function makeImage(): Promise<Uint8Array> {
  const mounted = await MountedNames.on(
    mkfsExt4(4 << 20, ['-b', '1024', '-J', 'size=1', '-O', '^metadata_csum']),
  )
  const dir = await mounted.mkdir(mounted.root, 'd')
  const file = await mounted.mknod(dir, nameOf(0))
  for (let index = 1; index < COUNT; index++) await mounted.link(file, dir, nameOf(index))
  return mounted.unmount()
}

const image = await makeImage()

function open(from: Uint8Array): JournaledVolume & { dir: Inode } {
  const opened = openVolume(from)
  const { inodeCache } = opened.volume
  return { ...opened, dir: inodeCache.get(lookup(opened.volume, inodeCache.get(2), bytesOf('d')) ?? 0) }
}

/** All names, by calls of 20; throws when the cookies do not go on. */
function walk({ volume, dir }: { volume: JournaledVolume['volume']; dir: Inode }): string[] {
  const names: string[] = []
  for (let cookie = 0n; ; ) {
    const before = cookie
    let taken = 0
    readdir(volume, dir, cookie, (name, _ino, _type, next) => {
      if (taken === 20) return false
      taken++
      names.push(textOf(name))
      cookie = next
      return true
    })
    if (taken === 0) return names
    if (cookie <= before) throw new Error(`cookie ${cookie} behind ${before}`)
  }
}

/** What is thrown that is no FsError. */
function unexpected(operation: () => unknown): unknown {
  try {
    operation()
  } catch (error) {
    if (!(error instanceof FsError)) return error
  }
  return undefined
}

const where = { block: fc.nat(30), offset: fc.nat(1023) }
const damage = fc.array(
  fc.record({ ...where, value: fc.oneof(fc.constantFrom(0, 1, 8, 0xff), fc.nat(255)) }),
  {
    minLength: 1,
    maxLength: 6,
  },
)

t.test('damaged directory: any bytes -> an FsError or an end, never anything else', async (t) => {
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(damage, (changes) => {
        const opened = open(image)
        const { dir, disk, journal } = opened
        for (const { block, offset, value } of changes) {
          disk.bytes[dirBlock(dir, block % dirBlocks(dir)).block * 1024 + offset] = value
        }
        const file = { ino: 13, type: 1 }
        const operations = [
          () => walk(opened),
          () => isEmptyDirectory(dir),
          ...Array.from({ length: 30 }, (_, index) => () => findEntry(dir, bytesOf(nameOf(index * 10)))),
          ...Array.from({ length: 30 }, (_, index) => () => {
            const place = findEntry(dir, bytesOf(nameOf(index * 10 + 1)))
            if (place !== undefined) inHandle(journal, (handle) => removeEntry(handle, dir, place))
          }),
          ...Array.from({ length: 60 }, (_, index) => () => {
            inHandle(journal, (handle) =>
              addEntry(handle, dir, { ...file, name: bytesOf(`new-${index}`.padEnd(99, 'w')) }),
            )
          }),
        ]
        for (const operation of operations) {
          const error = unexpected(operation)
          if (error !== undefined) throw error
        }
      }),
      { numRuns: 100, ...seed },
    ),
  )
  t.equal(report, undefined, report ?? 'no counterexample')
})

/** Lets all entries of the root name the first leaf. */
function loopLeaves(disk: RamDisk, dir: Inode): void {
  const { view, at } = disk.directAccess(dirBlock(dir, 0).block * 1024)
  const first = DxEntry.block.get(view, at + 0x20)
  for (let index = 0; index < DxCountLimit.count.get(view, at + 0x20); index++)
    DxEntry.block.set(view, at + 0x20 + index * 8, first)
}

t.test('htree whose entries all name one leaf: readdir -> ends, no name twice', async (t) => {
  const opened = open(image)
  loopLeaves(opened.disk, opened.dir)
  const names = walk(opened)
  t.ok(names.length < COUNT)
  t.equal(new Set(names).size, names.length)
})

t.test('index left by a file system that had dir_index: linear now -> e2fsck agrees', async (t) => {
  const { disk } = openVolume(image)
  const { view } = disk.directAccess(0)
  SuperBlock.s_feature_compat.set(view, 1024, SuperBlock.s_feature_compat.get(view, 1024) & ~COMPAT.dir_index)
  const opened = open(disk.bytes)
  const { dir, journal } = opened
  t.notOk(isIndexed(dir))
  t.equal(new Set(walk(opened)).size, COUNT + 2)
  const ino = lookup(opened.volume, dir, bytesOf(nameOf(0))) ?? 0
  inHandle(journal, (handle) => {
    for (let index = 0; index < 50; index++)
      addEntry(handle, dir, { ino, type: 1, name: bytesOf(`new-${index}`) })
    const file = opened.volume.inodeCache.get(ino)
    file.modify(handle)
    file.linksCount += 50
  })
  t.equal(dir.flags & INDEX_FL, 0)
  t.equal(new Set(walk(opened)).size, COUNT + 52)
  await journal.close()
  const judged = e2fsck(opened.disk.bytes)
  t.equal(judged.status, 0, judged.output)
})

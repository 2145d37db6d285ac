import t from 'tap'
import { superblockChecksum } from '../../../src/guest/ext4/checksum.js'
import { dirBlock } from '../../../src/guest/ext4/dir-block.js'
import { findEntry } from '../../../src/guest/ext4/directory.js'
import { INCOMPAT } from '../../../src/guest/ext4/features.js'
import { isIndexed } from '../../../src/guest/ext4/htree.js'
import { DxCountLimit, DxEntry, DxNode, DxRoot } from '../../../src/guest/ext4/htree-node.js'
import type { Inode } from '../../../src/guest/ext4/inode.js'
import { lookup } from '../../../src/guest/ext4/namei.js'
import { SuperBlock } from '../../../src/guest/ext4/superblock.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { openVolume } from './journaled-volume.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, codeOf, MountedNames } from './mounted-names.js'

const NO_KERNEL = noKernelMount()
const KERNEL = NO_KERNEL === undefined ? {} : { skip: NO_KERNEL }
const SMALL_BLOCKS = ['-b', '1024', '-J', 'size=4']

/** An image with a directory `d` of `count` links to one file; `nameOf` names them. */
async function grow(
  image: Uint8Array,
  count: number,
  nameOf: (index: number) => string,
): Promise<Uint8Array> {
  const mounted = await MountedNames.on(image)
  const dir = await mounted.mkdir(mounted.root, 'd')
  const file = await mounted.mknod(dir, nameOf(0))
  for (let index = 1; index < count; index++) await mounted.link(file, dir, nameOf(index))
  return mounted.unmount()
}

function openDirectory(image: Uint8Array, name: string): Inode {
  const { volume } = openVolume(image)
  return volume.inodeCache.get(lookup(volume, volume.inodeCache.get(2), bytesOf(name)) ?? 0)
}

const missing = (dir: Inode, count: number, nameOf: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => nameOf(index)).filter(
    (name) => findEntry(dir, bytesOf(name)) === undefined,
  )

const features: [string, string[]][] = [
  ['4k blocks', ['-b', '4096', '-J', 'size=4']],
  ['1k blocks', SMALL_BLOCKS],
  ['^metadata_csum', [...SMALL_BLOCKS, '-O', '^metadata_csum']],
  ['large_dir', [...SMALL_BLOCKS, '-O', 'large_dir']],
]
const COUNT = 2500
const longName = (index: number): string => `a-name-of-some-length-${index}-${'z'.repeat(index % 60)}`

for (const [what, options] of features) {
  t.test(`htree, ${what}: ${COUNT} names -> e2fsck, debugfs and the kernel find them`, async (t) => {
    const image = await grow(mkfsExt4(12 << 20, options), COUNT, longName)
    const judged = e2fsck(image)
    t.equal(judged.status, 0, judged.output)
    t.match(debugfs(image, 'htree /d'), /Root node dump:[\s\S]*Number of entries \(count\)/)
    const dir = openDirectory(image, 'd')
    t.ok(isIndexed(dir))
    t.equal(DxNode.root(dir).indirectLevels, what === '4k blocks' ? 0 : 1)
    t.same(missing(dir, COUNT, longName), [])
    t.equal(findEntry(dir, bytesOf('not there')), undefined)
    if (NO_KERNEL !== undefined) return t.comment(`the kernel is not asked: ${NO_KERNEL}`)
    const listed = onKernel(image, 'ls -1 d | sort; for f in d/*-59-*; do stat -c %h "$f"; done')
    const lines = listed.output.trim().split('\n')
    t.same(
      new Set(lines.slice(0, COUNT)),
      new Set(Array.from({ length: COUNT }, (_, index) => longName(index))),
    )
    t.same(lines.slice(COUNT), [`${COUNT}`])
  })
}

t.test(
  'htree: made by the kernel -> all names found, and the kernel takes what we add',
  KERNEL,
  async (t) => {
    const script = "mkdir d; cd d; seq -f 'name-%.0f' 1 4999 | xargs touch"
    for (const options of [SMALL_BLOCKS, ['-b', '4096']]) {
      const made = onKernel(mkfsExt4(16 << 20, [...options, '-N', '8192']), script).image
      const dir = openDirectory(made, 'd')
      t.ok(isIndexed(dir))
      t.same(
        missing(dir, 4999, (index) => `name-${index + 1}`),
        [],
      )
      const mounted = await MountedNames.on(made)
      const d = mounted.lookup(mounted.root, 'd') ?? 0
      const file = mounted.lookup(d, 'name-1') ?? 0
      for (let index = 0; index < 3000; index++) await mounted.link(file, d, `added-${index}`)
      for (let index = 2; index < 3000; index += 2) await mounted.unlink(d, `name-${index}`)
      const image = await mounted.unmount()
      const judged = e2fsck(image)
      t.equal(judged.status, 0, judged.output)
      t.equal(onKernel(image, 'ls -f d | wc -l').output.trim(), `${4999 + 3000 - 1499 + 2}`)
    }
  },
)

for (const [algorithm, unsigned] of [
  ['tea', false],
  ['half_md4', true],
  ['legacy', true],
] as const) {
  t.test(
    `htree: hash ${algorithm}, ${unsigned ? 'unsigned' : 'signed'} -> as e2fsck computes it`,
    async (t) => {
      const made = mkfsExt4(16 << 20, SMALL_BLOCKS)
      const disk = openVolume(made).disk
      const { view } = disk.directAccess(0)
      SuperBlock.s_def_hash_version.set(view, 1024, { legacy: 0, half_md4: 1, tea: 2 }[algorithm])
      SuperBlock.s_flags.set(view, 1024, unsigned ? 2 : 1)
      view.setUint32(1024 + SuperBlock.s_checksum.offset, superblockChecksum(disk.bytes, 1024), true)
      const nameOf = (index: number): string => `\xfc\xff${index}\x80`.padEnd(30, '\xe4')
      const image = await grow(disk.bytes, 500, nameOf)
      const judged = e2fsck(image)
      t.equal(judged.status, 0, judged.output)
      t.same(missing(openDirectory(image, 'd'), 500, nameOf), [])
    },
  )
}

t.test('htree: more names of one hash than a leaf holds -> the leaves continue each other', async (t) => {
  const ends =
    'bdyqiX1 cdlxtPl dkarrSe jnukox[ jqjypar ktzgsGH miwedRd orpruYn qwbxo1h smkcujI tcxjusq wbyhfAn wollvBc wvmpslG wxcvoEs yhbdzEN'.split(
      ' ',
    )
  const names = ends.map((end) => 'x'.repeat(220) + end)
  const made = openVolume(mkfsExt4(16 << 20, SMALL_BLOCKS)).disk
  SuperBlock.s_def_hash_version.set(made.directAccess(0).view, 1024, 0)
  made
    .directAccess(0)
    .view.setUint32(1024 + SuperBlock.s_checksum.offset, superblockChecksum(made.bytes, 1024), true)
  const nameOf = (index: number): string => (index % 2 === 0 ? (names[index / 2] ?? '') : `other-${index}`)
  const image = await grow(made.bytes, 32, nameOf)
  const judged = e2fsck(image)
  t.equal(judged.status, 0, judged.output)
  t.same(missing(openDirectory(image, 'd'), 32, nameOf), [])
  const mounted = await MountedNames.on(image)
  const dir = mounted.lookup(mounted.root, 'd') ?? 0
  for (const limit of [1, 3, 50]) {
    t.same(
      new Set(mounted.list(dir, limit).map(({ name }) => name)),
      new Set(['.', '..', ...Array.from({ length: 32 }, (_, index) => nameOf(index))]),
    )
    t.equal(mounted.list(dir, limit).length, 34)
  }
})

t.test('htree: full at two levels -> ENOSPC and nothing changed; large_dir goes on', async (t) => {
  const nameOf = (index: number): string => `${index}`.padEnd(250, 'n')
  const image = mkfsExt4(40 << 20, SMALL_BLOCKS)
  const limited = await MountedNames.on(image)
  const count = await fill(limited, nameOf)
  const dir = limited.lookup(limited.root, 'd') ?? 0
  t.equal(limited.lookup(dir, nameOf(count)), undefined)
  t.equal(limited.list(dir, 1000).length, count + 2)
  const full = await limited.unmount()
  const judged = e2fsck(full)
  t.equal(judged.status, 0, judged.output)
  t.equal(DxNode.root(openDirectory(full, 'd')).indirectLevels, 1)

  const disk = openVolume(full).disk
  const { view } = disk.directAccess(0)
  SuperBlock.s_feature_incompat.set(
    view,
    1024,
    SuperBlock.s_feature_incompat.get(view, 1024) | INCOMPAT.large_dir,
  )
  view.setUint32(1024 + SuperBlock.s_checksum.offset, superblockChecksum(disk.bytes, 1024), true)
  const large = await MountedNames.on(disk.bytes)
  const file = large.lookup(dir, nameOf(0)) ?? 0
  for (let index = count; index < count + 500; index++) await large.link(file, dir, nameOf(index))
  const larger = await large.unmount()
  const again = e2fsck(larger)
  t.equal(again.status, 0, again.output)
  t.equal(DxNode.root(openDirectory(larger, 'd')).indirectLevels, 2)
  t.same(missing(openDirectory(larger, 'd'), count + 500, nameOf), [])
})

/** Adds names to a new directory `d` until ENOSPC. Returns how many. */
async function fill(mounted: MountedNames, nameOf: (index: number) => string): Promise<number> {
  const dir = await mounted.mkdir(mounted.root, 'd')
  const file = await mounted.mknod(dir, nameOf(0))
  for (let index = 1; index < 60000; index++) {
    const code = await codeOf(mounted.link(file, dir, nameOf(index)))
    if (code === 'ENOSPC') return index
    if (code !== undefined) throw new Error(code)
  }
  throw new Error('the directory is never full')
}

const damages: [string, (view: DataView, at: number) => void, RegExp][] = [
  ['hash version 3', (view, at) => DxRoot.hash_version.set(view, at, 3), /hash_version is 3/],
  ['info length 4', (view, at) => DxRoot.info_length.set(view, at, 4), /info_length is 4/],
  ['unused flag', (view, at) => DxRoot.unused_flags.set(view, at, 1), /unused_flags is 1/],
  [
    '3 levels without large_dir',
    (view, at) => DxRoot.indirect_levels.set(view, at, 2),
    /indirect_levels is 2/,
  ],
  [
    'limit too large',
    (view, at) => DxCountLimit.limit.set(view, at + 0x20, 125),
    /limit is 125, expected 124/,
  ],
  ['count 0', (view, at) => DxCountLimit.count.set(view, at + 0x20, 0), /count is 0/],
  ['count above limit', (view, at) => DxCountLimit.count.set(view, at + 0x20, 125), /count is 125/],
  ['hashes that descend', (view, at) => DxEntry.hash.set(view, at + 0x28, 0xfffffff0), /hash of entry 2 is/],
  ['block 0 as leaf', (view, at) => allBlocks(view, at, 0), /block of entry \d+ is 0/],
  ['block past the directory', (view, at) => allBlocks(view, at, 0xffffff), /block of entry \d+ is 16777215/],
]

function allBlocks(view: DataView, at: number, block: number): void {
  const count = DxCountLimit.count.get(view, at + 0x20)
  for (let index = 0; index < count; index++) DxEntry.block.set(view, at + 0x20 + index * 8, block)
}

t.test('htree: damaged root -> CorruptError that names the field', async (t) => {
  const image = await grow(mkfsExt4(16 << 20, [...SMALL_BLOCKS, '-O', '^metadata_csum']), 500, longName)
  for (const [what, damage, message] of damages) {
    const dir = openDirectory(image, 'd')
    const { view, at } = dir.volume.device.directAccess(dirBlock(dir, 0).block * 1024)
    damage(view, at)
    t.throws(() => findEntry(dir, bytesOf('x')), { code: 'EUCLEAN', message }, what)
  }
})

t.test('htree: a flipped bit under a checksum -> EBADMSG', async (t) => {
  const image = await grow(mkfsExt4(16 << 20, SMALL_BLOCKS), 500, longName)
  const dir = openDirectory(image, 'd')
  const { view, at } = dir.volume.device.directAccess(dirBlock(dir, 0).block * 1024)
  DxEntry.hash.set(view, at + 0x28, DxEntry.hash.get(view, at + 0x28) ^ 2)
  t.throws(() => findEntry(dir, bytesOf('x')), { code: 'EBADMSG', message: /dt_checksum/ })
})

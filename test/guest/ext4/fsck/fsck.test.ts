import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import tmp from 'tmp'
import { Prng } from '../../../../lib/prng.js'
import { fsck } from '../../../../src/guest/ext4/fsck/fsck.js'
import type { Problem } from '../../../../src/guest/ext4/fsck/problem.js'
import { mkfs } from '../../../../src/guest/ext4/mkfs/mkfs.js'
import { e2fsck, missing, run } from '../mkfs/e2fsprogs.js'
import { LoopMount, noLoopMount } from '../mkfs/loop-mount.js'
import { MemoryDisk } from '../mkfs/memory-disk.js'
import { debugfs, makeKernelImage } from './kernel-image.js'

const MIB = 1 << 20
const now = { sec: 1_700_000_000, nsec: 0 }
const { name: directory, removeCallback } = tmp.dirSync({ unsafeCleanup: true })
const skip = missing('e2fsck', 'debugfs', 'mkfs.ext4') || noLoopMount()
t.teardown(removeCallback)

function check(disk: MemoryDisk) {
  const problems: Problem[] = []
  const result = fsck(disk, { report: (problem) => problems.push(problem) })
  return { result, problems }
}

function checkFile(image: string) {
  return check(MemoryDisk.load(image, statSync(image).size))
}

function diskOf(bytes: Uint8Array): MemoryDisk {
  const disk = new MemoryDisk(bytes.length)
  disk.directAccess(0).bytes.set(bytes)
  return disk
}

t.test('fsck: images of our mkfs -> clean, counts as mkfs reports', async (t) => {
  for (const blockSize of [1024, 2048, 4096]) {
    for (const size of [2, 8, 64, 256]) {
      const disk = new MemoryDisk(size * MIB)
      const report = mkfs(disk, { now, blockSize })
      const { result, problems } = check(disk)
      t.same(problems, [])
      t.match(result, {
        status: 0,
        directories: 2,
        blocksUsed: report.blocksCount - report.freeBlocks,
        inodesUsed: report.inodesCount - report.freeInodes,
      })
    }
  }
})

t.test('fsck: images by mkfs.ext4, filled by the kernel -> clean, as e2fsck says', { skip }, async (t) => {
  for (const options of [
    ['-O', 'orphan_file,metadata_csum_seed'],
    ['-b', '1024', '-O', 'orphan_file,metadata_csum_seed'],
    ['-b', '2048', '-O', '^64bit,^metadata_csum,uninit_bg'],
    ['-O', '^metadata_csum,^uninit_bg', '-I', '128'],
    ['-b', '4096', '-O', '^flex_bg'],
    ['-O', '^dir_index,^has_journal'],
    ['-b', '1024', '-O', 'large_dir'],
    ['-b', '1024', '-O', 'sparse_super2,^resize_inode'],
  ]) {
    const image = makeKernelImage(directory, 'kernel.img', '48M', options)
    t.same(e2fsck(image), { status: 0, output: '' }, options.join(' '))
    const { result, problems } = checkFile(image)
    t.same(problems, [], options.join(' '))
    t.equal(result.status, 0)
    t.equal(result.directories, 158)
  }
})

/** What debugfs breaks, and the rule that we say is broken. */
const DAMAGE: readonly [string, string][] = [
  ['clri a/file', 'entry-to-unused-inode'],
  ['unlink a/b', 'unconnected'],
  ['unlink a/file', 'bad-link-count'],
  ['freeb 100', 'bad-bitmap'],
  ['setb 7000 5', 'bad-bitmap'],
  ['freei a/file', 'bad-bitmap'],
  ['set_inode_field a/file links_count 5', 'bad-link-count'],
  ['set_inode_field a/b links_count 1', 'bad-link-count'],
  ['set_inode_field data size 1000', 'bad-size'],
  ['set_inode_field a/file blocks 100', 'bad-blocks-count'],
  ['set_inode_field a/file dtime 5', 'bad-dtime'],
  ['set_inode_field a/file mode 0170644', 'bad-mode'],
  ['set_inode_field a/b mode 0100644', 'bad-entry-type'],
  ['set_inode_field fast size 3', 'bad-symlink'],
  ['set_inode_field slow size 100', 'bad-symlink'],
  ['set_inode_field pipe size 10', 'bad-device'],
  ['set_inode_field a/file flags 0', 'bad-block-number'],
  ['set_inode_field a/b flags 0x81000', 'bad-htree'],
  ['set_inode_field attributes file_acl 9999999', 'bad-block-number'],
  ['set_inode_field a/file file_acl 100', 'multiply-claimed'],
  ['set_inode_field attributes extra_isize 3', 'bad-extra-size'],
  ['set_inode_field data block[1] 0x90004', 'bad-extent-tree'],
  ['set_inode_field data block[5] 5', 'multiply-claimed'],
  ['set_inode_field <8> size 100000', 'bad-size'],
  ['set_inode_field <7> block[DIND] 0', 'bad-block-number'],
  ['ssv journal_inum 20', 'bad-journal'],
  ['set_bg 0 free_blocks_count 9', 'bad-count'],
  ['set_bg 0 used_dirs_count 9', 'bad-count'],
  ['ln <200> zz', 'bad-link-count'],
  ['ln a/b zz', 'directory-linked-twice'],
  ['feature -dir_index', 'bad-flag'],
  ['punch big 1 1', 'bad-directory'],
  ['zap_block -f big 3', 'bad-entry'],
  ['zap_block -f <8> 0', 'bad-journal'],
]

t.test(
  'fsck: damaged by debugfs -> the broken rule is named, where e2fsck complains too',
  { skip },
  async (t) => {
    const good = makeKernelImage(directory, 'good.img', '8M', ['-b', '1024', '-O', '^metadata_csum'])
    const image = join(directory, 'damaged.img')
    for (const [request, code] of DAMAGE) {
      copyFileSync(good, image)
      debugfs(image, request)
      t.not(e2fsck(image).status, 0, request)
      const { result, problems } = checkFile(image)
      t.equal(result.status, 4, request)
      t.ok(
        problems.some((problem) => problem.severity === 'error' && problem.code === code),
        `${request}: ${code}, found ${problems.map((problem) => problem.code).join(' ')}`,
      )
    }
  },
)

t.test('fsck: a bit flipped in any checksummed structure -> an error', { skip }, async (t) => {
  const image = makeKernelImage(directory, 'csum.img', '8M', [
    '-b',
    '1024',
    '-O',
    'orphan_file,metadata_csum_seed',
  ])
  const bytes = readFileSync(image)
  const blockOf = (path: string, index = 0) =>
    Number(/^\d+$/m.exec(run('debugfs', '-R', `bmap ${path} ${index}`, image).output)?.[0])
  const inodeAt = (path: string) => {
    const [, block, offset] =
      /block (\d+), offset (0x[0-9a-f]+)/.exec(run('debugfs', '-R', `imap ${path}`, image).output) ?? []
    return Number(block) * 1024 + Number(offset)
  }
  const tree = /\(ETB0\):(\d+)/.exec(run('debugfs', '-R', 'stat sparse', image).output)?.[1]
  const attributes = /File ACL: (\d+)/.exec(run('debugfs', '-R', 'stat attributes', image).output)?.[1]
  const [, blockBitmap, inodeBitmap] =
    /Block bitmap at (\d+)[\s\S]*?Inode bitmap at (\d+)/.exec(run('dumpe2fs', image).output) ?? []
  const places: [string, number][] = [
    ['superblock', 1024 + 0x30],
    ['group descriptor', 2048 + 0xc],
    ['block bitmap', Number(blockBitmap) * 1024 + 1000],
    ['inode bitmap', Number(inodeBitmap) * 1024 + 200],
    ['inode', inodeAt('data') + 0x10],
    ['extent tree', Number(tree) * 1024 + 20],
    ['linear directory', blockOf('a') * 1024 + 1000],
    ['htree root', blockOf('big') * 1024 + 0x30],
    ['htree leaf', blockOf('big', 2) * 1024 + 900],
    ['xattr block', Number(attributes) * 1024 + 600],
    ['orphan file', blockOf('<12>') * 1024 + 1023],
  ]
  for (const [name, at] of places) {
    const disk = diskOf(bytes)
    disk.directAccess(0).bytes[at]! ^= 0x10
    const { result, problems } = check(disk)
    t.equal(result.status, 4, name)
    t.ok(
      problems.some((problem) => problem.code === 'bad-checksum'),
      name,
    )
  }
})

t.test(
  'fsck: an entry of unknown type, a name without an index -> as e2fsck takes them',
  { skip },
  async (t) => {
    const image = makeKernelImage(directory, 'odd.img', '8M', ['-b', '1024', '-O', '^metadata_csum'])
    const good = readFileSync(image)
    const block = (pattern: RegExp, request: string) =>
      Number(pattern.exec(run('debugfs', '-R', request, image).output)?.[1])
    const entry = block(/^(\d+)$/m, 'bmap a 0') * 1024 + 24
    const attribute = block(/File ACL: (\d+)/, 'stat attributes') * 1024 + 32
    for (const [at, status, found] of [
      [entry + 7, 0, { severity: 'warning', code: 'bad-entry-type' }],
      [attribute + 1, 4, { severity: 'error', code: 'bad-xattr', message: 'e_name_index is 0' }],
    ] as const) {
      const bytes = Buffer.from(good)
      bytes[at] = 0
      writeFileSync(image, bytes)
      t.equal(e2fsck(image).status, status, e2fsck(image).output)
      t.match(checkFile(image), { result: { status }, problems: [found] })
    }
  },
)

t.test('fsck: bytes changed at random -> an error whenever e2fsck has one', { skip }, async (t) => {
  const seed = Number(process.env['FSCK_SEED'] ?? 20)
  t.comment(`FSCK_SEED=${seed}`)
  const random = new Prng(seed)
  const good = readFileSync(
    makeKernelImage(directory, 'flip.img', '8M', ['-b', '1024', '-O', '^metadata_csum']),
  )
  const image = join(directory, 'flipped.img')
  const written: number[] = []
  for (let block = 0; block < 700; block++) {
    if (good.subarray(block * 1024, block * 1024 + 1024).some((byte) => byte !== 0)) written.push(block)
  }
  let complaints = 0
  for (let round = 0; round < 80; round++) {
    const bytes = Buffer.from(good)
    for (let change = 0; change < 3; change++) {
      const at = written[random.below(written.length)]! * 1024 + random.below(1024)
      bytes[at] = random.below(256)
    }
    writeFileSync(image, bytes)
    if (e2fsck(image).status === 0) continue
    complaints++
    t.not(check(diskOf(bytes)).result.status, 0, `round ${round}`)
  }
  t.ok(complaints > 15, `${complaints} images that e2fsck complains about`)
})

t.test('fsck: garbage in the metadata -> it ends, throws nothing and stores nothing', async (t) => {
  const seed = Number(process.env['FSCK_SEED'] ?? 7)
  t.comment(`FSCK_SEED=${seed}`)
  const random = new Prng(seed)
  const fresh = new MemoryDisk(2 * MIB)
  mkfs(fresh, { now, blockSize: 1024, journalBlocks: 1024 })
  const good = fresh.directAccess(0).bytes
  const disk = new MemoryDisk(2 * MIB)
  const { bytes } = disk.directAccess(0)
  const statuses = new Set<number>()
  const changed: number[] = []
  for (let round = 0; round < 800; round++) {
    bytes.set(good)
    for (let change = random.below(30); change >= 0; change--) {
      const at = 1024 + random.below(200 * 1024)
      const length = random.below(8) === 0 ? random.below(1024) : 1 + random.below(4)
      for (let index = at; index < at + length; index++) bytes[index] = random.below(256)
    }
    const before = bytes.slice()
    statuses.add(check(disk).result.status)
    if (Buffer.compare(bytes, before) !== 0) changed.push(round)
  }
  // A change where nothing is in use is no error.
  t.same([...statuses].sort(), [0, 4, 8])
  t.same(changed, [])
})

t.test('fsck: what is no ext4, or not ours to judge -> status 8', async (t) => {
  t.match(check(new MemoryDisk(1024)), { result: { status: 8 }, problems: [{ code: 'not-ext4' }] })
  t.match(check(new MemoryDisk(MIB)), { result: { status: 8 }, problems: [{ code: 'not-ext4' }] })
  const disk = new MemoryDisk(2 * MIB)
  mkfs(disk, { now })
  const { view } = disk.directAccess(0)
  const incompat = view.getUint32(1024 + 0x60, true)
  view.setUint32(1024 + 0x60, incompat | 0x10000, true)
  t.match(check(disk), { result: { status: 8 }, problems: [{ code: 'unsupported', message: /encrypt/ }] })
  view.setUint32(1024 + 0x60, incompat, true)
  const compat = view.getUint32(1024 + 0x5c, true)
  view.setUint32(1024 + 0x5c, compat | (1 << 26), true)
  t.match(check(disk), {
    result: { status: 8 },
    problems: [{ code: 'unsupported', message: /compat features: FEATURE_C26/ }],
  })
  view.setUint32(1024 + 0x5c, compat, true)
  t.match(check(disk), { result: { status: 0 } })
  view.setUint32(1024 + 0x4c, 2, true)
  t.match(check(disk), { result: { status: 8 }, problems: [{ message: /s_rev_level is 2/ }] })
  view.setUint32(1024 + 0x4c, 1, true)
  view.setUint32(1024 + 0x4, 100_000, true)
  t.match(check(disk), {
    result: { status: 8 },
    problems: [{ code: 'bad-geometry', message: /s_blocks_count is 100000/ }],
  })
})

t.test(
  'fsck: copied while mounted, with files deleted but open -> explained, not errors',
  { skip },
  async (t) => {
    const dir = join(directory, 'live')
    mkdirSync(dir)
    for (const features of ['orphan_file,metadata_csum_seed', '^orphan_file']) {
      const image = makeKernelImage(directory, 'live.img', '8M', ['-b', '1024', '-O', features])
      const copy = join(directory, 'copy.img')
      const mount = new LoopMount(image, dir)
      const script = `exec 3<>new 4<data; echo x >&3; rm new data; mkdir made; sync; sync -f .; cp ${image} ${copy}`
      const { status } = spawnSync('bash', ['-c', script], { cwd: dir })
      mount.umount()
      t.equal(status, 0)
      const { result, problems } = checkFile(copy)
      t.equal(result.status, 0, features)
      t.same([...new Set(problems.map(({ severity, code }) => `${severity} ${code}`))].sort(), [
        'note orphan',
        'warning bad-count',
        'warning needs-recovery',
      ])
      t.equal(problems.filter(({ code }) => code === 'orphan').length, 2)
      t.equal(run('e2fsck', '-fy', copy).status, 1)
      t.same(checkFile(copy).problems, [])
    }
  },
)

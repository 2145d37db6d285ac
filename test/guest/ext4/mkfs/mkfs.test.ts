import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import tmp from 'tmp'
import { type MkfsOptions, mkfs } from '../../../../src/guest/ext4/mkfs/mkfs.js'
import { e2fsck, missing, run } from './e2fsprogs.js'
import { LoopMount, noLoopMount } from './loop-mount.js'
import { MemoryDisk } from './memory-disk.js'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const now = { sec: 1_700_000_000, nsec: 123_456_789 }
const skip = missing('e2fsck', 'dumpe2fs', 'mkfs.ext4')
const { name: directory, removeCallback } = tmp.dirSync({ unsafeCleanup: true })
const image = join(directory, 'ours.img')
t.teardown(removeCallback)

function make(size: number, options: Partial<MkfsOptions> = {}, garbage = 0) {
  const disk = new MemoryDisk(size)
  if (garbage !== 0) {
    const bytes = new Uint8Array(MIB).fill(garbage)
    for (let at = 0; at < size; at += MIB) disk.write(at, bytes, 0, Math.min(MIB, size - at))
  }
  const report = mkfs(disk, { now, ...options })
  disk.save(image)
  return report
}

t.test('mkfs: any size and block size -> e2fsck has nothing to say', { skip }, async (t) => {
  const sizes = [2 * MIB, 8 * MIB, 64 * MIB, 256 * MIB, GIB, 20 * GIB]
  const odd = [
    60 * KIB,
    301 * KIB,
    8193 * KIB,
    8223 * KIB,
    11193 * KIB,
    131472 * KIB,
    135168 * KIB,
    171072 * KIB,
  ]
  for (const blockSize of [4096, 2048, 1024]) {
    for (const size of [...sizes, ...odd]) {
      make(size, { blockSize, zeroed: size > GIB })
      t.same(e2fsck(image), { status: 0, output: '' }, `${size} bytes in blocks of ${blockSize}`)
    }
  }
})

t.test(
  'mkfs: the owner of the root directory -> as told, ids of more than 16 bits too',
  { skip },
  async (t) => {
    make(8 * MIB, { rootOwner: { uid: 70_001, gid: 100_002 } })
    t.same(e2fsck(image), { status: 0, output: '' })
    t.match(run('debugfs', '-R', 'stat <2>', image).output, /User: 70001 +Group: 100002 /)
    t.match(run('debugfs', '-R', 'stat lost+found', image).output, /User: +0 +Group: +0 /)
  },
)

t.test('mkfs: a device full of garbage -> clean, as everything that must be zero is', { skip }, async (t) => {
  for (const blockSize of [4096, 1024]) {
    make(48 * MIB, { blockSize, force: true }, 0x5a)
    t.same(e2fsck(image), { status: 0, output: '' })
  }
})

t.test('mkfs: same size -> the header of dumpe2fs is that of mkfs.ext4', { skip }, async (t) => {
  const header = (path: string) =>
    run('dumpe2fs', '-h', path)
      .output.split('\n')
      .filter((line) => !/UUID|Seed|seed|created|checked|time|Lifetime|^Checksum|^dumpe2fs/.test(line))
  const theirs = join(directory, 'theirs.img')
  for (const [size, blockSize] of [
    [2 * MIB, 4096],
    [8 * MIB, 4096],
    [64 * MIB, 4096],
    [64 * MIB, 1024],
    [256 * MIB, 4096],
    [600 * MIB, 4096],
    [3 * GIB, 4096],
  ] as const) {
    make(size, { blockSize, label: 'label' })
    spawnSync('truncate', ['-s', '0', theirs])
    spawnSync('truncate', ['-s', String(size), theirs])
    const features = ['-O', 'orphan_file,metadata_csum_seed']
    run('mkfs.ext4', '-q', '-F', '-L', 'label', '-b', String(blockSize), ...features, theirs)
    t.same(header(image), header(theirs), `${size} bytes in blocks of ${blockSize}`)
  }
})

t.test('mkfs: options -> found in the superblock and the report', { skip }, async (t) => {
  const uuid = Uint8Array.from({ length: 16 }, (_, index) => index + 1)
  const options = {
    label: 'größer',
    uuid,
    hashSeed: uuid,
    inodes: 5000,
    reservedPercent: 10,
    journalBlocks: 2000,
  }
  const report = make(64 * MIB, options)
  const { output } = run('dumpe2fs', '-h', image)
  t.match(output, /UUID: +01020304-0506-0708-090a-0b0c0d0e0f10\n/)
  t.match(output, /Hash Seed: +01020304-0506-0708-090a-0b0c0d0e0f10\n/)
  t.match(output, /volume name: +größer\n/)
  t.match(output, /Inode count: +5008\n/)
  t.match(output, /Reserved block count: +1638\n/)
  t.match(output, /Total journal blocks: +2000\n/)
  t.match(report, {
    inodesCount: 5008,
    reservedBlocks: 1638,
    journalBlocks: 2000,
    blocksCount: 16384,
    groupCount: 1,
  })
  t.match(output, new RegExp(`Free blocks: +${report.freeBlocks}\n`))
  t.match(output, new RegExp(`Free inodes: +${report.freeInodes}\n`))
  t.same(e2fsck(image), { status: 0, output: '' })
})

t.test('mkfs: what cannot be -> refused, naming value and limit, nothing written', async (t) => {
  const disk = new MemoryDisk(40 * KIB)
  const refusal = (options: Partial<MkfsOptions>) => () => mkfs(disk, { now, ...options })
  t.throws(refusal({}), { code: 'ENOSPC', message: /10 blocks, .* at least 11 of 4096 bytes \(44 KiB\)/ })
  t.throws(refusal({ blockSize: 512 }), { code: 'EINVAL', message: /block size 512/ })
  t.throws(refusal({ blockSize: 1024, inodes: 100_000 }), { code: 'EINVAL', message: /at most 8192/ })
  t.throws(refusal({ label: '12345678901234567' }), { code: 'EINVAL', message: /16 bytes/ })
  t.throws(refusal({ uuid: new Uint8Array(15) }), { code: 'EINVAL', message: /15 bytes/ })
  t.throws(refusal({ reservedPercent: 51 }), { code: 'EINVAL', message: /51 %/ })
  t.throws(refusal({ journalBlocks: 1023 }), { code: 'EINVAL', message: /1023/ })
  t.throws(refusal({ blockSize: 1024, journalBlocks: 1024 }), { code: 'ENOSPC', message: /KiB/ })
  t.equal(disk.storeSequence, 0)
})

t.test('mkfs: the least size it names -> is enough, one block less is not', async (t) => {
  for (const options of [{}, { journalBlocks: 1024 }, { inodes: 3000 }]) {
    const error = t.throws(() => mkfs(new MemoryDisk(20 * KIB), { now, ...options })) as Error
    const least = Number(/at least (\d+) of/.exec(error.message)?.[1])
    t.throws(() => mkfs(new MemoryDisk((least - 1) * 4096), { now, ...options }), { code: 'ENOSPC' })
    t.equal(mkfs(new MemoryDisk(least * 4096), { now, ...options }).blocksCount, least)
  }
})

t.test('mkfs: a file system is there -> kept without force, gone with it', { skip }, async (t) => {
  const disk = new MemoryDisk(2 * MIB)
  disk.write(0x10040, Buffer.from('_BHRfS_M'))
  t.throws(() => mkfs(disk, { now }), { code: 'EEXIST', message: /btrfs/ })
  mkfs(disk, { now, force: true })
  t.throws(() => mkfs(disk, { now }), { code: 'EEXIST', message: /ext4/ })
  disk.save(image)
  t.same(e2fsck(image), { status: 0, output: '' })
  t.equal(run('blkid', '-p', '-o', 'value', '-s', 'TYPE', image).output.trim(), 'ext4')
})

t.test('mkfs: same options -> the same bytes; another time -> another UUID', async (t) => {
  const [one, same, later] = [now, now, { ...now, nsec: 1 }].map((time) => {
    const disk = new MemoryDisk(MIB)
    return { report: mkfs(disk, { now: time }), bytes: disk.directAccess(0).bytes }
  })
  t.equal(Buffer.compare(one!.bytes, same!.bytes), 0)
  t.notSame(one!.report.uuid, later!.report.uuid)
})

t.test(
  'mkfs: mounted by the kernel, filled, then grown by resize2fs -> clean',
  {
    skip: skip || noLoopMount(),
  },
  async (t) => {
    make(64 * MIB)
    const dir = join(directory, 'mount')
    spawnSync('mkdir', [dir])
    const mount = new LoopMount(image, dir)
    t.teardown(() => mount.umount())
    const script = `cd ${dir} && mkdir -p a/b && cp -r /etc/ssl a && ln a/ssl/openssl.cnf one && cd a/b && touch {1..2000}`
    t.equal(spawnSync('bash', ['-c', script]).status, 0)
    mount.umount()
    t.same(e2fsck(image), { status: 0, output: '' })
    spawnSync('truncate', ['-s', '5G', image])
    t.equal(run('e2fsck', '-fy', image).status, 0)
    t.equal(run('resize2fs', image).status, 0)
    t.same(e2fsck(image), { status: 0, output: '' })
    t.match(run('dumpe2fs', '-h', image).output, /Block count: +1310720\n/)
  },
)

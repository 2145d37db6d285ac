import t from 'tap'
import type { Ext4 } from '../../../src/guest/ext4/ext4.js'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, debugfsWrite, mkfsExt4 } from './image.js'
import { faultsOf, ownFaultsOf } from './judges.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, list, mountExt4, ROOT_USER, readAll, ready, writeAll } from './mounted.js'

/** Clusters of 4 and of 16 blocks, and of 8 small ones. */
const GEOMETRIES: readonly [string, readonly string[], number][] = [
  ['4 KiB in 16 KiB', ['-b', '4096', '-O', 'bigalloc', '-C', '16384'], 16384],
  ['4 KiB in 64 KiB', ['-b', '4096', '-O', 'bigalloc', '-C', '65536'], 65536],
  ['1 KiB in 8 KiB', ['-b', '1024', '-O', 'bigalloc', '-C', '8192'], 8192],
]
const SIZE = 32 << 20
const [, OPTIONS, CLUSTER] = GEOMETRIES[0]!
const IMAGE = mkfsExt4(SIZE, OPTIONS)
const skip = noKernelMount() ?? false
const BLOCK = 4096

async function create(fs: Ext4, name: string): Promise<number> {
  return (await ready(fs)).mknod(fs.root, bytesOf(name), 0o100644, 0, ROOT_USER)
}

async function punch(fs: Ext4, ino: number, from: number, to: number): Promise<void> {
  await (await ready(fs)).fallocate(ino, 0x3, from, to - from)
}

/** Clusters that the file is said to hold. */
const clusters = (fs: Ext4, ino: number, size = CLUSTER) => (fs.getattr(ino).blocks * 512) / size

const block = (fill: number, count = 1) => new Uint8Array(count * BLOCK).fill(fill)

for (const [name, options, cluster] of GEOMETRIES) {
  t.test(`${name}: files of the kernel -> read, changed, and read by the kernel`, { skip }, async (t) => {
    const script = `
      for n in 1 2 3; do yes $n | head -c \${n}00001 > f$n; done
      mkdir d; for n in $(seq 300); do echo $n > d/a-name-of-some-length-$n; done
      setfattr -n user.long -v $(printf %0900d 7) d
      truncate -s 1000000 sparse; printf tail >> sparse
      stat -f -c '%b %f' .; stat -c '%b %n' f1 f2 f3 d sparse`
    const made = onKernel(mkfsExt4(SIZE, options), script)
    t.same(ownFaultsOf(made.image), [])
    const disk = new RamDisk(made.image)
    const fs = await mountExt4(disk)
    const { blocks, blocksFree } = fs.statfs()
    const stated = ['f1', 'f2', 'f3', 'd', 'sparse'].map((file) => {
      const ino = fs.lookup(fs.root, bytesOf(file)) as number
      return `${fs.getattr(ino).blocks} ${file}`
    })
    t.equal(
      [`${blocks} ${blocksFree}`, ...stated, ''].join('\n'),
      made.output,
      'counts as the kernel has them',
    )
    const f2 = fs.lookup(fs.root, bytesOf('f2')) as number
    t.equal(Buffer.from(readAll(fs, f2)).toString(), '2\n'.repeat(100_001).slice(0, 200_001))
    const d = fs.lookup(fs.root, bytesOf('d')) as number
    t.equal(list(fs, d).size, 300)
    await writeAll(fs, f2, 150_000, block(65, 40))
    await (await ready(fs)).setattr(fs.lookup(fs.root, bytesOf('f3')) as number, { size: 70_001 })
    const f1 = fs.lookup(fs.root, bytesOf('f1')) as number
    await punch(fs, f1, 5_000, 60_000)
    await writeAll(fs, f1, 30_000, new Uint8Array(2_000).fill(66))
    for (let n = 0; n < 200; n++) (await ready(fs)).unlink(d, bytesOf(`a-name-of-some-length-${n + 1}`))
    for (let n = 0; n < 100; n++)
      (await ready(fs)).mknod(d, bytesOf(`ours-${n}-${'x'.repeat(100)}`), 0o100644, 0, ROOT_USER)
    const wanted = Buffer.from(readAll(fs, f2)).toString('latin1')
    const punched = Buffer.from(readAll(fs, f1)).toString('latin1')
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
    const seen = onKernel(disk.bytes, 'cat f2 f1; wc -c < f3; ls d | wc -l; rm -r f1 f3 d; echo more >> f2')
    t.ok(seen.output === `${wanted}${punched}70001\n200\n`, 'content as the kernel reads it')
    t.same(faultsOf(seen.image), [])
    t.ok(disk.size % cluster === 0)
  })
}

t.test(
  'two blocks of one cluster, written apart -> one cluster, the blocks at their places in it',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const { blocksFree } = fs.statfs()
    const ino = await create(fs, 'f')
    await writeAll(fs, ino, 6 * BLOCK, block(6))
    t.equal(clusters(fs, ino), 1)
    await writeAll(fs, ino, 4 * BLOCK, block(4))
    await writeAll(fs, ino, 7 * BLOCK, block(7))
    t.equal(clusters(fs, ino), 1)
    t.equal(fs.statfs().blocksFree, blocksFree - 4, 'one cluster less')
    await writeAll(fs, ino, 2 * BLOCK, block(2, 4))
    t.equal(clusters(fs, ino), 2, 'the first half in a new cluster, the rest in the one at hand')
    await fs.unmount()
    const extents = debugfs(disk.bytes, 'dump_extents f')
    t.same(faultsOf(disk.bytes), [], extents)
    const again = await mountExt4(disk)
    const found = again.lookup(again.root, bytesOf('f')) as number
    const bytes = readAll(again, found)
    const fills = Array.from({ length: 8 }, (_, n) => bytes[n * BLOCK + 100])
    t.same(fills, [0, 0, 2, 2, 2, 2, 6, 7])
    await again.unmount()
  },
)

t.test('blocks punched out of a cluster -> it is freed with the last of them', async (t) => {
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk)
  const { blocksFree } = fs.statfs()
  const ino = await create(fs, 'f')
  await writeAll(fs, ino, 0, block(1, 12))
  t.equal(clusters(fs, ino), 3)
  await punch(fs, ino, 2 * BLOCK, 6 * BLOCK)
  t.equal(clusters(fs, ino), 3, 'each still has two blocks')
  await punch(fs, ino, 6 * BLOCK, 8 * BLOCK)
  t.equal(clusters(fs, ino), 2, 'the middle one is gone')
  await writeAll(fs, ino, 3 * BLOCK, block(3))
  t.equal(clusters(fs, ino), 2, 'the first one had room')
  await (await ready(fs)).setattr(ino, { size: 9 * BLOCK + 1 })
  t.equal(clusters(fs, ino), 2)
  await (await ready(fs)).setattr(ino, { size: BLOCK })
  t.equal(clusters(fs, ino), 1)
  t.equal(fs.statfs().blocksFree, blocksFree - 4)
  await fs.unmount()
  t.same(faultsOf(disk.bytes), [])
  const again = await mountExt4(disk)
  ;(await ready(again)).unlink(again.root, bytesOf('f'))
  t.equal(again.statfs().blocksFree, blocksFree)
  await again.unmount()
  t.same(faultsOf(disk.bytes), [])
})

t.test(
  'unwritten blocks, an extent tree of several nodes, attribute blocks -> sound, and all comes back',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const { blocksFree } = fs.statfs()
    const ino = await create(fs, 'f')
    await (await ready(fs)).fallocate(ino, 0x1, 3 * BLOCK, 30 * BLOCK)
    t.equal(clusters(fs, ino), 9)
    for (let n = 0; n < 600; n++) await writeAll(fs, ino, (n * 3 + 1) * BLOCK, block(1 + (n % 255)))
    ;(await ready(fs)).setxattr(ino, bytesOf('user.large'), new Uint8Array(2000).fill(1), 0)
    await fs.fsync(ino, false)
    t.same(
      faultsOf(disk.bytes).filter((fault) => fault.startsWith('error')),
      [],
    )
    const bytes = readAll(fs, ino)
    for (let n = 0; n < 600; n += 7) t.equal(bytes[(n * 3 + 1) * BLOCK + 9], 1 + (n % 255))
    for (let n = 599; n >= 0; n -= 2) await punch(fs, ino, n * 3 * BLOCK, (n * 3 + 3) * BLOCK)
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
    const again = await mountExt4(disk)
    ;(await ready(again)).unlink(again.root, bytesOf('f'))
    t.equal(again.statfs().blocksFree, blocksFree)
    await again.unmount()
    t.same(faultsOf(disk.bytes), [])
  },
)

t.test('collapsed and inserted ranges -> of whole clusters, as with the kernel', { skip }, async (t) => {
  const fill = 'for n in $(seq 40); do yes $n | head -c 4096; done > f'
  const refused = 'fallocate -c -o 4096 -l 16384 f || fallocate -i -o 16384 -l 4096 f || echo refused'
  const shifted = 'fallocate -c -o 16384 -l 32768 f; fallocate -i -o 32768 -l 16384 f; cat f'
  const kernels = onKernel(IMAGE, `${fill}; ${refused} 2> /dev/null; ${shifted}`).output
  const disk = new RamDisk(onKernel(IMAGE, fill).image)
  const fs = await mountExt4(disk)
  const ino = fs.lookup(fs.root, bytesOf('f')) as number
  await ready(fs)
  t.throws(() => fs.fallocate(ino, 0x8, BLOCK, CLUSTER), { code: 'EINVAL' })
  t.throws(() => fs.fallocate(ino, 0x20, CLUSTER, BLOCK), { code: 'EINVAL' })
  await (await ready(fs)).fallocate(ino, 0x8, CLUSTER, 2 * CLUSTER)
  await (await ready(fs)).fallocate(ino, 0x20, 2 * CLUSTER, CLUSTER)
  t.ok(kernels === `refused\n${Buffer.from(readAll(fs, ino)).toString('latin1')}`)
  await fs.unmount()
  t.same(faultsOf(disk.bytes), [])
})

t.test('a full disk -> ENOSPC, every cluster is used; the reserve is counted in blocks', async (t) => {
  const disk = new RamDisk(mkfsExt4(16 << 20, [...OPTIONS, '-m', '10', '-J', 'size=4']))
  const fs = await mountExt4(disk)
  const { blocksFree, blocksAvailable } = fs.statfs()
  t.ok(blocksAvailable < blocksFree)
  fs.setCaller(1000, 1000)
  const ino = await create(fs, 'f')
  await t.rejects(writeAll(fs, ino, 0, block(1, 5000)), { code: 'ENOSPC' })
  t.ok(fs.statfs().blocksAvailable < 4)
  fs.setCaller(0, 0)
  await t.rejects(writeAll(fs, ino, fs.getattr(ino).size, block(1, 5000)), { code: 'ENOSPC' })
  t.equal(fs.statfs().blocksFree, 0)
  await (await ready(fs)).setattr(ino, { size: 0 })
  t.equal(fs.statfs().blocksFree, blocksFree)
  await fs.unmount()
  t.same(faultsOf(disk.bytes), [])
})

t.test(
  'own fsck: a cluster too many in i_blocks, a block elsewhere in its cluster, a wrong bit -> told',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const ino = await create(fs, 'f')
    await writeAll(fs, ino, 0, block(1, 3))
    await fs.unmount()
    const damaged = (requests: string): string[] => ownFaultsOf(debugfsWrite(disk.bytes, requests))
    t.match(damaged('sif f blocks 64').join(), /i_blocks is 64, expected 32/)
    t.match(damaged('sif f block[5] 5001').join(), /stands elsewhere in its cluster/)
    t.match(damaged('freeb 8').join(), /differences|bg_free_blocks_count/)
  },
)

import t from 'tap'
import type { Ext4 } from '../../../src/guest/ext4/ext4.js'
import type { FiemapExtent } from '../../../src/guest/vfs/fiemap.js'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, debugfsWrite, mkfsExt4 } from './image.js'
import { faultsOf, ownFaultsOf } from './judges.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, list, mountExt4, ROOT_USER, readAll, ready, writeAll } from './mounted.js'

const SIZE = 12 << 20
const IMAGE = mkfsExt4(SIZE, ['-b', '4096', '-O', 'inline_data'])
const skip = noKernelMount() ?? false
/** What an inode of 256 bytes holds beside no attributes: 60, and 96 but for two headers, a name and an end. */
const ROOM = 60 + 96 - 4 - 16 - 4 - 4

async function create(fs: Ext4, name: string, dir = fs.root): Promise<number> {
  return (await ready(fs)).mknod(dir, bytesOf(name), 0o100644, 0, ROOT_USER)
}

async function mkdir(fs: Ext4, name: string, dir = fs.root): Promise<number> {
  return (await ready(fs)).mkdir(dir, bytesOf(name), 0o755, ROOT_USER)
}

const find = (fs: Ext4, name: string, dir = fs.root) => fs.lookup(dir, bytesOf(name)) as number
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const letters = (length: number, from = 0) =>
  Uint8Array.from({ length }, (_, index) => 97 + ((index + from) % 26))
const flagsOf = (image: Uint8Array, name: string) =>
  /Flags: (0x\w+)/.exec(debugfs(image, `stat ${name}`))?.[1]
const INLINE = '0x10000000'
const EXTENTS = '0x80000'

for (const [name, options] of [
  ['inodes of 256 bytes', ['-b', '4096', '-O', 'inline_data']],
  ['inodes of 1 KiB, no checksums', ['-b', '1024', '-I', '1024', '-O', 'inline_data,^metadata_csum']],
] as const) {
  t.test(`${name}: of the kernel -> read, changed, and read by the kernel`, { skip }, async (t) => {
    const script = `
      for n in 1 59 60 61 100 128 129 200 600 900 5000; do yes abcdefg | head -c $n > f$n; done
      mkdir d1 d2 d3; touch d1/x; for n in 1 2 3 4 5; do touch d2/name-$n; done
      for n in $(seq 80); do touch d3/name-$n; done
      mkdir d1/sub; ln -s $(printf %030d 1) s30; ln -s $(printf %0100d 1) s100
      printf 0123456789 > over; setfattr -n user.a -v b over`
    const made = onKernel(mkfsExt4(SIZE, options), script).image
    t.same(ownFaultsOf(made), [])
    const disk = new RamDisk(made)
    const fs = await mountExt4(disk)
    for (const n of [1, 59, 60, 61, 100, 128, 129, 200, 600, 900, 5000]) {
      const wanted = 'abcdefg\n'.repeat(n).slice(0, n)
      t.equal(text(readAll(fs, find(fs, `f${n}`))), wanted, `file of ${n}`)
    }
    const [d1, d2, d3] = ['d1', 'd2', 'd3'].map((dir) => find(fs, dir)) as [number, number, number]
    t.same([list(fs, d1).size, list(fs, d2).size, list(fs, d3).size], [2, 5, 80])
    t.equal(find(fs, '..', d1), fs.root)
    t.equal(find(fs, '.', d1), d1)
    t.equal(text(fs.readlink(find(fs, 's100'))), `${'0'.repeat(99)}1`)
    await writeAll(fs, find(fs, 'over'), 3, bytesOf('xyz'))
    await writeAll(fs, find(fs, 'f60'), 60, letters(10))
    await writeAll(fs, find(fs, 'f61'), 61, letters(3000))
    await (await ready(fs)).setattr(find(fs, 'f100'), { size: 7 })
    ;(await ready(fs)).symlink(fs.root, bytesOf('s90'), letters(90), ROOT_USER)
    for (let n = 1; n <= 3; n++) (await ready(fs)).unlink(d2, bytesOf(`name-${n}`))
    await create(fs, 'ours', d2)
    const own = await mkdir(fs, 'own')
    for (let n = 0; n < 3; n++) await create(fs, `o${n}`, own)
    const many = await mkdir(fs, 'many')
    for (let n = 0; n < 60; n++) await create(fs, `o${n}`, many)
    ;(await ready(fs)).rename(d1, bytesOf('sub'), own, bytesOf('moved'), 0)
    const blocks = ['over', 'd2', 's90'].map((file) => `${fs.getattr(find(fs, file)).blocks}\n`).join('')
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
    const look = `cat over f60 f100; wc -c < f61; readlink s90; ls d2 own d1 | tr '\\n' ' '; ls many | wc -l
      stat -c %h own; stat -c %b over d2 s90; cat own/moved/../o0; echo 1 > d2/more; echo 22 >> over; rmdir own/moved; rm -r many`
    const seen = onKernel(disk.bytes, look)
    const f60 = 'abcdefg\n'.repeat(10).slice(0, 60)
    const wanted = `012xyz6789${f60}abcdefghijabcdefg3061\n${text(letters(90))}\nd1: x  d2: name-4 name-5 ours  own: moved o0 o1 o2 60\n3\n${blocks}`
    t.equal(seen.output, wanted)
    t.same(faultsOf(seen.image), [])
  })
}

t.test(
  'a file grows, byte by byte of size -> in the inode as long as there is room, then in a block',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const { blocksFree } = fs.statfs()
    for (const size of [1, 60, 61, ROOM, ROOM + 1]) {
      const ino = await create(fs, `f${size}`)
      await writeAll(fs, ino, 0, letters(size))
      t.equal(text(readAll(fs, ino)), text(letters(size)))
      // One sector for what stands in the inode: else tar would take the file for a hole.
      t.equal(fs.getattr(ino).blocks, size > ROOM ? 8 : 1, `${size} bytes`)
    }
    const ino = find(fs, `f${ROOM}`)
    await writeAll(fs, ino, ROOM, letters(1, ROOM))
    t.equal(text(readAll(fs, ino)), text(letters(ROOM + 1)), 'what stood in the inode stands in the block')
    t.equal(fs.getattr(ino).blocks, 8)
    const sparse = await create(fs, 'sparse')
    await writeAll(fs, sparse, 50, letters(30))
    t.equal(text(readAll(fs, sparse)), `${'\0'.repeat(50)}${text(letters(30))}`)
    await writeAll(fs, sparse, 100_000, letters(1))
    t.equal(text(readAll(fs, sparse, 0, 81)), `${'\0'.repeat(50)}${text(letters(30))}\0`)
    t.equal(fs.statfs().blocksFree, blocksFree - 4)
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
    t.equal(flagsOf(disk.bytes, 'f61'), INLINE)
    t.equal(flagsOf(disk.bytes, `f${ROOM}`), EXTENTS)
  },
)

for (const features of ['inline_data', 'inline_data,^extent,^64bit,^metadata_csum']) {
  t.test(
    `${features}: written, or grown and then written -> in the inode, as in the kernel`,
    { skip },
    async (t) => {
      const image = mkfsExt4(16 << 20, ['-b', '4096', '-O', features])
      const script = `printf hello > a; truncate -s 60 b; printf x >> b; truncate -s 1 c; printf y >> c
      truncate -s 5000 d; printf z >> d; stat -c '%s %b' a b c d`
      const disk = new RamDisk(image)
      const fs = await mountExt4(disk)
      const sizes: string[] = []
      for (const [name, size, content] of [
        ['a', 0, 'hello'],
        ['b', 60, 'x'],
        ['c', 1, 'y'],
        ['d', 5000, 'z'],
      ] as const) {
        const ino = await create(fs, name)
        await (await ready(fs)).setattr(ino, { size })
        await writeAll(fs, ino, size, bytesOf(content))
        const attributes = fs.getattr(ino)
        t.equal(text(readAll(fs, ino)), `${'\0'.repeat(size)}${content}`)
        sizes.push(`${attributes.size} ${attributes.blocks}`)
      }
      await fs.unmount()
      t.same(faultsOf(disk.bytes), [])
      t.equal(`${sizes.join('\n')}\n`, onKernel(image, script).output)
      const seen = onKernel(disk.bytes, 'cat a; tail -c 2 b | od -An -c; echo 1 >> b; wc -c < b; rm c d')
      t.equal(seen.output.replaceAll(' ', ''), 'hello\\0x\n63\n')
      t.same(faultsOf(seen.image), [])
    },
  )
}

t.test('truncate -> cut bytes do not come back; past the room into blocks', async (t) => {
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk)
  const ino = await create(fs, 'f')
  await writeAll(fs, ino, 0, letters(ROOM))
  let wanted = text(letters(ROOM))
  for (const size of [70, 100, 20, 90, 0, 64]) {
    await (await ready(fs)).setattr(ino, { size })
    wanted = wanted.slice(0, size).padEnd(size, '\0')
    t.equal(text(readAll(fs, ino)), wanted, `${size} bytes`)
    t.equal(fs.getattr(ino).blocks, size > 0 ? 1 : 0)
  }
  await writeAll(fs, ino, 0, letters(64))
  await (await ready(fs)).setattr(ino, { size: 5000 })
  t.equal(text(readAll(fs, ino)), text(letters(64)).padEnd(5000, '\0'))
  await fs.unmount()
  t.same(faultsOf(disk.bytes), [])
})

t.test(
  'fsync: an overwrite of inline data is metadata -> two FLUSHes, in blocks one; then none',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const ino = await create(fs, 'f')
    await writeAll(fs, ino, 0, letters(100))
    await fs.fsync(ino, false)
    const flushesOf = async (): Promise<number> => {
      const before = disk.flushes
      await fs.fsync(ino, true)
      return disk.flushes - before
    }
    await writeAll(fs, ino, 5, letters(10))
    t.equal(await flushesOf(), 2)
    t.equal(await flushesOf(), 0)
    await writeAll(fs, ino, 100, letters(200))
    t.equal(await flushesOf(), 2, 'the move to a block')
    await writeAll(fs, ino, 5, letters(10))
    t.equal(await flushesOf(), 1)
  },
)

t.test(
  'the move to a block, and power lost before its commit -> the inode has all of its old content',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const ino = await create(fs, 'f')
    await writeAll(fs, ino, 0, letters(100))
    await fs.fsync(ino, false)
    const durable = disk.bytes.slice()
    await writeAll(fs, ino, 100, letters(5000))
    t.ok(disk.unflushed.length > 0)
    const crashed = durable.slice()
    for (const { offset, bytes } of disk.unflushed) crashed.set(bytes, offset)
    const after = await mountExt4(new RamDisk(crashed))
    t.equal(text(readAll(after, find(after, 'f'))), text(letters(100)))
    await fs.fsync(ino, false)
    const later = await mountExt4(new RamDisk(disk.bytes))
    t.equal(text(readAll(later, find(later, 'f'))), text(letters(100)) + text(letters(5000)))
  },
)

t.test('fallocate, punch, zero -> in a block first; holes and data as it was', async (t) => {
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk)
  for (const [name, mode, offset, length] of [
    ['plain', 0, 0, 200],
    ['keep', 1, 8192, 4096],
    ['punch', 3, 10, 20],
    ['zero', 0x10, 10, 20],
  ] as const) {
    const ino = await create(fs, name)
    await writeAll(fs, ino, 0, letters(80))
    t.equal(fs.seek(ino, 5, 'data'), 5)
    t.equal(fs.seek(ino, 5, 'hole'), 80)
    t.throws(() => fs.seek(ino, 80, 'data'), { code: 'ENXIO' })
    await (await ready(fs)).fallocate(ino, mode, offset, length)
    const bytes = readAll(fs, ino)
    t.equal(bytes.length, mode === 0 ? 200 : 80)
    const isCut = mode === 3 || mode === 0x10
    const wanted = text(letters(80)).split('')
    if (isCut) wanted.fill('\0', 10, 30)
    t.equal(text(bytes.subarray(0, 80)), wanted.join(''), name)
    t.ok(fs.getattr(ino).blocks >= 8)
  }
  await fs.unmount()
  t.same(faultsOf(disk.bytes), [])
})

t.test(
  'a directory grows -> both parts of the inode, then a block; readdir goes on where it was',
  async (t) => {
    for (const image of [IMAGE, mkfsExt4(SIZE, ['-b', '4096', '-O', 'inline_data,^dir_index'])]) {
      const disk = new RamDisk(image)
      const fs = await mountExt4(disk)
      const dir = await mkdir(fs, 'd')
      const sizes = new Set<number>()
      const walk = (from: bigint, most: number): { names: string[]; next: bigint } => {
        const names: string[] = []
        let next = from
        fs.readdir(dir, from, (name, _ino, _type, cookie) => {
          if (names.length === most) return false
          names.push(text(name))
          next = cookie
          return true
        })
        return { names, next }
      }
      const first: string[] = []
      let cookie = 0n
      for (let n = 0; n < 12; n++) {
        await create(fs, `name-${n}`, dir)
        sizes.add(fs.getattr(dir).size)
        if (n === 4) {
          const { names, next } = walk(0n, 4)
          first.push(...names)
          cookie = next
        }
      }
      t.same([...sizes], [60, ROOM, 4096])
      const rest = walk(cookie, 100).names
      t.equal(new Set([...first, ...rest]).size, first.length + rest.length, 'none twice')
      for (let n = 0; n < 5; n++) t.ok([...first, ...rest].includes(`name-${n}`), `name-${n}`)
      t.same([...list(fs, dir).keys()].sort(), Array.from({ length: 12 }, (_, n) => `name-${n}`).sort())
      await fs.unmount()
      t.same(faultsOf(disk.bytes), [])
    }
  },
)

t.test(
  'names of an inline directory come, go, are replaced and moved; it is removed when empty',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const { filesFree, blocksFree } = fs.statfs()
    const dir = await mkdir(fs, 'd')
    const sub = await mkdir(fs, 'sub', dir)
    t.equal(fs.getattr(dir).nlink, 3)
    for (let round = 0; round < 20; round++) {
      const name = `round-${round % 3}`
      const ino = await create(fs, name, dir)
      ;(await ready(fs)).rename(dir, bytesOf(name), sub, bytesOf('kept'), 0)
      t.equal(find(fs, 'kept', sub), ino)
      t.equal(fs.lookup(dir, bytesOf(name)), undefined)
    }
    ;(await ready(fs)).rename(dir, bytesOf('sub'), fs.root, bytesOf('up'), 0)
    t.equal(find(fs, '..', sub), fs.root)
    t.equal(fs.getattr(dir).nlink, 2)
    await create(fs, 'a', dir)
    ;(await ready(fs)).rename(dir, bytesOf('a'), sub, bytesOf('kept'), 2)
    t.throws(() => fs.rmdir(fs.root, bytesOf('up')), { code: 'ENOTEMPTY' })
    ;(await ready(fs)).unlink(sub, bytesOf('kept'))
    ;(await ready(fs)).unlink(dir, bytesOf('a'))
    ;(await ready(fs)).rmdir(fs.root, bytesOf('up'))
    ;(await ready(fs)).rmdir(fs.root, bytesOf('d'))
    t.same([fs.statfs().filesFree, fs.statfs().blocksFree], [filesFree, blocksFree], 'not one block was used')
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
  },
)

t.test(
  'attributes and content in one inode -> the attributes go to a block, or the content does',
  async (t) => {
    const disk = new RamDisk(IMAGE)
    const fs = await mountExt4(disk)
    const set = async (ino: number, name: string, size: number) =>
      (await ready(fs)).setxattr(ino, bytesOf(name), letters(size), 0)
    const full = await create(fs, 'full')
    await writeAll(fs, full, 0, letters(ROOM))
    await set(full, 'user.a', 40)
    t.equal(fs.getattr(full).blocks, 8 + 1, 'the attribute is in a block')
    t.equal(text(readAll(fs, full)), text(letters(ROOM)))
    const early = await create(fs, 'early')
    await set(early, 'user.a', 20)
    await writeAll(fs, early, 0, letters(60))
    await writeAll(fs, early, 60, letters(30))
    t.equal(text(readAll(fs, early)), text(letters(60)) + text(letters(30)))
    t.equal(text(fs.getxattr(early, bytesOf('user.a')) as Uint8Array), text(letters(20)))
    t.equal(fs.getattr(early).blocks, 8, 'the content is in a block')
    const both = await create(fs, 'both')
    await writeAll(fs, both, 0, letters(ROOM))
    await set(both, 'user.large', 3960)
    await set(both, 'user.b', 60)
    t.equal(text(readAll(fs, both)), text(letters(ROOM)))
    t.equal(fs.getattr(both).blocks, 16, 'the block was full: the content made room')
    const dir = await mkdir(fs, 'd')
    for (let n = 0; n < 5; n++) await create(fs, `name-${n}`, dir)
    await set(dir, 'user.large', 3960)
    await set(dir, 'user.b', 60)
    t.equal(list(fs, dir).size, 5)
    t.same(text(fs.listxattr(full)), 'user.a\0', 'system.data is not told')
    t.throws(() => fs.getxattr(full, bytesOf('system.data')), { code: 'EOPNOTSUPP' })
    await set(full, 'user.a', 41)
    ;(await ready(fs)).removexattr(full, bytesOf('user.a'))
    t.equal(text(readAll(fs, full)), text(letters(ROOM)))
    await fs.unmount()
    t.same(faultsOf(disk.bytes), [])
  },
)

t.test('symbolic links -> in i_block, in the inode, in a block', async (t) => {
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk)
  for (const size of [59, 60, ROOM, ROOM + 1]) {
    const ino = (await ready(fs)).symlink(fs.root, bytesOf(`s${size}`), letters(size), ROOT_USER)
    t.equal(text(fs.readlink(ino)), text(letters(size)))
    t.equal(fs.getattr(ino).blocks, size > ROOM ? 8 : 0)
  }
  const ino = find(fs, 's60')
  ;(await ready(fs)).setxattr(ino, bytesOf('trusted.a'), letters(300), 0)
  t.equal(text(fs.readlink(ino)), text(letters(60)), 'with an attribute block the target is in a block too')
  t.equal(fs.getattr(ino).blocks, 16)
  await fs.unmount()
  t.same(faultsOf(disk.bytes), [])
})

t.test('FIEMAP -> one extent in the inode, as the kernel has it; FIBMAP -> none', { skip }, async (t) => {
  const made = onKernel(IMAGE, 'yes | head -c 100 > f; sync; filefrag -v -b1 f | grep inline').image
  const seen = onKernel(made, 'filefrag -v -b1 f | grep inline').output
  const fs = await mountExt4(new RamDisk(made))
  const ino = find(fs, 'f')
  const [extent] = fs.fiemap(ino) as [FiemapExtent]
  t.same(extent, {
    logical: 0,
    physical: extent.physical,
    length: 100,
    unwritten: false,
    last: true,
    inline: true,
  })
  t.match(seen, new RegExp(` ${extent.physical}\\.\\. +${extent.physical + 99}:`))
  t.same(fs.fiemap(ino, 100, 1), [])
  t.equal(fs.bmap(ino, 0), 0)
})

t.test('DAX -> neither for the file system nor for an inode with content', async (t) => {
  const fs = await mountExt4(new RamDisk(IMAGE))
  t.equal(fs.canDax, false)
  const ino = await create(fs, 'f')
  await writeAll(fs, ino, 0, letters(10))
  t.equal(fs.read(ino, 0, 10)[0]?.address, 0, 'no memory of the device')
  const DAX_FL = 0x2000000
  ;(await ready(fs)).setFileAttr(ino, { ...fs.getFileAttr(ino), flags: DAX_FL })
  t.equal(fs.isDax(ino), false)
  const mapped = await create(fs, 'mapped')
  ;(await ready(fs)).setFileAttr(mapped, { ...fs.getFileAttr(mapped), flags: DAX_FL | 0x80000 })
  await writeAll(fs, mapped, 0, letters(10))
  t.equal(fs.getattr(mapped).blocks, 8)
  t.equal(fs.isDax(mapped), true)
})

t.test('a damaged inode -> CorruptError, and own fsck tells', async (t) => {
  const disk = new RamDisk(IMAGE)
  const fs = await mountExt4(disk)
  const ino = await create(fs, 'f')
  await writeAll(fs, ino, 0, letters(100))
  const dir = await mkdir(fs, 'd')
  await create(fs, 'name', dir)
  await fs.unmount()
  const damaged = (request: string): string => ownFaultsOf(debugfsWrite(disk.bytes, request)).join()
  t.match(damaged('sif d size 64'), /i_size of an inline directory is 64, expected 60/)
  t.match(damaged('sif d block[0] 999'), /leads to inode 999|is not a directory/)
  t.match(damaged('sif d block[2] 0x01010101'), /rec_len|i_checksum|name/)
  const bare = debugfsWrite(disk.bytes, 'ea_rm f system.data')
  t.match(ownFaultsOf(bare).join(), /no system.data/)
  const broken = await mountExt4(new RamDisk(bare), undefined, { errors: 'continue' })
  t.throws(() => readAll(broken, find(broken, 'f')), { code: 'EUCLEAN', message: /system\.data/ })
})

import t from 'tap'
import { e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, readAll, ready } from './mounted.js'
import { MountedNames } from './mounted-names.js'

/** A machine may have much else to do. */
t.setTimeout(120_000)

const COLLAPSE = 0x8
const INSERT = 0x20
const BLOCK = 1024

/** A file of `blocks` blocks in which each block tells its number, and every third is a hole: one extent each two. */
async function ladder(on: MountedNames, name: string, blocks: number): Promise<number> {
  const ino = await on.mknod(on.root, name)
  // From the end, so that no two extents continue each other on the disk.
  for (let block = blocks - 1; block >= 0; block--) {
    if (block % 3 === 2) continue
    await on.change((fs) => fs.write(ino, block * BLOCK, rung(block), 0, BLOCK, false))
  }
  return ino
}

function rung(block: number): Uint8Array {
  return new Uint8Array(BLOCK).fill(0x20 + (block % 90)).fill(block >>> 8, 0, 1)
}

async function shift(
  on: MountedNames,
  ino: number,
  mode: number,
  block: number,
  count: number,
): Promise<void> {
  await (await ready(on.fs)).fallocate(ino, mode, block * BLOCK, count * BLOCK)
}

function collapsed(bytes: Uint8Array, block: number, count: number): Uint8Array {
  return Buffer.concat([bytes.subarray(0, block * BLOCK), bytes.subarray((block + count) * BLOCK)])
}

function inserted(bytes: Uint8Array, block: number, count: number): Uint8Array {
  return Buffer.concat([
    bytes.subarray(0, block * BLOCK),
    new Uint8Array(count * BLOCK),
    bytes.subarray(block * BLOCK),
  ])
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

for (const [block, count] of [
  [0, 1],
  [1, 1],
  [2, 5],
  [100, 100],
  [298, 300],
] as const) {
  t.test(
    `collapse and insert of ${count} blocks at ${block} -> as with bytes, i_blocks right, clean`,
    async (t) => {
      const on = await MountedNames.on(mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1']))
      const ino = await ladder(on, 'f', 600)
      const before = Buffer.from(readAll(on.fs, ino))
      await shift(on, ino, COLLAPSE, block, count)
      t.equal(on.fs.getattr(ino).size, before.length - count * BLOCK)
      t.ok(same(readAll(on.fs, ino), collapsed(before, block, count)), 'collapsed')
      await shift(on, ino, INSERT, block, count)
      t.ok(same(readAll(on.fs, ino), inserted(collapsed(before, block, count), block, count)), 'inserted')
      const { status, output } = e2fsck(await on.unmount())
      t.equal(status, 0, output)
    },
  )
}

t.test('an extent that the range begins within is split, and joined again', async (t) => {
  const on = await MountedNames.on(mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1']))
  const ino = await on.mknod(on.root, 'f')
  const bytes = Buffer.concat(Array.from({ length: 100 }, (_, block) => rung(block)))
  await on.change((fs) => fs.write(ino, 0, bytes, 0, bytes.length, false))
  await on.change((fs) => fs.setattr(ino, { size: 99 * BLOCK + 17 }))
  await shift(on, ino, INSERT, 40, 1000)
  t.equal(on.fs.seek(ino, 0, 'hole'), 40 * BLOCK)
  t.equal(on.fs.seek(ino, 40 * BLOCK, 'data'), 1040 * BLOCK)
  await shift(on, ino, COLLAPSE, 40, 1000)
  t.equal(on.fs.seek(ino, 0, 'hole'), 99 * BLOCK + 17)
  t.ok(same(readAll(on.fs, ino), bytes.subarray(0, 99 * BLOCK + 17)))
  const { status, output } = e2fsck(await on.unmount())
  t.equal(status, 0, output)
})

t.test('what cannot be shifted -> EINVAL, EFBIG, and the file is as it was', async (t) => {
  const on = await MountedNames.on(mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1']))
  const ino = await ladder(on, 'f', 10)
  const before = Buffer.from(readAll(on.fs, ino))
  const cases: [mode: number, offset: number, length: number, code: string][] = [
    [COLLAPSE, 1, 1024, 'EINVAL'],
    [COLLAPSE, 1024, 1000, 'EINVAL'],
    [COLLAPSE, 0, 10 * 1024, 'EINVAL'],
    [COLLAPSE | 1, 0, 1024, 'EINVAL'],
    [INSERT, 1, 1024, 'EINVAL'],
    [INSERT, 10 * 1024, 1024, 'EINVAL'],
    [INSERT, 0, 2 ** 42 - 1024, 'EFBIG'],
  ]
  for (const [mode, offset, length, code] of cases) {
    await ready(on.fs)
    t.throws(() => on.fs.fallocate(ino, mode, offset, length), { code }, `${mode} ${offset} ${length}`)
  }
  // Preallocated behind the end, as far as files go: there is no place to move it to.
  await on.change((fs) => fs.fallocate(ino, 1, 2 ** 42 - 4096, 1024))
  await ready(on.fs)
  t.throws(() => on.fs.fallocate(ino, INSERT, 1024, 8192), { code: 'EINVAL' })
  t.ok(same(readAll(on.fs, ino), before))
  const { status, output } = e2fsck(await on.unmount())
  t.equal(status, 0, output)
})

t.test('bytes behind the end do not come back with an insertion', async (t) => {
  const on = await MountedNames.on(mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1']))
  const ino = await on.mknod(on.root, 'f')
  await on.change((fs) => fs.write(ino, 0, rung(1), 0, BLOCK, false))
  await on.change((fs) => fs.setattr(ino, { size: 10 }))
  await shift(on, ino, INSERT, 0, 1)
  await on.change((fs) => fs.setattr(ino, { size: 2 * BLOCK }))
  t.ok(
    readAll(on.fs, ino)
      .subarray(BLOCK + 10)
      .every((byte) => byte === 0),
  )
})

/** The cuts through what was stored and not yet flushed. */
async function crashStates(
  on: MountedNames,
  done: Promise<unknown>,
  look: (image: Uint8Array, where: string) => void,
): Promise<number> {
  let flushes = 0
  let ended = false
  const end = done.finally(() => {
    ended = true
  })
  for (;;) {
    for (let turn = 0; turn < 50 && on.disk.heldFlushes === 0 && !ended; turn++)
      await new Promise(setImmediate)
    if (on.disk.heldFlushes === 0) break
    const count = on.disk.unflushed.length
    for (const cut of new Set([0, 1, count >> 1, count - 1, count])) {
      look(
        on.disk.crashImage((_, index) => index < cut),
        `flush ${flushes}, cut ${cut} of ${count}`,
      )
    }
    for (const period of [2, 3]) {
      const image = on.disk.crashImage((_, index) => (index * 7919) % period !== 0)
      look(image, `flush ${flushes}, all but each ${period}th of ${count}`)
    }
    flushes++
    on.disk.releaseFlush()
  }
  await end
  return flushes
}

for (const mode of [COLLAPSE, INSERT]) {
  const name = mode === COLLAPSE ? 'collapse' : 'insert'
  t.test(`power failure in a ${name} of one transaction -> before or after, and clean`, async (t) => {
    const on = await MountedNames.on(mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1']))
    const ino = await ladder(on, 'f', 300)
    await on.fs.syncfs()
    const before = Buffer.from(readAll(on.fs, ino))
    const after = mode === COLLAPSE ? collapsed(before, 50, 7) : inserted(before, 50, 7)
    on.disk.holdFlushes = true
    await shift(on, ino, mode, 50, 7)
    const images: [Uint8Array, string][] = []
    t.equal(
      await crashStates(on, on.fs.syncfs() as Promise<void>, (image, where) => images.push([image, where])),
      2,
    )
    const seen = new Set<string>()
    for (const [image, where] of images) {
      const recovered = await MountedNames.on(image)
      const bytes = readAll(recovered.fs, ino)
      seen.add(same(bytes, before) ? 'before' : same(bytes, after) ? 'after' : where)
      const { status, output } = e2fsck(await recovered.unmount())
      t.equal(status, 0, `${where}: ${output}`)
    }
    t.same([...seen].sort(), ['after', 'before'])
  })

  t.test(`power failure in a ${name} of several transactions -> every block whole, clean`, async (t) => {
    const on = await MountedNames.on(mkfsExt4(32 << 20, ['-b', '1024', '-J', 'size=1', '-N', '64']))
    const ino = await ladder(on, 'f', 30_000)
    const other = await on.mknod(on.root, 'other')
    await on.fs.syncfs()
    const before = Buffer.from(readAll(on.fs, ino))
    const after = mode === COLLAPSE ? collapsed(before, 6, 3) : inserted(before, 6, 3)
    on.disk.holdFlushes = true
    const images: [Uint8Array, string][] = []
    const done = shift(on, ino, mode, 6, 3)
    // Nobody changes anything while blocks are on their way.
    const late = ready(on.fs).then((fs) => fs.write(other, 0, bytesOf('x'), 0, 1, false))
    const flushes = await crashStates(on, done, (image, where) => images.push([image, where]))
    t.ok(flushes > 2, `${flushes} flushes`)
    on.disk.holdFlushes = false
    while (on.disk.heldFlushes > 0) on.disk.releaseFlush()
    await late
    t.ok(same(readAll(on.fs, ino), after), 'in the end')
    for (const [image, where] of images.filter((_, index) => index % 6 === 1)) {
      const recovered = await MountedNames.on(image)
      const bytes = readAll(recovered.fs, ino)
      t.ok(isMade(bytes, before), where)
      const { status, output } = e2fsck(await recovered.unmount())
      t.equal(status, 0, `${where}: ${output}`)
    }
    const { status, output } = e2fsck(await on.unmount())
    t.equal(status, 0, output)
  })
}

/** Whether each block is one of the file's, or a hole, with none twice. */
function isMade(bytes: Uint8Array, of: Uint8Array): boolean {
  let last = -1
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const block = Buffer.from(bytes.buffer, bytes.byteOffset + at, BLOCK)
    if (block.every((byte) => byte === 0)) continue
    let found = last + 1
    while (
      found * BLOCK < of.length &&
      Buffer.compare(of.subarray(found * BLOCK, (found + 1) * BLOCK), block) !== 0
    )
      found++
    if (found * BLOCK >= of.length) return false
    last = found
  }
  return true
}

t.test(
  "the kernel's ext4 reads what we shifted, and we what it shifted",
  { skip: noKernelMount() ?? false },
  async (t) => {
    const on = await MountedNames.on(mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1']))
    const ours = await ladder(on, 'ours', 500)
    const its = await ladder(on, 'its', 500)
    await shift(on, ours, COLLAPSE, 7, 20)
    await shift(on, ours, INSERT, 300, 11)
    const expected = Buffer.from(readAll(on.fs, ours))
    const kernel = onKernel(
      await on.unmount(),
      'fallocate -c -o 7168 -l 20480 its; fallocate -i -o 307200 -l 11264 its; cmp its ours && filefrag -v ours its | grep -c "[0-9]:"',
    )
    t.ok(Number(kernel.output) > 600, `${kernel.output} extents, and the same bytes`)
    const again = await MountedNames.on(kernel.image)
    t.ok(same(readAll(again.fs, its), expected))
  },
)

import fc from 'fast-check'
import t from 'tap'
import { S_IFREG } from '../../../src/guest/vfs/attributes.js'
import { XATTR_CREATE, XATTR_REPLACE } from '../../../src/guest/vfs/xattr.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, codeOf, MountedNames, textOf } from './mounted-names.js'

const SIZE = 16 << 20
const IMAGE = mkfsExt4(SIZE, ['-b', '4096', '-J', 'size=4'])
const SMALL_INODES = mkfsExt4(SIZE, ['-b', '1024', '-I', '128', '-J', 'size=1'])
const skip = noKernelMount() ?? false

function set(on: MountedNames, ino: number, name: string, value: string, flags = 0): Promise<void> {
  return on.change((fs) => fs.setxattr(ino, bytesOf(name), bytesOf(value), flags))
}

function remove(on: MountedNames, ino: number, name: string): Promise<void> {
  return on.change((fs) => fs.removexattr(ino, bytesOf(name)))
}

function get(on: MountedNames, ino: number, name: string): string | undefined {
  const value = on.fs.getxattr(ino, bytesOf(name))
  return value && textOf(value)
}

/** Names sorted. */
function names(on: MountedNames, ino: number): string[] {
  return textOf(on.fs.listxattr(ino)).split('\0').slice(0, -1).sort()
}

/** How debugfs shows the attributes and block of a file. */
function look(image: Uint8Array, path: string): { block: number; blocks: number } {
  const text = debugfs(image, `stat ${path}`)
  const block = /File ACL: (\d+)/.exec(text)?.[1]
  return { block: Number(block), blocks: Number(/Blockcount: (\d+)/.exec(text)?.[1]) }
}

t.test('names and values -> read back here, by the kernel, and clean', { skip }, async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  const wanted = {
    'security.selinux': 'label\0',
    'trusted.overlay.opaque': 'y',
    'user.empty': '',
    'user.long': 'v'.repeat(3000),
    'user.small': 'abc',
    [`user.${'n'.repeat(250)}`]: '1',
  }
  for (const [name, value] of Object.entries(wanted)) await set(on, ino, name, value)
  t.same(names(on, ino), Object.keys(wanted).sort())
  for (const [name, value] of Object.entries(wanted)) t.equal(get(on, ino, name), value)
  t.equal(get(on, ino, 'user.none'), undefined)
  const image = await on.unmount()
  t.equal(e2fsck(image).status, 0)
  const { output } = onKernel(image, 'getfattr -e hex -d -m - f | grep = | sort')
  const expected = Object.entries(wanted).map(([name, value]) => {
    return value === '' ? `${name}=0x` : `${name}=0x${Buffer.from(value, 'latin1').toString('hex')}`
  })
  t.same(output.trim().split('\n'), expected.sort())
})

t.test('trusted. names: listed for root only', async (t) => {
  const on = await MountedNames.on(IMAGE)
  await set(on, on.root, 'trusted.a', '1')
  await set(on, on.root, 'user.b', '2')
  on.fs.setCaller(1000, 1000)
  t.same(names(on, on.root), ['user.b'])
})

t.test('errors: those of setxattr(2), and nothing changed by them', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, 'user.a', 'x'.repeat(3000))
  const failing: [string, string, number, string][] = [
    ['user.a', '2', XATTR_CREATE, 'EEXIST'],
    ['user.b', '2', XATTR_REPLACE, 'ENODATA'],
    ['user.', '2', 0, 'EINVAL'],
    ['', '2', 0, 'ERANGE'],
    [`user.${'n'.repeat(251)}`, '2', 0, 'ERANGE'],
    ['other.a', '2', 0, 'EOPNOTSUPP'],
    ['system.data', '2', 0, 'EOPNOTSUPP'],
    ['system.posix_acl_access2', '2', 0, 'EOPNOTSUPP'],
    ['user.b', 'y'.repeat(3000), 0, 'ENOSPC'],
    ['user.b', 'y'.repeat(65536), 0, 'ENOSPC'],
    ['user.b', 'y'.repeat(65537), 0, 'E2BIG'],
  ]
  for (const [name, value, flags, code] of failing) {
    t.equal(await codeOf(set(on, ino, name, value, flags)), code, `${name.slice(0, 30)} ${code}`)
  }
  t.equal(await codeOf(remove(on, ino, 'user.b')), 'ENODATA')
  t.same(names(on, ino), ['user.a'])
  t.equal(get(on, ino, 'user.a'), 'x'.repeat(3000))
  t.equal(e2fsck(await on.unmount()).status, 0)
})

t.test('a value moves: inode -> block -> inode, and the block is freed', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, 'user.b', 'stays')
  await set(on, ino, 'user.a', 'small')
  t.equal(on.fs.getattr(ino).blocks, 0)
  const free = on.fs.statfs().blocksFree
  await set(on, ino, 'user.a', 'x'.repeat(200))
  t.equal(on.fs.getattr(ino).blocks, 8)
  t.equal(on.fs.statfs().blocksFree, free - 1)
  t.equal(get(on, ino, 'user.a'), 'x'.repeat(200))
  await set(on, ino, 'user.a', 'small again')
  t.equal(on.fs.getattr(ino).blocks, 0)
  t.equal(on.fs.statfs().blocksFree, free)
  t.same([get(on, ino, 'user.a'), get(on, ino, 'user.b')], ['small again', 'stays'])
  t.equal(e2fsck(await on.unmount()).status, 0)
})

t.test('equal attributes -> one block for 1024 inodes, freed with the last', async (t) => {
  const on = await MountedNames.on(mkfsExt4(SIZE, ['-b', '4096', '-J', 'size=4', '-N', '2048']))
  const free = on.fs.statfs().blocksFree
  const inos: number[] = []
  for (let index = 0; index < 1026; index++) {
    const ino = await on.mknod(on.root, `f${index}`)
    await set(on, ino, 'user.label', 'x'.repeat(500))
    inos.push(ino)
  }
  await on.fs.syncfs()
  const image = await (await MountedNames.on(on.disk.bytes)).unmount()
  t.equal(e2fsck(image).status, 0)
  const first = look(image, 'f0').block
  t.same([look(image, 'f1023').block, look(image, 'f1').blocks], [first, 8])
  t.not(look(image, 'f1024').block, first)
  t.equal(look(image, 'f1025').block, look(image, 'f1024').block)
  await set(on, inos[0]!, 'user.label', 'y'.repeat(500))
  t.equal(get(on, inos[1]!, 'user.label'), 'x'.repeat(500), 'a shared block is not written')
  for (const name of on.list(on.root).map((entry) => entry.name)) {
    if (name.startsWith('f')) await on.unlink(on.root, name)
  }
  t.equal(e2fsck(await on.unmount()).status, 0)
  t.ok(on.fs.statfs().blocksFree >= free - 16, 'all but blocks of the directory')
})

t.test('a full disk -> ENOSPC, and the inode as before', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, 'user.a', 'old')
  const big = await on.mknod(on.root, 'big')
  const { blocksFree, blockSize } = on.fs.statfs()
  await on.change((fs) => fs.fallocate(big, 0, 0, (blocksFree - 8) * blockSize))
  await on.change((fs) => fs.fallocate(big, 0, 0, on.fs.statfs().blocksFree * blockSize)).catch(() => {})
  for (let index = 0; on.fs.statfs().blocksFree > 0; index++) {
    const other = await on.mknod(on.root, `o${index}`)
    await set(on, other, `user.${index}`, 'x'.repeat(2000))
  }
  const { ctime } = on.fs.getattr(ino)
  t.equal(await codeOf(set(on, ino, 'user.a', 'x'.repeat(3000))), 'ENOSPC')
  t.equal(get(on, ino, 'user.a'), 'old')
  t.same(on.fs.getattr(ino).ctime, ctime)
  t.equal(e2fsck(await on.unmount()).status, 0)
})

t.test('inodes of 128 bytes -> all in the block', async (t) => {
  const on = await MountedNames.on(SMALL_INODES)
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, 'user.a', '1')
  await set(on, ino, 'user.b', '2'.repeat(900))
  t.equal(await codeOf(set(on, ino, 'user.c', '3'.repeat(100))), 'ENOSPC')
  t.equal(on.fs.getattr(ino).blocks, 2)
  const image = await on.unmount()
  t.equal(e2fsck(image).status, 0)
  t.match(debugfs(image, 'ea_list f'), /user\.a \(1\).*user\.b \(900\)/s)
})

t.test('same value again -> nothing journaled', async (t) => {
  const on = await MountedNames.on(IMAGE)
  await set(on, on.root, 'user.a', '1')
  await on.fs.syncfs()
  const before = on.disk.storeSequence
  await set(on, on.root, 'user.a', '1')
  await on.fs.syncfs()
  t.equal(on.disk.storeSequence, before)
})

t.test("the kernel's attributes -> read, changed, and clean", { skip }, async (t) => {
  const script = `touch a b; for f in a b; do
    setfattr -n user.one -v 1 $f; setfattr -n user.big -v ${'z'.repeat(2000)} $f
    setfattr -n trusted.two -v 22 $f; done`
  const on = await MountedNames.on(onKernel(IMAGE, script).image)
  const [a, b] = [on.lookup(on.root, 'a')!, on.lookup(on.root, 'b')!]
  t.same(names(on, a), ['trusted.two', 'user.big', 'user.one'])
  t.equal(get(on, b, 'user.big'), 'z'.repeat(2000))
  await remove(on, a, 'user.big')
  await set(on, b, 'user.big', 'y'.repeat(2000))
  const image = await on.unmount()
  t.equal(e2fsck(image).status, 0)
  t.equal(look(image, 'a').block, 0)
  t.equal(onKernel(image, 'getfattr --only-values -n user.big b').output, 'y'.repeat(2000))
})

for (const [damage, offset, value, code] of [
  ['bad magic', 0, 0, 'EUCLEAN'],
  ['two blocks', 8, 2, 'EUCLEAN'],
  ['no users', 4, 0, 'EUCLEAN'],
  ['bad checksum', 16, 12345, 'EBADMSG'],
  ['bad content', 4000, 7, 'EBADMSG'],
] as const) {
  t.test(`attribute block: ${damage} -> ${code}`, async (t) => {
    const on = await MountedNames.on(IMAGE)
    const ino = await on.mknod(on.root, 'f')
    await set(on, ino, 'user.a', 'x'.repeat(1000))
    const image = (await on.unmount()).slice()
    const view = new DataView(image.buffer)
    view.setUint32(look(image, 'f').block * 4096 + offset, value, true)
    const broken = await MountedNames.on(image)
    t.throws(() => broken.fs.getxattr(ino, bytesOf('user.a')), { code })
    t.equal(await codeOf(set(broken, ino, 'user.b', 'x'.repeat(100))), code)
  })
}

for (const [damage, offset, value] of [
  ['name past the end', 0, 0x01ff],
  ['value past the end', 2, 4000],
  ['value upon the entries', 2, 0],
  ['value in an inode', 4, 12],
  ['huge value', 10, 1],
] as const) {
  t.test(`attributes in the inode: ${damage} -> EUCLEAN`, async (t) => {
    const image = mkfsExt4(SIZE, ['-b', '4096', '-J', 'size=4', '-O', '^metadata_csum'])
    const on = await MountedNames.on(image)
    const ino = await on.mknod(on.root, 'f')
    await set(on, ino, 'user.a', 'abcdefgh')
    const changed = (await on.unmount()).slice()
    const [, block, at] = /block (\d+), offset (0x[0-9a-f]+)/.exec(debugfs(changed, 'imap f'))!
    const entry = Number(block) * 4096 + Number(at) + 160 + 4
    new DataView(changed.buffer).setUint16(entry + offset, value, true)
    const broken = await MountedNames.on(changed)
    t.throws(() => broken.fs.listxattr(ino), { code: 'EUCLEAN' })
    t.throws(() => broken.fs.getxattr(ino, bytesOf(damage.startsWith('name') ? 'user.b' : 'user.a')), {
      code: 'EUCLEAN',
    })
  })
}

t.test('capability: dropped by a write, a truncate, a chown; kept by chmod', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f', S_IFREG | 0o755)
  const name = 'security.capability'
  await set(on, ino, name, 'caps')
  await on.change((fs) => fs.setattr(ino, { mode: 0o700 }))
  t.equal(get(on, ino, name), 'caps')
  for (const change of [
    () => on.change((fs) => fs.write(ino, 0, bytesOf('a'), 0, 1, false)),
    () => on.change((fs) => fs.setattr(ino, { size: 3 })),
    () => on.change((fs) => fs.setattr(ino, { uid: 5 })),
    () => on.change((fs) => fs.fallocate(ino, 0, 0, 5000)),
  ]) {
    await set(on, ino, name, 'caps')
    await change()
    t.equal(get(on, ino, name), undefined, String(change))
  }
})

t.test('random sets and removals -> as a map has it; clean after', async (t) => {
  const step = fc.record({
    file: fc.integer({ min: 0, max: 3 }),
    name: fc.constantFrom('user.a', 'user.bb', 'trusted.a', 'security.ccc', 'user.a1'),
    length: fc.option(fc.constantFrom(0, 1, 5, 30, 60, 300, 1500, 3900)),
    letter: fc.constantFrom('x', 'y'),
  })
  const property = fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60 }), async (steps) => {
    const on = await MountedNames.on(IMAGE)
    const files = [0, 1, 2, 3].map(() => new Map<string, string>())
    const inos: number[] = []
    for (const index of files.keys()) inos.push(await on.mknod(on.root, `f${index}`))
    for (const { file, name, length, letter } of steps) {
      const value = letter.repeat(length ?? 0)
      const model = files[file]!
      const failed = await codeOf(
        length === null ? remove(on, inos[file]!, name) : set(on, inos[file]!, name, value),
      )
      const expected = length !== null ? [undefined, 'ENOSPC'] : model.has(name) ? [undefined] : ['ENODATA']
      if (!expected.includes(failed)) throw new Error(`${failed}, expected ${expected.join(' or ')}`)
      if (length === null) model.delete(name)
      else if (failed === undefined) model.set(name, value)
    }
    const image = await on.unmount()
    const again = await MountedNames.on(image)
    for (const [index, model] of files.entries()) {
      const found = names(again, inos[index]!).map((name) => [name, get(again, inos[index]!, name)])
      if (JSON.stringify(found) !== JSON.stringify([...model].sort())) throw new Error(`file ${index}`)
    }
    const { status, output } = e2fsck(image)
    if (status !== 0) throw new Error(output)
  })
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const result = await fc.check(property, { numRuns: 6, seed })
  t.notOk(result.failed, `seed ${seed}: ${fc.defaultReportMessage(result)}`)
})

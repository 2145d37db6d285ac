import t from 'tap'
import { e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, codeOf, MountedNames, textOf } from './mounted-names.js'

const IMAGE = mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1', '-O', 'ea_inode'])
const skip = noKernelMount() ?? false

function set(on: MountedNames, ino: number, name: string, value: string): Promise<void> {
  return on.change((fs) => fs.setxattr(ino, bytesOf(name), bytesOf(value), 0))
}

function get(on: MountedNames, ino: number, name: string): string | undefined {
  const value = on.fs.getxattr(ino, bytesOf(name))
  return value && textOf(value)
}

const large = (letter: string, size = 65536) => letter.repeat(size)

t.test('large values -> inodes of their own; read by the kernel; clean', { skip }, async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  const { filesFree } = on.fs.statfs()
  await set(on, ino, 'user.small', '1')
  await set(on, ino, 'user.large', large('x'))
  await set(on, ino, 'user.other', large('y', 1025))
  t.equal(on.fs.statfs().filesFree, filesFree - 2)
  t.same([get(on, ino, 'user.large'), get(on, ino, 'user.other')], [large('x'), large('y', 1025)])
  const image = await on.unmount()
  const { status, output } = e2fsck(image)
  t.equal(status, 0, output)
  const seen = onKernel(image, 'getfattr --only-values -n user.large f; rm f')
  t.ok(seen.output === large('x'))
  t.equal(e2fsck(seen.image).status, 0)
})

t.test('replaced, removed, file removed -> the inode and its blocks are free again', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  const before = on.fs.statfs()
  await set(on, ino, 'user.a', large('x'))
  await set(on, ino, 'user.a', large('y'))
  t.equal(on.fs.statfs().filesFree, before.filesFree - 1)
  t.equal(get(on, ino, 'user.a'), large('y'))
  await set(on, ino, 'user.a', 'small')
  t.same(on.fs.statfs(), before)
  await set(on, ino, 'user.a', large('x'))
  await on.change((fs) => fs.removexattr(ino, bytesOf('user.a')))
  t.same(on.fs.statfs(), before)
  await set(on, ino, 'user.a', large('x'))
  await on.unlink(on.root, 'f')
  t.equal(on.fs.statfs().filesFree, before.filesFree + 1)
  const { status, output } = e2fsck(await on.unmount())
  t.equal(status, 0, output)
})

t.test('many of them -> entries in the block, which others do not share', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  const names = Array.from({ length: 12 }, (_, index) => `user.name${index}`)
  for (const name of names) await set(on, ino, name, large(name.at(-1)!, 3000))
  for (const name of names) t.equal(get(on, ino, name), large(name.at(-1)!, 3000))
  await on.change((fs) => fs.removexattr(ino, bytesOf('user.name7')))
  const image = await on.unmount()
  t.equal(e2fsck(image).status, 0)
  const again = await MountedNames.on(image)
  t.equal(get(again, ino, 'user.name7'), undefined)
  await again.unlink(again.root, 'f')
  const { status, output } = e2fsck(await again.unmount())
  t.equal(status, 0, output)
})

t.test("the kernel's large values, shared -> read, counted, and clean after", { skip }, async (t) => {
  const script = `head -c 5000 /dev/zero | tr '\\0' k > /tmp/$$; touch a b
    for f in a b; do setfattr -n user.v -v "$(cat /tmp/$$)" $f; setfattr -n user.w -v "$(cat /tmp/$$)" $f; done; rm /tmp/$$`
  const on = await MountedNames.on(onKernel(IMAGE, script).image)
  const { filesFree } = on.fs.statfs()
  const [a, b] = [on.lookup(on.root, 'a')!, on.lookup(on.root, 'b')!]
  t.same([get(on, a, 'user.v'), get(on, b, 'user.w')], [large('k', 5000), large('k', 5000)])
  await set(on, a, 'user.v', large('k', 5001))
  await on.unlink(on.root, 'b')
  t.equal(get(on, a, 'user.w'), large('k', 5000))
  await on.unlink(on.root, 'a')
  t.equal(on.fs.statfs().filesFree, filesFree + 3)
  const { status, output } = e2fsck(await on.unmount())
  t.equal(status, 0, output)
})

t.test('a value that is not what its inode says -> EUCLEAN', async (t) => {
  const on = await MountedNames.on(
    mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1', '-O', 'ea_inode,^metadata_csum']),
  )
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, 'user.a', large('x', 5000))
  const image = (await on.unmount()).slice()
  t.equal(e2fsck(image).status, 0)
  const value = Buffer.from(image.buffer).indexOf(Buffer.from(large('x', 5000)))
  image[value + 100] = 0
  const broken = await MountedNames.on(image)
  t.throws(() => get(broken, ino, 'user.a'), { code: 'EUCLEAN' })
})

t.test('a full disk -> ENOSPC, and nothing left of it', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  for (let index = 0; (await codeOf(set(on, ino, `user.${index}`, large('x')))) === undefined; index++) {
    if (index % 10 === 9) await on.mknod(on.root, `g${index}`)
  }
  const before = on.fs.statfs()
  t.equal(await codeOf(set(on, ino, 'user.last', large('z'))), 'ENOSPC')
  t.same(on.fs.statfs(), before)
  t.equal(e2fsck(await on.unmount()).status, 0)
})

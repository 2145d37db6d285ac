import t from 'tap'
import { RawInode } from '../../../src/guest/ext4/raw-inode.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { codeOf, MountedNames, textOf } from './mounted-names.js'

const image = mkfsExt4(8 << 20, ['-b', '1024', '-O', '^metadata_csum'])
const LENGTHS = [1, 59, 60, 61, 1023]
const targetOf = (length: number): string => 'target/'.repeat(200).slice(0, length)

t.test('symlink: short and long targets -> read back by us, the kernel and e2fsck', async (t) => {
  const mounted = await MountedNames.on(image)
  for (const length of LENGTHS) {
    const ino = await mounted.symlink(mounted.root, `l${length}`, targetOf(length))
    t.equal(textOf(mounted.fs.readlink(ino)), targetOf(length))
    t.equal(mounted.fs.getattr(ino).size, length)
    t.equal(mounted.fs.getattr(ino).mode, 0o120777)
    t.equal(mounted.fs.getattr(ino).blocks, length < 60 ? 0 : 2)
  }
  const unmounted = await mounted.unmount()
  const judged = e2fsck(unmounted)
  t.equal(judged.status, 0, judged.output)
  t.match(debugfs(unmounted, 'stat l59'), /Fast link dest: "target\//)
  const skip = noKernelMount()
  if (skip !== undefined) return t.comment(`the kernel is not asked: ${skip}`)
  for (const length of LENGTHS)
    t.equal(onKernel(unmounted, `readlink l${length}`).output.trimEnd(), targetOf(length))
})

t.test('symlink: a target that cannot be -> the error of symlink(2)', async (t) => {
  const mounted = await MountedNames.on(image)
  t.equal(await codeOf(mounted.symlink(mounted.root, 'l', '')), 'ENOENT')
  t.equal(await codeOf(mounted.symlink(mounted.root, 'l', targetOf(1024))), 'ENAMETOOLONG')
  t.equal(await codeOf(mounted.symlink(mounted.root, 'lost+found', 'x')), 'EEXIST')
  t.equal(mounted.lookup(mounted.root, 'l'), undefined)
})

t.test('readlink: no symlink -> EINVAL', async (t) => {
  const mounted = await MountedNames.on(image)
  t.throws(() => mounted.fs.readlink(mounted.root), { code: 'EINVAL' })
})

t.test('readlink: damaged symlinks -> CorruptError', async (t) => {
  const damages: [string, (view: DataView, at: number) => void, RegExp][] = [
    ['size 0', (view, at) => RawInode.i_size_lo.set(view, at, 0), /i_size is 0/],
    ['size of a block', (view, at) => RawInode.i_size_lo.set(view, at, 1024), /i_size is 1024/],
    ['NUL inside', (view, at) => view.setUint8(at + RawInode.i_block.offset + 2, 0), /NUL/],
  ]
  for (const [what, damage, message] of damages) {
    const mounted = await MountedNames.on(image)
    const ino = await mounted.symlink(mounted.root, 'l', targetOf(20))
    const unmounted = await mounted.unmount()
    const view = new DataView(unmounted.buffer)
    const [, block, offset] =
      /block (\d+), offset 0x([0-9a-f]+)/.exec(debugfs(unmounted, `imap <${ino}>`)) ?? []
    damage(view, Number(block) * 1024 + Number.parseInt(offset ?? '', 16))
    const again = await MountedNames.on(unmounted)
    t.throws(() => again.fs.readlink(ino), { code: 'EUCLEAN', message }, what)
  }
})

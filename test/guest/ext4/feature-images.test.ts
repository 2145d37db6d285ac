import t from 'tap'
import type { Ext4 } from '../../../src/guest/ext4/ext4.js'
import { fsck } from '../../../src/guest/ext4/fsck/fsck.js'
import type { Problem } from '../../../src/guest/ext4/fsck/problem.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, list, mountExt4, ROOT_USER, readAll, ready, writeAll } from './mounted.js'

t.setTimeout(120_000)

/** Images of mkfs.ext4 away from the defaults: each used by us and by the kernel, and judged by e2fsck. */
const SETS: Readonly<Record<string, readonly string[]>> = {
  meta_bg: ['-b', '1024', '-g', '1024', '-O', 'meta_bg,^resize_inode'],
  'meta_bg,^64bit,^flex_bg': ['-b', '1024', '-g', '512', '-O', 'meta_bg,^resize_inode,^64bit,^flex_bg'],
  'meta_bg,sparse_super2': ['-b', '1024', '-g', '1024', '-O', 'meta_bg,^resize_inode,sparse_super2'],
  '^has_journal': ['-b', '1024', '-O', '^has_journal'],
  '^has_journal,^64bit,^metadata_csum': ['-b', '4096', '-O', '^has_journal,^64bit,^metadata_csum'],
  '^filetype': ['-b', '1024', '-O', '^filetype'],
  '^filetype,^metadata_csum': ['-b', '1024', '-O', '^filetype,^metadata_csum'],
  '^ext_attr,^dir_index': ['-b', '1024', '-O', '^ext_attr,^dir_index'],
  '-I 128, ^extra_isize': ['-b', '1024', '-I', '128', '-O', '^extra_isize,^huge_file'],
  large_dir: ['-b', '1024', '-O', 'large_dir'],
  sparse_super2: ['-b', '1024', '-g', '2048', '-O', 'sparse_super2'],
  '^metadata_csum,uninit_bg': ['-b', '1024', '-g', '2048', '-O', '^metadata_csum,uninit_bg'],
  stripes: ['-b', '4096', '-E', 'stride=16,stripe_width=64', '-O', '^large_file,^resize_inode'],
}
const NAMES = 240
const skip = noKernelMount() ?? false

function complaints(image: Uint8Array): string[] {
  const found: string[] = []
  const note = ({ severity, structure, message }: Problem) =>
    found.push(`${severity} ${structure}: ${message}`)
  fsck(new RamDisk(image), { report: note })
  return found
}

async function fill(fs: Ext4): Promise<void> {
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('many'), 0o755, ROOT_USER)
  for (let index = 0; index < NAMES; index++) {
    ;(await ready(fs)).mknod(dir, bytesOf(`a name of some length ${index}`), 0o100644, 0, ROOT_USER)
  }
  for (let index = 0; index < NAMES; index += 3) {
    ;(await ready(fs)).unlink(dir, bytesOf(`a name of some length ${index}`))
  }
  const file = (await ready(fs)).mknod(fs.root, bytesOf('file'), 0o100644, 0, ROOT_USER)
  for (let part = 0; part < 40; part++) await writeAll(fs, file, part * 30_000, bytesOf(`part ${part}\n`))
  await writeAll(fs, file, 0x8000_0000, bytesOf('behind 2 GiB'))
  await ready(fs)
  fs.setxattr(file, bytesOf('user.colour'), bytesOf('green'), 0)
  fs.setxattr(file, bytesOf('user.text'), new Uint8Array(600).fill(0x78), 0)
  fs.symlink(fs.root, bytesOf('short'), bytesOf('many'), ROOT_USER)
  fs.symlink(fs.root, bytesOf('long'), bytesOf('x'.repeat(300)), ROOT_USER)
  fs.mknod(fs.root, bytesOf('pipe'), 0o010644, 0, ROOT_USER)
  fs.rename(fs.root, bytesOf('pipe'), dir, bytesOf('a name of some length 1'), 0)
}

const LOOK = `ls many | wc -l; stat -c '%F %s' file long; stat -c %F 'many/a name of some length 1'; readlink short
dd if=file bs=30000 skip=7 count=1 status=none | head -c 7; tail -c 12 file; echo; getfattr -n user.colour --only-values file`

for (const [name, options] of Object.entries(SETS)) {
  t.test(`${name}: filled by us -> e2fsck, our checker and the kernel are content`, { skip }, async (t) => {
    const disk = new RamDisk(mkfsExt4(32 << 20, options))
    const fs = await mountExt4(disk)
    t.notOk(fs.readOnly, 'writable')
    await fill(fs)
    await fs.unmount()
    const judged = e2fsck(disk.bytes)
    t.equal(judged.status, 0, judged.output)
    t.same(complaints(disk.bytes), [])
    const many = NAMES - Math.ceil(NAMES / 3)
    const { output, image } = onKernel(disk.bytes, LOOK)
    t.same(output.split('\n'), [
      `${many}`,
      'regular file 2147483660',
      'symbolic link 300',
      'fifo',
      'many',
      'part 7',
      'behind 2 GiB',
      'green',
    ])
    t.equal(e2fsck(image).status, 0, 'after the kernel')
  })

  t.test(`${name}: filled by the kernel -> we read it and write on`, { skip }, async (t) => {
    const made = onKernel(
      mkfsExt4(32 << 20, options),
      `mkdir many; for i in $(seq ${NAMES}); do echo $i > "many/a name of some length $i"; done; ln -s many short`,
    )
    const disk = new RamDisk(made.image)
    const fs = await mountExt4(disk)
    const dir = fs.lookup(fs.root, bytesOf('many')) as number
    t.equal(list(fs, dir).size, NAMES)
    const file = fs.lookup(dir, bytesOf('a name of some length 77')) as number
    t.same(readAll(fs, file), bytesOf('77\n'))
    for (let index = 1; index <= NAMES; index += 2) {
      ;(await ready(fs)).unlink(dir, bytesOf(`a name of some length ${index}`))
    }
    ;(await ready(fs)).rename(dir, bytesOf('a name of some length 2'), fs.root, bytesOf('moved'), 0)
    await fs.unmount()
    const judged = e2fsck(disk.bytes)
    t.equal(judged.status, 0, judged.output)
    t.same(complaints(disk.bytes), [])
  })
}

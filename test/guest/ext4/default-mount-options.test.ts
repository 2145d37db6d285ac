/** What `tune2fs -o` and `-e` keep in the superblock, judged by what the kernel's ext4 makes of the same image. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import tmp from 'tmp'
import { UnsupportedError } from '../../../lib/errno.js'
import type { MountOptions } from '../../../src/guest/ext4/mount-options.js'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, debugfsWrite, e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, mountExt4, ROOT_USER, ready, TestClock, writeAll } from './mounted.js'

const skip = noKernelMount() ?? false
const IMAGE = mkfsExt4(16 << 20, ['-b', '4096', '-J', 'size=4'])

class DiscardDisk extends RamDisk {
  readonly discardGranularity = 4096
  discards = 0

  discard(): void {
    this.discards++
  }
}

function tune2fs(...options: string[]): Uint8Array {
  const path = tmp.fileSync().name
  writeFileSync(path, IMAGE)
  execFileSync('tune2fs', [...options, path], { stdio: 'pipe' })
  return new Uint8Array(readFileSync(path))
}

interface Observed {
  grpid: boolean
  nouid32: boolean
  discard: boolean
  barrier: boolean
}

async function observe(
  image: Uint8Array,
  options: Partial<Omit<MountOptions, 'clock' | 'now'>> = {},
): Promise<Observed> {
  const disk = new DiscardDisk(image)
  const fs = await mountExt4(disk, new TestClock(), options)
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
  ;(await ready(fs)).setattr(dir, { gid: 77 })
  const owner = { uid: 100_000, gid: 6 }
  const file = (await ready(fs)).mknod(dir, bytesOf('f'), 0o100644, 0, owner)
  await writeAll(fs, file, 0, new Uint8Array(40_960))
  const { uid, gid } = fs.getattr(file)
  await fs.syncfs()
  ;(await ready(fs)).unlink(dir, bytesOf('f'))
  await fs.syncfs()
  await fs.unmount()
  const { status, output } = e2fsck(disk.bytes)
  if (status !== 0) throw new Error(output)
  return {
    grpid: gid === 77,
    nouid32: uid === 65_534,
    discard: disk.discards > 0,
    barrier: disk.flushes > 0,
  }
}

/** What /proc/fs/ext4 says of the kernel's mount. */
function observeKernel(image: Uint8Array, options: string): Observed {
  const script = 'cat /proc/fs/ext4/$(basename $(findmnt -no SOURCE .))/options'
  const words = onKernel(image, script, options).output.split('\n')
  return {
    grpid: words.includes('grpid'),
    nouid32: words.includes('nouid32'),
    discard: words.includes('discard'),
    barrier: words.includes('barrier'),
  }
}

const CASES: readonly [flags: string, options: string, own: Parameters<typeof observe>[1]][] = [
  ['^acl,^user_xattr', '', {}],
  ['bsdgroups', '', {}],
  ['uid16', '', {}],
  ['discard', '', {}],
  ['nobarrier', '', {}],
  ['journal_data_ordered,nodelalloc,block_validity', '', {}],
  ['bsdgroups,uid16,discard,nobarrier', '', {}],
  [
    'bsdgroups,discard,nobarrier',
    ',nogrpid,nodiscard,barrier',
    { barrier: true, behaviour: { grpid: false, discard: false } },
  ],
  [
    '^acl',
    ',grpid,discard,nobarrier,nouid32',
    { barrier: false, behaviour: { grpid: true, discard: true, nouid32: true } },
  ],
]

for (const [flags, options, own] of CASES) {
  t.test(`tune2fs -o ${flags}, mounted with "${options}" -> as in the kernel`, { skip }, async (t) => {
    const image = tune2fs('-o', flags)
    t.same(await observe(image, own), observeKernel(image, options))
  })
}

t.test('user_xattr and acl -> to be had without their bits too, as in Linux', async (t) => {
  const fs = await mountExt4(new RamDisk(tune2fs('-o', '^acl,^user_xattr')))
  ;(await ready(fs)).setxattr(fs.root, bytesOf('user.a'), bytesOf('x'), 0)
  t.same(fs.getxattr(fs.root, bytesOf('user.a')), bytesOf('x'))
})

for (const mode of ['journal_data', 'journal_data_writeback']) {
  t.test(`${mode} -> refused by name; with data=ordered or ro it is mounted`, async (t) => {
    const disk = new RamDisk(tune2fs('-o', mode))
    const error: unknown = await mountExt4(disk).catch((error) => error)
    t.ok(error instanceof UnsupportedError && error.features.includes(mode), String(error))
    t.match(error, { message: /data=ordered/ })
    t.equal(disk.storeSequence, 0, 'nothing is stored')
    t.ok((await mountExt4(disk, new TestClock(), { readOnly: true })).readOnly)
    const fs = await mountExt4(disk, new TestClock(), { data: 'ordered' })
    t.notOk(fs.readOnly)
    await fs.unmount()
    t.equal(e2fsck(disk.bytes).status, 0)
  })
}

t.test('journal_data without a journal -> means nothing', async (t) => {
  const image = debugfsWrite(mkfsExt4(8 << 20, ['-O', '^has_journal']), 'ssv default_mount_opts 0x2c')
  t.match(debugfs(image, 'stats -h'), /journal_data/)
  const fs = await mountExt4(new RamDisk(image))
  t.notOk(fs.readOnly)
  await fs.unmount()
})

t.test('tune2fs -e -> what an inconsistency leads to; a number that means nothing: remount-ro', async (t) => {
  const broken = (image: Uint8Array): Uint8Array => debugfsWrite(image, 'sif <2> block[0] 0')
  const outcome = async (image: Uint8Array, options = {}): Promise<string> => {
    const fs = await mountExt4(new RamDisk(broken(image)), new TestClock(), options)
    let panicked = false
    fs.onPanic = () => {
      panicked = true
    }
    t.throws(() => fs.lookup(fs.root, bytesOf('lost+found')), { code: 'EUCLEAN' })
    return panicked ? 'panic' : fs.readOnly ? 'remount-ro' : 'continue'
  }
  for (const errors of ['continue', 'remount-ro', 'panic'] as const) {
    t.equal(await outcome(tune2fs('-e', errors)), errors)
    t.equal(await outcome(tune2fs('-e', 'panic'), { errors }), errors, 'the option counts')
  }
  t.equal(await outcome(debugfsWrite(IMAGE, 'ssv errors 7')), 'remount-ro')
})

import { execFileSync } from 'node:child_process'
import { readFileSync, truncateSync } from 'node:fs'
import t from 'tap'
import tmp from 'tmp'
import { UnsupportedError } from '../../../lib/errno.js'
import { INCOMPAT } from '../../../src/guest/ext4/features.js'
import { fsck } from '../../../src/guest/ext4/fsck/fsck.js'
import { SUPERBLOCK_OFFSET, SuperBlock } from '../../../src/guest/ext4/superblock.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount } from './kernel-mount.js'
import { bytesOf, list, mountExt4, TestClock } from './mounted.js'

const skip = noKernelMount() ?? false

/** What mke2fs -O takes, and by which name the mount is refused, read-only too. */
const REFUSED: Readonly<Record<string, string>> = {
  casefold: 'casefold',
  encrypt: 'encrypt',
  journal_dev: 'journal_dev',
  verity: 'verity',
}

for (const [feature, name] of Object.entries(REFUSED)) {
  t.test(`${feature}: mounted -> refused by name, and nothing is stored`, async (t) => {
    const disk = new RamDisk(mkfsExt4(8 << 20, ['-b', '4096', '-O', feature]))
    for (const readOnly of [false, true]) {
      const error: unknown = await mountExt4(disk, new TestClock(), { readOnly }).catch((error) => error)
      t.ok(error instanceof UnsupportedError && error.message.includes(name), String(error))
    }
    t.equal(disk.storeSequence, 0)
  })
}

t.test('compression: a bit that mke2fs does not set any more -> refused by name', async (t) => {
  const image = mkfsExt4(8 << 20, ['-O', '^metadata_csum'])
  const view = new DataView(image.buffer)
  const incompat = SuperBlock.s_feature_incompat.get(view, SUPERBLOCK_OFFSET)
  SuperBlock.s_feature_incompat.set(view, SUPERBLOCK_OFFSET, incompat | INCOMPAT.compression)
  await t.rejects(mountExt4(new RamDisk(image)), { message: /compression/ })
})

t.test('external journal: in another device -> refused by name', async (t) => {
  const image = mkfsExt4(8 << 20, ['-O', '^metadata_csum'])
  const view = new DataView(image.buffer)
  SuperBlock.s_journal_inum.set(view, SUPERBLOCK_OFFSET, 0)
  SuperBlock.s_journal_dev.set(view, SUPERBLOCK_OFFSET, 0x700)
  await t.rejects(mountExt4(new RamDisk(image)), { message: /external journal/ })
})

/** A file system whose journal mke2fs put into another device, and that device. Both are loop devices meanwhile. */
function withExternalJournal(): { image: Uint8Array; journal: Uint8Array } {
  const paths = [tmp.fileSync().name, tmp.fileSync().name] as const
  const devices: string[] = []
  try {
    for (const path of paths) {
      truncateSync(path, 16 << 20)
      devices.push(execFileSync('losetup', ['-f', '--show', path], { encoding: 'utf8' }).trim())
    }
    const [device, journal] = devices as [string, string]
    execFileSync('mke2fs', ['-q', '-F', '-b', '4096', '-O', 'journal_dev', journal], { stdio: 'pipe' })
    execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', '-J', `device=${journal}`, device], {
      stdio: 'pipe',
    })
  } finally {
    for (const device of devices) execFileSync('losetup', ['-d', device])
  }
  return { image: new Uint8Array(readFileSync(paths[0])), journal: new Uint8Array(readFileSync(paths[1])) }
}

t.test(
  'external journal, by mke2fs -O journal_dev -> both refused by name, noload too',
  { skip },
  async (t) => {
    const { image, journal } = withExternalJournal()
    for (const [bytes, name] of [
      [image, /external journal/],
      [journal, /journal_dev/],
    ] as const) {
      const disk = new RamDisk(bytes)
      for (const options of [{}, { readOnly: true }, { readOnly: true, noload: true }]) {
        const error: unknown = await mountExt4(disk, new TestClock(), options).catch((error) => error)
        t.ok(error instanceof UnsupportedError && name.test(error.message), String(error))
      }
      t.equal(disk.storeSequence, 0)
      const problems: string[] = []
      t.equal(fsck(disk, { report: ({ message }) => problems.push(message) }).status, 8)
      t.match(problems, [name])
    }
  },
)

t.test('an ro_compat feature without a name -> mounted read-only, and the report names it', async (t) => {
  const image = mkfsExt4(8 << 20, ['-O', '^metadata_csum'])
  const view = new DataView(image.buffer)
  const roCompat = SuperBlock.s_feature_ro_compat.get(view, SUPERBLOCK_OFFSET)
  SuperBlock.s_feature_ro_compat.set(view, SUPERBLOCK_OFFSET, roCompat | 0x4000_0000)
  const fs = await mountExt4(new RamDisk(image))
  t.ok(fs.readOnly)
  t.match(fs.report.readOnlyReason, /FEATURE_R30/)
})

t.test('mmp: mounted -> read-only by name; read; our checker knows its block', async (t) => {
  const disk = new RamDisk(mkfsExt4(16 << 20, ['-O', 'mmp']))
  const fs = await mountExt4(disk)
  t.ok(fs.readOnly)
  t.match(fs.report.readOnlyReason, /mmp/)
  t.same([...list(fs, fs.root).keys()], ['lost+found'])
  await t.rejects(async () => fs.mkdir(fs.root, bytesOf('no'), 0o755, { uid: 0, gid: 0 }), { code: 'EROFS' })
  await fs.unmount()
  t.equal(disk.storeSequence, 0, 'nothing is stored')
  const problems: string[] = []
  const { status } = fsck(disk, { report: ({ message }) => problems.push(message) })
  t.equal(status, 0, problems.join('\n'))
  t.equal(e2fsck(disk.bytes).status, 0)
})

t.test('mmp with a journal to recover: mounted -> refused by name, unless noload', async (t) => {
  const dirty = new RamDisk(mkfsExt4(16 << 20, ['-b', '4096', '-O', '^metadata_csum']))
  const fs = await mountExt4(dirty)
  fs.mkdir(fs.root, bytesOf('d'), 0o755, { uid: 0, gid: 0 })
  await fs.syncfs()
  const crashed = dirty.durable()
  const view = new DataView(crashed.buffer)
  const incompat = SuperBlock.s_feature_incompat.get(view, SUPERBLOCK_OFFSET)
  SuperBlock.s_feature_incompat.set(view, SUPERBLOCK_OFFSET, incompat | INCOMPAT.mmp)
  await t.rejects(mountExt4(new RamDisk(crashed), new TestClock(), { readOnly: true }), { message: /mmp/ })
  const bare = await mountExt4(new RamDisk(crashed), new TestClock(), { readOnly: true, noload: true })
  t.ok(bare.readOnly)
})

/** Mount options of ext4 that change what is stored, judged by the kernel's ext4 under the same options and by e2fsck. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import tmp from 'tmp'
import { FsError } from '../../../lib/errno.js'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, mountExt4, ROOT_USER, ready, TestClock } from './mounted.js'

const skip = noKernelMount() ?? false

for (const options of [
  ['-b', '4096'],
  ['-b', '1024'],
  ['-b', '1024', '-O', '^dir_index'],
  ['-b', '4096', '-O', 'inline_data'],
]) {
  t.test(`max_dir_size_kb, ${options.join(' ')} -> ENOSPC where the kernel has it`, { skip }, async (t) => {
    const image = mkfsExt4(16 << 20, options)
    const name = (index: number): string => `${index}`.padStart(100, 'n')
    const script =
      'mkdir d; i=0; while { true > d/$(printf %100d $i | tr " " n); } 2>/dev/null; do i=$((i+1)); done; stat -c %s d'
    const kernel = onKernel(image, `set +e; ${script}`, ',max_dir_size_kb=10').output
    const disk = new RamDisk(image)
    const fs = await mountExt4(disk, new TestClock(), { behaviour: { maxDirSize: 10 * 1024 } })
    const dir = (await ready(fs)).mkdir(fs.root, bytesOf('d'), 0o755, ROOT_USER)
    let error: unknown
    for (let index = 0; index < 1000 && error === undefined; index++) {
      await ready(fs)
      try {
        fs.mknod(dir, bytesOf(name(index)), 0o100644, 0, ROOT_USER)
      } catch (thrown) {
        error = thrown
      }
    }
    t.ok(error instanceof FsError && error.code === 'ENOSPC', String(error))
    t.match(error, { message: /max_dir_size_kb/ })
    t.equal(`${fs.getattr(dir).size}\n`, kernel)
    ;(await ready(fs)).mkdir(fs.root, bytesOf('another'), 0o755, ROOT_USER)
    await fs.unmount()
    const { status, output } = e2fsck(disk.bytes)
    t.equal(status, 0, output)
  })
}

/** The image after e2fsck -fy, which has to find nothing but the journal to replay. */
function recoveredByE2fsck(image: Uint8Array): Uint8Array {
  const path = tmp.fileSync().name
  writeFileSync(path, image)
  execFileSync('e2fsck', ['-p', path], { stdio: 'pipe' })
  return new Uint8Array(readFileSync(path))
}

for (const { feature, journalChecksum } of [
  { feature: '^metadata_csum', journalChecksum: true },
  { feature: 'metadata_csum', journalChecksum: false },
  { feature: 'metadata_csum', journalChecksum: true },
]) {
  const name = journalChecksum ? 'journal_checksum' : 'nojournal_checksum'
  t.test(`${name}, ${feature}: crashed -> recovered by e2fsck, the kernel and us`, { skip }, async (t) => {
    const disk = new RamDisk(mkfsExt4(16 << 20, ['-b', '4096', '-O', feature]))
    const fs = await mountExt4(disk, new TestClock(), { journalChecksum })
    ;(await ready(fs)).mkdir(fs.root, bytesOf('kept'), 0o755, ROOT_USER)
    await fs.syncfs()
    const crashed = disk.durable()
    const features = debugfs(crashed, 'stats -h')
    t.match(features, /needs_recovery/)
    t.equal(/journal_checksum_v3/.test(debugfs(crashed, 'logdump -S')), journalChecksum)
    const mended = recoveredByE2fsck(crashed)
    t.equal(e2fsck(mended).status, 0)
    t.match(debugfs(mended, 'ls -p'), /kept/)
    t.match(onKernel(crashed, 'ls').output, /kept/)
    const again = await mountExt4(new RamDisk(crashed))
    t.ok(again.lookup(again.root, bytesOf('kept')))
    await again.unmount()
  })
}

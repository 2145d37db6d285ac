import t from 'tap'
import { RamDisk } from '../../ram-disk.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, list, mountExt4, ROOT_USER, ready } from './mounted.js'

const ENTRIES = 100_000

t.test(`a directory of ${ENTRIES} entries -> each is found, listed once, and goes again`, async (t) => {
  const disk = new RamDisk(mkfsExt4(64 << 20, ['-b', '1024', '-O', 'large_dir']))
  const fs = await mountExt4(disk)
  const dir = (await ready(fs)).mkdir(fs.root, bytesOf('large'), 0o755, ROOT_USER)
  // Links, not files: two inodes may have 65,000 each.
  const files: number[] = []
  for (const name of ['a', 'b'])
    files.push((await ready(fs)).mknod(fs.root, bytesOf(name), 0o100644, 0, ROOT_USER))
  const names = Array.from({ length: ENTRIES }, (_, n) => `entry number ${n}`)
  for (const [n, name] of names.entries()) (await ready(fs)).link(files[n & 1]!, dir, bytesOf(name))
  await fs.syncfs()
  t.match(
    debugfs(disk.bytes, 'htree_dump /large').slice(0, 1000),
    /Indirect levels: [12]/,
    'three levels of index',
  )
  const listed = list(fs, dir)
  t.equal(listed.size, ENTRIES)
  t.ok(names.every((name, n) => listed.get(name) === files[n & 1]))
  t.ok(names.every((name, n) => fs.lookup(dir, bytesOf(name)) === files[n & 1]))
  t.equal(fs.lookup(dir, bytesOf('entry number 100000')), undefined)
  await fs.unmount()
  let judged = e2fsck(disk.bytes)
  t.equal(judged.status, 0, judged.output)

  const again = await mountExt4(disk)
  for (const name of names) (await ready(again)).unlink(dir, bytesOf(name))
  ;(await ready(again)).rmdir(again.root, bytesOf('large'))
  t.equal(again.getattr(files[0]!).nlink, 1)
  await again.unmount()
  judged = e2fsck(disk.bytes)
  t.equal(judged.status, 0, judged.output)
})

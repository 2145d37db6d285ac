/** Directories of three htree levels go between the kernel's ext4 and ours. */
import t from 'tap'
import { DxNode } from '../../../src/guest/ext4/htree-node.js'
import { Volume } from '../../../src/guest/ext4/volume.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, list, mountExt4, ready, TestClock } from './mounted.js'

t.setTimeout(120_000)

const skip = noKernelMount() ?? false
const COUNT = 40_000
const MORE = 500
const nameOf = (index: number): string => `${index}`.padEnd(250, 'n')

/** A program that runs in the root directory of the kernel's mount. */
const script = (program: string): string => `'${process.execPath}' -e '
  const fs = require("node:fs")
  const name = (index) => "d/" + String(index).padEnd(250, "n")
  ${program}'`

t.test(
  'large_dir: a directory the kernel made -> read and changed here, and read there again',
  { skip },
  async (t) => {
    const made = onKernel(
      mkfsExt4(64 << 20, ['-b', '1024', '-O', 'large_dir']),
      script(`fs.mkdirSync("d"); fs.writeFileSync("f", "")
      for (let index = 0; index < ${COUNT}; index++) fs.linkSync("f", name(index))`),
    ).image
    const disk = new RamDisk(made)
    const fs = await mountExt4(disk)
    const dir = fs.lookup(fs.root, bytesOf('d')) ?? 0
    const file = fs.lookup(fs.root, bytesOf('f')) ?? 0
    const volume = new Volume(disk, new TestClock().now)
    t.equal(DxNode.root(volume.inodeCache.get(dir)).indirectLevels, 2, 'three levels')
    const names = Array.from({ length: COUNT }, (_, index) => nameOf(index))
    t.equal(list(fs, dir).size, COUNT)
    t.ok(names.every((name) => fs.lookup(dir, bytesOf(name)) === file))
    for (let index = 0; index < MORE; index++) {
      ;(await ready(fs)).link(file, dir, bytesOf(nameOf(COUNT + index)))
      ;(await ready(fs)).unlink(dir, bytesOf(nameOf(index * 7)))
    }
    await fs.unmount()
    const judged = e2fsck(disk.bytes)
    t.equal(judged.status, 0, judged.output)
    const seen = onKernel(
      disk.bytes,
      script(`let found = 0
      for (let index = 0; index < ${COUNT + MORE}; index++) if (fs.existsSync(name(index))) found++
      console.log(found, fs.readdirSync("d").length)
      for (let index = ${COUNT}; index < ${COUNT + MORE}; index++) fs.unlinkSync(name(index))`),
    )
    t.equal(seen.output, `${COUNT} ${COUNT}\n`)
    t.equal(e2fsck(seen.image).status, 0)
  },
)

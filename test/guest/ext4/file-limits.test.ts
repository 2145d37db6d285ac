/** The largest sizes of files, judged by the kernel's ext4 on the same image. */
import t from 'tap'
import { RamDisk } from '../../ram-disk.js'
import { debugfsWrite, e2fsck, mkfsExt4 } from './image.js'
import { noKernelMount, onKernel } from './kernel-mount.js'
import { bytesOf, mountExt4, ROOT_USER, ready, TestClock, writeAll } from './mounted.js'

const skip = noKernelMount() ?? false
const INDIRECT = '^extent,^64bit,^metadata_csum'

/** The error's code, or undefined when it went well. */
async function codeOf(operation: () => unknown): Promise<string | undefined> {
  try {
    await operation()
    return undefined
  } catch (error) {
    return (error as { code: string }).code
  }
}

for (const [blockSize, features, content] of [
  ['1024', 'extent', ''],
  ['2048', 'extent', ''],
  ['4096', 'extent', ''],
  ['1024', INDIRECT, ''],
  ['2048', INDIRECT, ''],
  ['4096', INDIRECT, ''],
  ['1024', '^huge_file', ''],
  ['4096', '^huge_file', ''],
  ['1024', `^huge_file,${INDIRECT}`, ''],
  ['2048', `^huge_file,${INDIRECT}`, ''],
  ['4096', `^huge_file,${INDIRECT}`, ''],
  ['4096', 'inline_data', ''],
  ['4096', 'inline_data', 'inline'],
  ['1024', 'inline_data', 'inline'],
] as const) {
  const name = `${blockSize}, ${features}, file with "${content}"`
  t.test(`${name} -> as large as in the kernel, and not a byte more`, { skip }, async (t) => {
    const image = mkfsExt4(16 << 20, ['-b', blockSize, '-O', features])
    const disk = new RamDisk(image)
    const fs = await mountExt4(disk, new TestClock())
    const ino = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ROOT_USER)
    const resize = async (size: number): Promise<string | undefined> =>
      codeOf(async () => (await ready(fs)).setattr(ino, { size }))
    const refill = async (): Promise<void> => {
      await resize(0)
      await writeAll(fs, ino, 0, bytesOf(content))
    }
    let [least, most] = [0, 2 ** 46]
    while (least < most) {
      const middle = Math.ceil((least + most) / 2)
      await refill()
      if ((await resize(middle)) === undefined) least = middle
      else most = middle - 1
    }
    await refill()
    t.equal(await resize(least + 1), 'EFBIG')
    t.equal(await codeOf(() => writeAll(fs, ino, least, bytesOf('x'))), 'EFBIG')
    t.equal(fs.write(ino, least - 2, bytesOf('four'), 0, 4, false), 2, 'what fits is written')
    t.equal(fs.getattr(ino).size, least)
    await fs.unmount()
    const { status, output } = e2fsck(disk.bytes)
    t.equal(status, 0, output)

    const script = `printf '${content}' > f; truncate -s ${least} f; stat -c %s f
      rm f; printf '${content}' > f; truncate -s ${least + 1} f 2>&1 || true`
    t.match(onKernel(image, script).output, new RegExp(`^${least}\n.*File too large`))
    t.match(onKernel(disk.bytes, 'stat -c %s f; tail -c 2 f').output, `${least}\nfo`)
  })
}

t.test('^huge_file: i_blocks of 32 bits are full -> EFBIG, and nothing of the write remains', async (t) => {
  const disk = new RamDisk(mkfsExt4(16 << 20, ['-b', '4096', '-O', '^huge_file']))
  const before = await mountExt4(disk)
  const ino = (await ready(before)).mknod(before.root, bytesOf('f'), 0o100644, 0, ROOT_USER)
  await writeAll(before, ino, 0, new Uint8Array(4096))
  await before.unmount()
  const full = debugfsWrite(disk.bytes, `sif <${ino}> blocks 0xfffffff0`)
  const fs = await mountExt4(new RamDisk(full))
  const { blocksFree } = fs.statfs()
  await writeAll(fs, ino, 4096, new Uint8Array(4096))
  t.equal(fs.getattr(ino).blocks, 0xffff_fff8)
  await t.rejects(writeAll(fs, ino, 8192, new Uint8Array(4096)), { code: 'EFBIG' })
  t.match(fs.getattr(ino), { blocks: 0xffff_fff8, size: 8192 })
  t.equal(fs.statfs().blocksFree, blocksFree - 1)
})
